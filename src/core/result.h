/* SPDX-License-Identifier: MIT */
/* result.h: turning what the kernel says into what the public API says. */
#ifndef DS_CORE_RESULT_H
#define DS_CORE_RESULT_H

#include "ds_runtime.h"

/* errno_value is positive; 0 gives DS_OK. */
ds_result ds_result_from_errno(int errno_value);

/* What a request was doing when it failed; ds_completion.failed_operation. */
enum ds_operation {
	DS_OPERATION_NONE,
	DS_OPERATION_READ,
	DS_OPERATION_WRITE,
	DS_OPERATION_DECODE,
	DS_OPERATION_COPY,
	DS_OPERATION_PLACE,
	DS_OPERATION_FETCH,
	DS_OPERATION_FINISH,
};

/* "pread", "pwrite", "decode", ... */
const char *ds_operation_name(uint32_t operation);

#endif /* DS_CORE_RESULT_H */
