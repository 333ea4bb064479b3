/* SPDX-License-Identifier: MIT */
/* test_core_cold_choice.c: what is not cached is read the way that was seen to be faster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/queue.h"
#include "support/require.h"

#define KIB   UINT64_C(1024)
#define MIB   (KIB * KIB)
#define DEPTH 64

/* A disk that serves one thing after the other. */
struct rig {
	struct ds_pipeline pl;
	uint64_t read_nbytes;
	uint64_t now_ns;
	uint64_t disk_free_ns;
	uint64_t pause_ns; /* of the caller, before each read */
	struct {
		struct ds_cold_read read;
		uint64_t end_ns;
	} queue[DEPTH]; /* a ring */
	unsigned first, nr;
	uint64_t lead_nbytes; /* so much after a change of the way takes half the time */
	uint64_t since_change;
	bool was_straight;
	uint64_t taken[2]; /* bytes; staged, straight */
};

static void set_up(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->read_nbytes = MIB;
	r->now_ns = 1000000000;
}

static void complete_one(struct rig *r)
{
	unsigned at = r->first;

	r->first = (r->first + 1) % DEPTH;
	r->nr--;
	if (r->now_ns < r->queue[at].end_ns)
		r->now_ns = r->queue[at].end_ns;
	ds_cold_done(&r->queue[at].read, r->read_nbytes, r->queue[at].end_ns);
}

/* Reads on, so many reads at a time; each way takes so long for a read. */
static void read_on(struct rig *r, unsigned depth, uint64_t nbytes, uint64_t straight_ns,
		    uint64_t staged_ns)
{
	struct ds_cold_choice *c = ds_cold_choice_of(&r->pl, r->read_nbytes);

	for (; nbytes; nbytes -= r->read_nbytes) {
		bool is_straight;
		uint64_t takes_ns;
		unsigned at;

		while (r->nr >= depth)
			complete_one(r);
		r->now_ns += r->pause_ns;
		is_straight = ds_cold_is_straight(c);
		at = (r->first + r->nr++) % DEPTH;
		ds_cold_start(c, &r->queue[at].read, r->read_nbytes, r->now_ns);
		r->since_change = is_straight == r->was_straight ? r->since_change : 0;
		r->was_straight = is_straight;
		takes_ns = is_straight ? straight_ns : staged_ns;
		if (r->since_change < r->lead_nbytes)
			takes_ns /= 2;
		r->since_change += r->read_nbytes;
		if (r->disk_free_ns < r->now_ns)
			r->disk_free_ns = r->now_ns;
		r->disk_free_ns += takes_ns;
		r->queue[at].end_ns = r->disk_free_ns;
		r->taken[is_straight] += r->read_nbytes;
	}
}

/* Share of what follows, in percent, that goes straight. */
static uint64_t straight_share(struct rig *r, unsigned depth, uint64_t nbytes, uint64_t straight_ns,
			       uint64_t staged_ns)
{
	memset(r->taken, 0, sizeof(r->taken));
	read_on(r, depth, nbytes, straight_ns, staged_ns);
	return r->taken[true] * 100 / nbytes;
}

static void takes_the_faster(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned depth = 1; depth <= DEPTH; depth *= 4) {
		set_up(&r);
		REQUIRE_CMP(straight_share(&r, depth, 8192 * MIB, 1100000, 1000000), <, 10);
		/* It is found out when that changes, though not at once. */
		read_on(&r, depth, 64 * 1024 * MIB, 900000, 1000000);
		REQUIRE_CMP(straight_share(&r, depth, 8192 * MIB, 900000, 1000000), >, 90);
		/* A little faster does not pay for the copy; a little more does. */
		set_up(&r);
		REQUIRE_CMP(straight_share(&r, depth, 8192 * MIB, 1000000, 985000), >, 90);
		set_up(&r);
		REQUIRE_CMP(straight_share(&r, depth, 8192 * MIB, 1000000, 955000), <, 10);
	}
}

