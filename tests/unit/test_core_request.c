/* SPDX-License-Identifier: MIT */
/*
 * test_core_request.c: the word that decides a request's life.
 *
 * First every sequence of moves up to a length, against the rules; then threads that race.
 * A slot's word alone is looked at: no queue, no pipeline.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/request.h"
#include "support/require.h"

enum move {
	SUBMIT,
	RUN,
	TOUCH,
	LEAVE,
	FINISH,
	CANCEL,
	CANCEL_STALE,
	CANCEL_PENDING_ONLY,
	NR_MOVES,
};

enum {
	DEPTH = 7,
	GENERATION = 9
};

/* What the rules say, kept beside the real thing. */
struct model {
	enum ds_state state;
	unsigned touchers;
	unsigned ends; /* how often somebody was told to call ds_request_ended() */
};

static bool is_end(enum ds_state state)
{
	return state == DS_STATE_COMPLETE || state == DS_STATE_FAILED ||
	       state == DS_STATE_CANCELLED;
}

static void require_advance(struct ds_slot *s, struct model *m, enum ds_state from,
			    enum ds_state to)
{
	bool expected = m->state == from;

	REQUIRE_CMP(ds_slot_advance(s, from, to), ==, expected);
	if (expected)
		m->state = to;
}

static void require_leave(struct ds_slot *s, struct model *m)
{
	bool ends;

	if (!m->touchers)
		return;
	m->touchers--;
	ends = m->state == DS_STATE_CANCELLING && !m->touchers;
	REQUIRE_CMP(ds_slot_touch_end(s), ==, ends);
	if (ends) {
		m->state = DS_STATE_CANCELLED;
		m->ends++;
	}
}

static void require_cancel(struct ds_slot *s, struct model *m, uint32_t generation,
			   enum ds_state last)
{
	enum ds_cancel_outcome got = ds_slot_cancel(s, generation, DS_REASON_CANCEL, last);

	if (generation != GENERATION || is_end(m->state)) {
		REQUIRE_CMP(got, ==, DS_CANCEL_NOT_FOUND);
	} else if (m->state == DS_STATE_CANCELLING) {
		REQUIRE_CMP(got, ==, DS_CANCEL_BY_OTHER);
	} else if (m->state > last) {
		REQUIRE_CMP(got, ==, DS_CANCEL_NOT_FOUND);
	} else if (m->touchers) {
		REQUIRE_CMP(got, ==, DS_CANCEL_WANTED);
		m->state = DS_STATE_CANCELLING;
	} else {
		REQUIRE_CMP(got, ==,
			    m->state == DS_STATE_PENDING ? DS_CANCEL_ENDED_PENDING
							 : DS_CANCEL_ENDED);
		m->state = DS_STATE_CANCELLED;
		m->ends++;
	}
}

static void apply(struct ds_slot *s, struct model *m, enum move move)
{
	bool expected;

	switch (move) {
	case SUBMIT:
		require_advance(s, m, DS_STATE_PENDING, DS_STATE_SUBMITTED);
		break;
	case RUN:
		require_advance(s, m, DS_STATE_SUBMITTED, DS_STATE_RUNNING);
		break;
	case TOUCH:
		expected = m->state == DS_STATE_RUNNING;
		REQUIRE_CMP(ds_slot_touch_begin(s), ==, expected);
		m->touchers += expected;
		break;
	case LEAVE:
		require_leave(s, m);
		break;
	case FINISH:
		/* The pipeline only does so when no work is left, so with no toucher. */
		if (m->touchers)
			break;
		expected = m->state == DS_STATE_RUNNING;
		REQUIRE_CMP(ds_slot_finish(s, DS_STATE_COMPLETE), ==, expected);
		if (expected) {
			m->state = DS_STATE_COMPLETE;
			m->ends++;
		}
		break;
	case CANCEL:
		require_cancel(s, m, GENERATION, DS_STATE_RUNNING);
		break;
	case CANCEL_STALE:
		require_cancel(s, m, GENERATION - 1, DS_STATE_RUNNING);
		break;
	case CANCEL_PENDING_ONLY:
		require_cancel(s, m, GENERATION, DS_STATE_PENDING);
		break;
	case NR_MOVES:
		break;
	}
}

