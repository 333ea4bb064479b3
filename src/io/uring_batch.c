/* SPDX-License-Identifier: MIT */
/* uring_batch.c: small or large batches of completions, by trying. */
#include "io/uring_batch.h"

#include <string.h>

#include "base/util.h"

#define SMALL_PART     3
#define LARGE_PART     3
/* At least so many: the first completion of a burst does not come alone. */
#define LEAST_BATCH    2
/* By how much of itself the level falls in each wait that does not fill it. */
#define LEVEL_FALL     32
/* A spell is at least so long, and turns over everything in flight so often. */
#define SPELL_NS       2000000
#define SPELL_TURNS    4
#define TRY_SPELLS     32
/* After so long without a loaded wait the ring had nothing to do: the spell says nothing. */
#define GAP_NS	       10000000
/* How long a choice holds. */
#define CHOSEN_NS      UINT64_C(3000000000)
/* The large batch may deliver so much less, in 64ths, for the CPU time that it saves. */
#define ACCEPTED_64THS 3

unsigned ds_uring_batch_size(struct ds_uring_batch *b, unsigned in_flight)
{
	unsigned part = b->now == DS_URING_BATCH_LARGE ? LARGE_PART : SMALL_PART;
	unsigned low;

	if (in_flight >= b->level)
		b->level = in_flight;
	else
		b->level -= (b->level + LEVEL_FALL - 1) / LEVEL_FALL;
	if (in_flight < DS_URING_LOADED_OPS)
		return 1;
	low = b->level - b->level / part;
	return in_flight >= low + LEAST_BATCH ? in_flight - low : LEAST_BATCH;
}

static bool is_large_as_good(const struct ds_uring_batch *b)
{
	const uint64_t *nbytes = b->nbytes, *ns = b->ns;
	double small, large;

	if (!ns[DS_URING_BATCH_LARGE])
		return false;
	if (!ns[DS_URING_BATCH_SMALL])
		return true;
	small = (double)nbytes[DS_URING_BATCH_SMALL] / (double)ns[DS_URING_BATCH_SMALL];
	large = (double)nbytes[DS_URING_BATCH_LARGE] / (double)ns[DS_URING_BATCH_LARGE];
	return large >= small - small * ACCEPTED_64THS / 64;
}

static void begin_spell(struct ds_uring_batch *b, enum ds_uring_batch_kind kind, uint64_t now_ns)
{
	b->now = kind;
	b->begin_ns = now_ns;
	b->spell_ops = 0;
	b->spell_nbytes = 0;
}

static enum ds_uring_batch_kind other(const struct ds_uring_batch *b)
{
	return b->now == DS_URING_BATCH_SMALL ? DS_URING_BATCH_LARGE : DS_URING_BATCH_SMALL;
}

static void begin_try(struct ds_uring_batch *b, uint64_t now_ns)
{
	b->is_chosen = false;
	b->nr_spells = 0;
	memset(b->nbytes, 0, sizeof(b->nbytes));
	memset(b->ns, 0, sizeof(b->ns));
	begin_spell(b, other(b), now_ns);
}

static void end_spell(struct ds_uring_batch *b, uint64_t now_ns)
{
	b->nbytes[b->now] += b->spell_nbytes;
	b->ns[b->now] += now_ns - b->begin_ns;
	b->nr_spells++;
	if (b->nr_spells < TRY_SPELLS) {
		begin_spell(b, other(b), now_ns);
		return;
	}
	b->now = is_large_as_good(b) ? DS_URING_BATCH_LARGE : DS_URING_BATCH_SMALL;
	b->is_chosen = true;
	b->chosen_until = now_ns + CHOSEN_NS;
}

void ds_uring_batch_done(struct ds_uring_batch *b, unsigned in_flight, unsigned nr_done,
			 uint64_t nbytes, uint64_t now_ns)
{
	bool had_gap = now_ns - b->last_ns > GAP_NS;

	b->last_ns = now_ns;
	if (b->is_chosen) {
		if (now_ns >= b->chosen_until)
			begin_try(b, now_ns);
		return;
	}
	/* The other comes next, or one that lets the ring run empty would never end its spell. */
	if (had_gap) {
		begin_spell(b, other(b), now_ns);
		return;
	}
	b->spell_ops += nr_done;
	b->spell_nbytes += nbytes;
	if (now_ns - b->begin_ns >= SPELL_NS && b->spell_ops >= (uint64_t)SPELL_TURNS * in_flight)
		end_spell(b, now_ns);
}
