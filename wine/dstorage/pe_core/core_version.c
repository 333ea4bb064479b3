/* SPDX-License-Identifier: MIT */
/* core_version.c: all of dstoragecore.dll that is not a forwarder. */
#include <windows.h>

extern const UINT32 DStorageSDKVersion;
const UINT32 DStorageSDKVersion = 300;

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved);

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved)
{
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH)
		DisableThreadLibraryCalls(instance);
	return TRUE;
}