static void check(struct ds_slot *s, const struct model *m)
{
	uint64_t w = atomic_load(&s->word);

	REQUIRE_CMP(DS_WORD_GENERATION(w), ==, GENERATION);
	REQUIRE_CMP(DS_WORD_STATE(w), ==, m->state);
	REQUIRE_CMP((w & DS_WORD_TOUCH_MASK) / DS_WORD_TOUCH_ONE, ==, m->touchers);
	REQUIRE_CMP(m->ends, ==, is_end(m->state));
	if (is_end(m->state))
		REQUIRE_CMP(m->touchers, ==, 0);
	if (m->state == DS_STATE_CANCELLED)
		REQUIRE_CMP(DS_WORD_REASON(w), ==, DS_REASON_CANCEL);
}

static unsigned long explore(uint64_t word, const struct model *before, unsigned depth)
{
	unsigned long n = 1;

	for (unsigned move = 0; depth && move < NR_MOVES; move++) {
		struct ds_slot s;
		struct model m = *before;

		memset(&s, 0, sizeof(s));
		atomic_init(&s.word, word);
		apply(&s, &m, (enum move)move);
		check(&s, &m);
		n += explore(atomic_load(&s.word), &m, depth - 1);
	}
	return n;
}

static void every_sequence(void **state)
{
	const struct model m = { .state = DS_STATE_PENDING };

	(void)state;
	REQUIRE_CMP(explore(DS_WORD(GENERATION, DS_STATE_PENDING), &m, DEPTH), >, 2000000);
}

/* ------------------------------------------------------------------ races */

struct race {
	struct ds_slot slot;
	atomic_uint ends;
	atomic_uint touching; /* who is inside just now */
	atomic_uint go;
	atomic_uint begun; /* threads at the start of a round, and through with it */
	atomic_uint ended;
	bool is_cancelled;
};

static void round_begin(struct race *race, unsigned round)
{
	atomic_fetch_add(&race->begun, 1);
	while (atomic_load(&race->go) < round)
		sched_yield();
}

/* Touches twice, then tries to finish: the pipeline. */
static void *pipeline_main(void *arg)
{
	struct race *race = arg;

	for (unsigned round = 1; round <= 5000; round++) {
		round_begin(race, round);
		for (int i = 0; i < 2; i++) {
			if (!ds_slot_touch_begin(&race->slot))
				continue;
			atomic_fetch_add(&race->touching, 1);
			atomic_fetch_sub(&race->touching, 1);
			if (ds_slot_touch_end(&race->slot))
				atomic_fetch_add(&race->ends, 1);
		}
		if (ds_slot_finish(&race->slot, DS_STATE_COMPLETE))
			atomic_fetch_add(&race->ends, 1);
		atomic_fetch_add(&race->ended, 1);
	}
	return NULL;
}

static void *canceller_main(void *arg)
{
	struct race *race = arg;

	for (unsigned round = 1; round <= 5000; round++) {
		enum ds_cancel_outcome got;

		round_begin(race, round);
		got = ds_slot_cancel(&race->slot, GENERATION, DS_REASON_CANCEL, DS_STATE_RUNNING);
		race->is_cancelled = got != DS_CANCEL_NOT_FOUND;
		if (got == DS_CANCEL_ENDED) {
			/* From here on nobody is inside, nor comes in again. */
			REQUIRE_CMP(atomic_load(&race->touching), ==, 0);
			atomic_fetch_add(&race->ends, 1);
		}
		atomic_fetch_add(&race->ended, 1);
	}
	return NULL;
}

static void wait_for(atomic_uint *counter, unsigned n)
{
	while (atomic_load(counter) < n)
		sched_yield();
}

static void one_end_only(void **state)
{
	struct race race;
	pthread_t threads[2];

	(void)state;
	memset(&race, 0, sizeof(race));
	REQUIRE_CMP(pthread_create(&threads[0], NULL, pipeline_main, &race), ==, 0);
	REQUIRE_CMP(pthread_create(&threads[1], NULL, canceller_main, &race), ==, 0);
	for (unsigned round = 1; round <= 5000; round++) {
		enum ds_state end;

		wait_for(&race.begun, 2 * round);
		atomic_store(&race.slot.word, DS_WORD(GENERATION, DS_STATE_RUNNING));
		atomic_store(&race.ends, 0);
		atomic_store(&race.go, round);
		wait_for(&race.ended, 2 * round);
		end = DS_WORD_STATE(atomic_load(&race.slot.word));
		REQUIRE_CMP(atomic_load(&race.ends), ==, 1);
		REQUIRE_CMP(end, ==, race.is_cancelled ? DS_STATE_CANCELLED : DS_STATE_COMPLETE);
	}
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sequence),
		cmocka_unit_test(one_end_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
