/* SPDX-License-Identifier: MIT */
/* fake_cuda_open.c: the tests' side of fake_cuda.h. */
#include <dlfcn.h>
#include <string.h>

#include "fake/fake_cuda.h"
#include "support/require.h"

struct fake_cuda *fake_cuda_open(const char *path)
{
	struct fake_cuda *(*reset)(void);
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol;

	REQUIRE(library);
	symbol = dlsym(library, "fake_cuda_reset");
	REQUIRE(symbol);
	memcpy(&reset, &symbol, sizeof(reset));
	return reset();
}

void fake_cuda_require_clean(struct fake_cuda *f)
{
	REQUIRE_CMP(atomic_load(&f->contexts), ==, 0);
	REQUIRE_CMP(atomic_load(&f->streams), ==, 0);
	REQUIRE_CMP(atomic_load(&f->events), ==, 0);
	REQUIRE_CMP(atomic_load(&f->allocations), ==, 0);
	REQUIRE_CMP(atomic_load(&f->host_allocations), ==, 0);
	REQUIRE_CMP(atomic_load(&f->registrations), ==, 0);
	REQUIRE_CMP(atomic_load(&f->modules), ==, 0);
}
