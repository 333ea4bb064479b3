/* SPDX-License-Identifier: MIT */
/* test_core_cold_choice.c: streams that are not cached are read the way that was seen to be faster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/queue.h"
#include "support/require.h"

#define MIB (UINT64_C(1) << 20)

static bool cached;

static bool is_cached(struct ds_io_engine *e, int fd, uint64_t offset, uint64_t nbytes)
{
	(void)e;
	(void)fd;
	(void)offset;
	(void)nbytes;
	return cached;
}

struct rig {
	struct ds_io_engine_ops ops;
	struct ds_io_engine engine;
	struct ds_file file;
	struct ds_slot slot;
	struct ds_pipeline pl;
	uint64_t offset;
	uint64_t taken[DS_COLD_COUNT]; /* bytes */
};

static void set_up(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->ops.is_cached = is_cached;
	r->engine.ops = &r->ops;
	r->slot.io.file = &r->file;
	r->pl.engine = &r->engine;
	cached = false;
}

/* Reads on; each way takes so long for a mebibyte. */
static void read_on(struct rig *r, uint64_t nbytes, uint64_t direct_ns, uint64_t buffered_ns)
{
	while (nbytes) {
		enum ds_cold how = ds_cold_choose(&r->pl, &r->slot, r->offset, MIB);
		struct ds_op op = { .all_nbytes = MIB, .done_nbytes = MIB };

		ds_cold_start(&r->pl, &op, how);
		if (op.start_ns)
			ds_cold_done(&r->pl, &op,
				     op.start_ns +
					     (how == DS_COLD_DIRECT ? direct_ns : buffered_ns));
		r->taken[how] += MIB;
		r->offset += MIB;
		nbytes -= MIB;
	}
}

/* Share of what follows, in percent, that goes through the page cache. */
static uint64_t buffered_share(struct rig *r, uint64_t direct_ns, uint64_t buffered_ns)
{
	memset(r->taken, 0, sizeof(r->taken));
	read_on(r, 4096 * MIB, direct_ns, buffered_ns);
	return r->taken[DS_COLD_BUFFERED] * 100 / (4096 * MIB);
}

static void takes_the_faster(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	REQUIRE_CMP(buffered_share(&r, 2000000, 1000000), >, 85);
	/* It is found out when that changes. */
	REQUIRE_CMP(buffered_share(&r, 500000, 1000000), <, 40);
	REQUIRE_CMP(buffered_share(&r, 500000, 1000000), <, 10);
	/* A little faster does not pay for the CPU time. */
	REQUIRE_CMP(buffered_share(&r, 1000000, 950000), <, 10);
}

static void leaves_the_others_alone(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	/* Too short a stream. */
	read_on(&r, 4 * MIB, 2, 1);
	REQUIRE_CMP(r.taken[DS_COLD_NONE], ==, 4 * MIB);
	/* Here and there. */
	for (unsigned i = 0; i < 1000; i++) {
		r.offset = (i * 7919 % 1000) * 64 * MIB;
		REQUIRE_CMP(ds_cold_choose(&r.pl, &r.slot, r.offset, MIB), ==, DS_COLD_NONE);
	}
	/* What is cached. */
	set_up(&r);
	cached = true;
	read_on(&r, 100 * MIB, 2, 1);
	REQUIRE_CMP(r.taken[DS_COLD_NONE], ==, 100 * MIB);
	/* Descriptors of the caller's. */
	set_up(&r);
	r.slot.io.file = NULL;
	read_on(&r, 100 * MIB, 2, 1);
	REQUIRE_CMP(r.taken[DS_COLD_NONE], ==, 100 * MIB);
	/* Small reads. */
	set_up(&r);
	for (uint64_t at = 0; at < 100 * MIB; at += 65536)
		REQUIRE_CMP(ds_cold_choose(&r.pl, &r.slot, at, 65536), ==, DS_COLD_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_faster),
		cmocka_unit_test(leaves_the_others_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
