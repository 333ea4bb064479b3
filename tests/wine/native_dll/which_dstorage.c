/* SPDX-License-Identifier: MIT */
/* which_dstorage.c: says whose dstorage.dll the loader has chosen. */
#include <stdio.h>

#include "dstorage/include/dstorage.h"

int wmain(void);

int wmain(void)
{
	IDStorageFactory *factory;
	HRESULT hr = DStorageGetFactory(&IID_IDStorageFactory, (void **)&factory);

	printf("%s\n", hr == (HRESULT)0x80041234 ? "the game's"
		       : hr == S_OK		 ? "ds-runtime's"
		       : hr == E_NOTIMPL	 ? "no Unix half"
						 : "something else");
	return 0;
}
