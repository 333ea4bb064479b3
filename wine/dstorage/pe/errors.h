/* SPDX-License-Identifier: MIT */
/* errors.h: the runtime's results as HRESULTs. */
#ifndef DSTORAGE_ERRORS_H
#define DSTORAGE_ERRORS_H

#include <stdint.h>
#include <windows.h>

/* S_OK for DS_OK. */
HRESULT hresult_of(int32_t ds_result);

/* GetLastError() as an HRESULT, and a failure even if it says 0. */
HRESULT hresult_of_last_error(void);

#endif /* DSTORAGE_ERRORS_H */
