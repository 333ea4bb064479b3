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

#define DEPTH 64
#define AHEAD (8 * MIB)

enum way {
	AS_EVER, /* none of the choice's business */
	DIRECT,
	BUFFERED,
	WAYS,
};

/* A disk that serves one thing after the other; read-ahead makes what follows cached. */
struct rig {
	struct ds_io_engine_ops ops;
	struct ds_io_engine engine;
	struct ds_file file;
	struct ds_slot slot;
	struct ds_pipeline pl;
	uint64_t offset;
	bool is_all_cached;
	uint64_t ahead_end;
	uint64_t now_ns;
	uint64_t disk_free_ns;
	uint64_t pause_ns; /* of the caller, before each read */
	struct {
		uint32_t span;
		uint64_t end_ns;
	} queue[DEPTH]; /* a ring */
	unsigned first, nr;
	uint64_t taken[WAYS]; /* bytes */
};

static bool is_cached(struct ds_io_engine *e, int fd, uint64_t offset, uint64_t nbytes)
{
	const struct rig *r = (struct rig *)((char *)e - offsetof(struct rig, engine));

	(void)fd;
	return r->is_all_cached || offset + nbytes <= r->ahead_end;
}

static void set_up(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->ops.is_cached = is_cached;
	r->engine.ops = &r->ops;
	r->slot.io.file = &r->file;
	r->pl.engine = &r->engine;
	r->now_ns = 1000000000;
}

static void complete_one(struct rig *r)
{
	unsigned at = r->first;

	r->first = (r->first + 1) % DEPTH;
	r->nr--;
	if (r->now_ns < r->queue[at].end_ns)
		r->now_ns = r->queue[at].end_ns;
	if (r->queue[at].span != DS_COLD_NO_SPAN)
		ds_cold_done(&r->pl, r->queue[at].span, MIB, r->queue[at].end_ns);
}

/* Reads on, so many reads at a time; each way takes so long for a mebibyte. */
static void read_on(struct rig *r, unsigned depth, uint64_t nbytes, uint64_t direct_ns,
		    uint64_t buffered_ns)
{
	for (; nbytes; nbytes -= MIB, r->offset += MIB) {
		struct ds_cold_pick pick;
		enum way way = AS_EVER;
		bool was_cached;

		while (r->nr >= depth)
			complete_one(r);
		r->now_ns += r->pause_ns;
		was_cached = is_cached(&r->engine, 0, r->offset, MIB);
		pick = ds_cold_choose(&r->pl, &r->slot, r->offset, MIB);
		if (r->offset + MIB <= r->ahead_end || pick.is_buffered)
			way = BUFFERED;
		else if (pick.span != DS_COLD_NO_SPAN && !was_cached)
			way = DIRECT;
		if (pick.is_buffered)
			r->ahead_end = r->offset + AHEAD;
		if (pick.span != DS_COLD_NO_SPAN)
			ds_cold_start(&r->pl, pick.span, r->now_ns);
		if (r->disk_free_ns < r->now_ns)
			r->disk_free_ns = r->now_ns;
		r->disk_free_ns += way == BUFFERED ? buffered_ns : direct_ns;
		r->queue[(r->first + r->nr) % DEPTH].span = pick.span;
		r->queue[(r->first + r->nr) % DEPTH].end_ns = r->disk_free_ns;
		r->nr++;
		r->taken[way] += MIB;
	}
}

/* Share of what follows, in percent, that goes through the page cache. */
static uint64_t buffered_share(struct rig *r, unsigned depth, uint64_t direct_ns,
			       uint64_t buffered_ns)
{
	memset(r->taken, 0, sizeof(r->taken));
	read_on(r, depth, 8192 * MIB, direct_ns, buffered_ns);
	return r->taken[BUFFERED] * 100 / (8192 * MIB);
}

static void takes_the_faster(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned depth = 1; depth <= DEPTH; depth *= 4) {
		set_up(&r);
		REQUIRE_CMP(buffered_share(&r, depth, 1100000, 1000000), >, 90);
		/* It is found out when that changes, though not at once. */
		read_on(&r, depth, 64 * 1024 * MIB, 900000, 1000000);
		REQUIRE_CMP(buffered_share(&r, depth, 900000, 1000000), <, 10);
		/* A little faster does not pay for the CPU time. */
		REQUIRE_CMP(buffered_share(&r, depth, 1000000, 990000), <, 10);
	}
}

/* The time of a caller that thinks between its reads is nobody's. */
static void leaves_pauses_out(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	r.pause_ns = 10000000;
	REQUIRE_CMP(buffered_share(&r, 1, 1100000, 1000000), >, 90);
	set_up(&r);
	r.pause_ns = 10000000;
	REQUIRE_CMP(buffered_share(&r, 1, 1000000, 1100000), <, 10);
}

static void leaves_the_others_alone(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	/* Too short a stream. */
	read_on(&r, DEPTH, 4 * MIB, 2, 1);
	REQUIRE_CMP(r.taken[AS_EVER], ==, 4 * MIB);
	/* Here and there. */
	for (unsigned i = 0; i < 1000; i++) {
		r.offset = (i * 7919 % 1000) * 64 * MIB;
		REQUIRE_CMP(ds_cold_choose(&r.pl, &r.slot, r.offset, MIB).span, ==,
			    DS_COLD_NO_SPAN);
	}
	/* What is cached. */
	set_up(&r);
	r.is_all_cached = true;
	read_on(&r, DEPTH, 100 * MIB, 2, 1);
	REQUIRE_CMP(r.taken[AS_EVER], ==, 100 * MIB);
	/* Descriptors of the caller's. */
	set_up(&r);
	r.slot.io.file = NULL;
	read_on(&r, DEPTH, 100 * MIB, 2, 1);
	REQUIRE_CMP(r.taken[AS_EVER], ==, 100 * MIB);
	/* Small reads. */
	set_up(&r);
	for (uint64_t at = 0; at < 100 * MIB; at += 65536)
		REQUIRE_CMP(ds_cold_choose(&r.pl, &r.slot, at, 65536).span, ==, DS_COLD_NO_SPAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_faster),
		cmocka_unit_test(leaves_pauses_out),
		cmocka_unit_test(leaves_the_others_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
