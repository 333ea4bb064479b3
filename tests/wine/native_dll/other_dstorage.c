/* SPDX-License-Identifier: MIT */
/* other_dstorage.c: stands for the dstorage.dll that a game brings along. */
#include <windows.h>

HRESULT WINAPI DStorageGetFactory(REFIID riid, void **ppv);

HRESULT WINAPI DStorageGetFactory(REFIID riid, void **ppv)
{
	(void)riid;
	(void)ppv;
	return (HRESULT)0x80041234;
}
