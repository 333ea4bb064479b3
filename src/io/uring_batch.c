/* SPDX-License-Identifier: MIT */
/* uring_batch.c: see uring_batch.h. */
#include "io/uring_batch.h"

#define PART	    3
/* At least so many: the first completion of a burst does not come alone. */
#define LEAST_BATCH 2
/* By how much of itself the level falls in each wait that does not fill it. */
#define LEVEL_FALL  32

unsigned ds_uring_batch_size(unsigned *level, unsigned in_flight)
{
	unsigned low;

	if (in_flight >= *level)
		*level = in_flight;
	else
		*level -= (*level + LEVEL_FALL - 1) / LEVEL_FALL;
	if (in_flight < DS_URING_LOADED_OPS)
		return 1;
	low = *level - *level / PART;
	return in_flight >= low + LEAST_BATCH ? in_flight - low : LEAST_BATCH;
}
