/* SPDX-License-Identifier: MIT */
/* fake_cufile_open.c: the tests' side of fake_cufile.h. */
#include <dlfcn.h>
#include <string.h>

#include "fake/fake_cufile.h"
#include "support/require.h"

struct fake_cufile *fake_cufile_open(const char *path)
{
	struct fake_cufile *(*reset)(void);
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol;

	REQUIRE(library);
	symbol = dlsym(library, "fake_cufile_reset");
	REQUIRE(symbol);
	memcpy(&reset, &symbol, sizeof(reset));
	return reset();
}
