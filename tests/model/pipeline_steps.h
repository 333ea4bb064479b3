/* SPDX-License-Identifier: MIT */
/* pipeline_steps.h: what pipeline_steps.c and window_steps.c share. */
#ifndef DS_TESTS_MODEL_PIPELINE_STEPS_H
#define DS_TESTS_MODEL_PIPELINE_STEPS_H

#include "model.h"

/* ds_slot_fail(): the first failure counts. */
static inline void slot_fail(struct actor *a, struct frame f, ds_result error)
{
	uses_slot(a, f);
	if (!a->s->error)
		a->s->error = (int8_t)error;
}

#endif /* DS_TESTS_MODEL_PIPELINE_STEPS_H */