/* After a change the other way is tried again soon, however long the turns had become. */
static void looks_again_soon(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	read_on(&r, DEPTH, 64 * 1024 * MIB, 1000000, 1100000);
	/* Until the change is found. */
	while (r.was_straight)
		read_on(&r, DEPTH, 64 * MIB, 1100000, 1000000);
	read_on(&r, DEPTH, 128 * MIB, 1100000, 1000000);
	REQUIRE_CMP(straight_share(&r, DEPTH, 4096 * MIB, 1000000, 1100000), >, 60);
}

/* What a way's first reads find, an idle disk for one thing, says nothing of the others. */
static void leaves_out_the_beginning(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	r.lead_nbytes = 8 * MIB;
	REQUIRE_CMP(straight_share(&r, 1, 8192 * MIB, 1100000, 1000000), <, 10);
	set_up(&r);
	r.lead_nbytes = 8 * MIB;
	REQUIRE_CMP(straight_share(&r, 1, 8192 * MIB, 1000000, 1100000), >, 90);
}

/* Those that were dropped or cut short bring no bytes, and do not make their way the faster. */
static void counts_what_has_come(void **state)
{
	struct ds_cold_choice *c;
	struct ds_cold_read read;
	struct rig r;

	(void)state;
	set_up(&r);
	c = ds_cold_choice_of(&r.pl, MIB);
	for (unsigned i = 0; i < 100000; i++) {
		REQUIRE(!ds_cold_is_straight(c));
		ds_cold_start(c, &read, MIB, r.now_ns);
		REQUIRE(ds_cold_has_staged(&r.pl));
		ds_cold_done(&read, 0, ++r.now_ns);
		REQUIRE(!ds_cold_has_staged(&r.pl));
	}
}

/* Finding out costs little where the difference is large. */
static void sees_soon_what_is_clear(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned depth = 1; depth <= DEPTH; depth *= 4) {
		set_up(&r);
		read_on(&r, depth, 512 * MIB, 2000000, 1000000);
		/* Those under way, and what is left out and measured. */
		REQUIRE_CMP(r.taken[true], <=, (depth + 8 + 16 + 1) * MIB);
		REQUIRE_CMP(r.taken[true], >, 0);
		set_up(&r);
		read_on(&r, depth, 512 * MIB, 1000000, 2000000);
		/* Here it is the first way that is slow, so that there is nothing to compare it with. */
		REQUIRE_CMP(r.taken[false], <=, (depth + 8 + 32 + 1) * MIB);
		REQUIRE_CMP(r.taken[false], >, 0);
	}
}

/* The time of a caller that thinks between its reads is nobody's. */
static void leaves_pauses_out(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	r.pause_ns = 10000000;
	REQUIRE_CMP(straight_share(&r, 1, 8192 * MIB, 1100000, 1000000), <, 10);
	set_up(&r);
	r.pause_ns = 10000000;
	REQUIRE_CMP(straight_share(&r, 1, 8192 * MIB, 1000000, 1100000), >, 90);
}

/* What is right for large reads is nothing for small ones. */
static void tells_sizes_apart(void **state)
{
	struct rig r;

	(void)state;
	set_up(&r);
	REQUIRE_CMP(straight_share(&r, DEPTH, 4096 * MIB, 1000000, 2000000), >, 85);
	while (r.nr)
		complete_one(&r);
	r.read_nbytes = 64 * KIB;
	REQUIRE_CMP(straight_share(&r, DEPTH, 4096 * MIB, 200000, 100000), <, 15);
	while (r.nr)
		complete_one(&r);
	r.read_nbytes = MIB;
	REQUIRE_CMP(straight_share(&r, DEPTH, 4096 * MIB, 1000000, 2000000), >, 85);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_faster),
		cmocka_unit_test(looks_again_soon),
		cmocka_unit_test(sees_soon_what_is_clear),
		cmocka_unit_test(leaves_out_the_beginning),
		cmocka_unit_test(counts_what_has_come),
		cmocka_unit_test(leaves_pauses_out),
		cmocka_unit_test(tells_sizes_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
