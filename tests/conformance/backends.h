/* SPDX-License-Identifier: MIT */
/* backends.h: the backends that the suites can be run on, by name. */
#ifndef TESTS_CONFORMANCE_BACKENDS_H
#define TESTS_CONFORMANCE_BACKENDS_H

#include <stdbool.h>

#include "ds_runtime.h"
#include "fake/fake_engine.h"

struct backend_maker {
	const char *name;
	ds_result (*make)(const struct ds_backend_config *cfg, struct fake_control *ctl,
			  struct ds_backend **out);
	bool is_fake;	 /* runs on the fault engine */
	bool has_device; /* memory of requests has no address, for the core */
};

/* NULL when there is none of that name. */
const struct backend_maker *backend_find(const char *name);

#endif /* TESTS_CONFORMANCE_BACKENDS_H */
