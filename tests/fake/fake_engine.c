/* SPDX-License-Identifier: MIT */
/*
 * fake_engine.c: the engine of fake_engine.h.
 *
 * An operation moves through four lists, all under one lock:
 *
 *	held_before --> ready --(worker: does it)--> held_after --> finished --(worker)--> done()
 *
 * Gates decide whether the two held lists are passed through; parked ones (reported late)
 * sit in held_after too and go when no worker has anything else to do.
 */
#include "fake/fake_engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/util.h"
#include "support/random.h"
#include "support/require.h"

#define MAX_RULES	 64
#define MAX_STARTED	 65536
#define MAX_THREADS	 16
#define NR_TRANSIENT	 1024
#define WATCHDOG_NS	 (60 * DS_NSEC_PER_SEC)
#define BOUNCE_ALIGNMENT 4096

/* A list by next and prev, oldest first. */
struct op_list {
	struct ds_io_op *head;
	struct ds_io_op *tail;
	unsigned n;
};

/* Who was sent away with EAGAIN or EINTR last, so that it is let through next time. */
struct transient {
	const struct ds_io_op *op;
	uint64_t offset;
};

struct fake_control {
	pthread_mutex_t lock; /* guards all that follows */
	pthread_cond_t work;  /* something for the workers */
	pthread_cond_t held;  /* one more is held, or was not taken back */
	struct fake_setup setup;
	enum fake_gate gate;
	struct op_list held_before;
	struct op_list ready;
	struct op_list held_after; /* engine_data: the result */
	struct op_list parked;	   /* the same, of those that are reported late */
	struct op_list finished;   /* the same */
	struct fake_rule rules[MAX_RULES];
	unsigned nr_rules;
	struct fake_chaos chaos;
	uint64_t random;
	struct transient transient[NR_TRANSIENT];
	struct fake_started *started;
	uint64_t nr_started;
	uint64_t nr_taken_back;
	unsigned nr_not_taken_back;
	unsigned nr_ops; /* in the engine now */
	uint64_t nbytes;
	unsigned most_ops;
	uint64_t most_nbytes;
	enum fake_cache cache;
	bool holds_cached;
	unsigned nr_cached_held;
	unsigned nr_hits;
	unsigned nr_misses;
	bool is_stopping;
	bool has_engine;
};

struct fake_engine {
	struct ds_io_engine base;
	struct ds_io_engine_ops ops;
	struct fake_control *ctl;
	struct ds_io_config cfg;
	pthread_t threads[MAX_THREADS];
	unsigned nr_threads;
};

/* ------------------------------------------------------------------ lists */

/* Before `at`, or at the end when it is NULL. */
static void list_insert(struct op_list *l, struct ds_io_op *op, struct ds_io_op *at)
{
	op->next = at;
	op->prev = at ? at->prev : l->tail;
	if (op->prev)
		op->prev->next = op;
	else
		l->head = op;
	if (at)
		at->prev = op;
	else
		l->tail = op;
	l->n++;
}

static void list_append(struct op_list *l, struct ds_io_op *op)
{
	list_insert(l, op, NULL);
}

static void list_remove(struct op_list *l, struct ds_io_op *op)
{
	if (op->prev)
		op->prev->next = op->next;
	else
		l->head = op->next;
	if (op->next)
		op->next->prev = op->prev;
	else
		l->tail = op->prev;
	l->n--;
}

static struct ds_io_op *list_pop(struct op_list *l)
{
	struct ds_io_op *op = l->head;

	if (op)
		list_remove(l, op);
	return op;
}

static bool list_has(const struct op_list *l, const struct ds_io_op *op)
{
	for (const struct ds_io_op *i = l->head; i; i = i->next)
		if (i == op)
			return true;
	return false;
}

static struct ds_io_op *list_at(const struct op_list *l, uint64_t index)
{
	struct ds_io_op *op = l->head;

	while (op && index--)
		op = op->next;
	return op;
}

/* ----------------------------------------------------------------- faults */

static bool rule_fits(const struct fake_rule *rule, const struct ds_io_op *op)
{
	uint32_t what = op->opcode == DS_IO_WRITE ? FAKE_WRITES : FAKE_READS;

	if (!(rule->what & what) || (rule->what & FAKE_DIRECT_ONLY && !op->is_direct))
		return false;
	return op->offset + op->nbytes > rule->begin && (!rule->end || op->offset < rule->end);
}

static struct fake_rule *find_rule(struct fake_control *ctl, const struct ds_io_op *op)
{
	for (unsigned i = 0; i < ctl->nr_rules; i++)
		if (rule_fits(&ctl->rules[i], op))
			return &ctl->rules[i];
	return NULL;
}

/* Uses a rule once. */
static void spend_rule(struct fake_control *ctl, struct fake_rule *rule)
{
	size_t index = (size_t)(rule - ctl->rules);

	if (!rule->times || --rule->times)
		return;
	memmove(rule, rule + 1, (ctl->nr_rules - index - 1) * sizeof(*rule));
	ctl->nr_rules--;
}

/* True, and remembered, unless this operation was the last to be sent away in its place. */
static bool may_be_transient(struct fake_control *ctl, const struct ds_io_op *op)
{
	struct transient *t = &ctl->transient[(uintptr_t)op / 64 % NR_TRANSIENT];

	if (t->op == op && t->offset == op->offset) {
		t->op = NULL;
		return false;
	}
	t->op = op;
	t->offset = op->offset;
	return true;
}

/*
 * What is to happen to an operation: an error, or how many bytes it may transfer.
 * Direct operations are not shortened at random: less than a block means end of file there.
 */
static int decide(struct fake_control *ctl, const struct ds_io_op *op, uint32_t *at_most)
{
	struct fake_rule *rule = find_rule(ctl, op);
	const struct fake_chaos *chaos = &ctl->chaos;
	int error = 0;

	*at_most = op->nbytes;
	if (rule) {
		error = rule->error;
		*at_most = (uint32_t)ds_min_u64(rule->at_most, op->nbytes);
		spend_rule(ctl, rule);
	} else if (random_chance(&ctl->random, chaos->error_permille)) {
		error = EIO;
	} else if (random_chance(&ctl->random, chaos->transient_permille) &&
		   may_be_transient(ctl, op)) {
		error = random_chance(&ctl->random, 500) ? EAGAIN : EINTR;
	} else if (!op->is_direct && op->nbytes > 1 &&
		   random_chance(&ctl->random, chaos->short_permille)) {
		*at_most = 1 + (uint32_t)random_below(&ctl->random, op->nbytes - 1);
	}
	return error;
}

/* ---------------------------------------------------------------- workers */

/* Does it, through a buffer of our own. Outside the lock. */
static int transfer(const struct ds_io_op *op, uint32_t nbytes)
{
	void *bounce = NULL;
	ssize_t n;

	if (posix_memalign(&bounce, BOUNCE_ALIGNMENT, nbytes ? nbytes : 1) != 0)
		return -ENOMEM;
	if (op->opcode == DS_IO_WRITE) {
		memcpy(bounce, op->buf, nbytes);
		n = pwrite(op->fd, bounce, nbytes, (off_t)op->offset);
	} else {
		n = pread(op->fd, bounce, nbytes, (off_t)op->offset);
		if (n > 0)
			memcpy(op->buf, bounce, (size_t)n);
	}
	if (n < 0)
		n = -errno;
	free(bounce);
	return (int)n;
}

/* Called with the lock held; gives it up meanwhile. */
static void execute(struct fake_control *ctl, struct ds_io_op *op)
{
	uint32_t at_most;
	int error = decide(ctl, op, &at_most);
	int res;

	pthread_mutex_unlock(&ctl->lock);
	res = error ? -error : transfer(op, at_most);
	pthread_mutex_lock(&ctl->lock);

	op->engine_data = (uintptr_t)(intptr_t)res;
	if (ctl->gate == FAKE_HOLD_AFTER) {
		list_append(&ctl->held_after, op);
		pthread_cond_broadcast(&ctl->held);
	} else if (random_chance(&ctl->random, ctl->chaos.late_permille)) {
		list_append(&ctl->parked, op);
	} else {
		list_append(&ctl->finished, op);
	}
}

/* Called with the lock held; gives it up meanwhile. */
static void report(struct fake_control *ctl, struct ds_io_op *op)
{
	int res = (int)(intptr_t)op->engine_data;

	ctl->nr_ops--;
	ctl->nbytes -= op->nbytes;
	pthread_mutex_unlock(&ctl->lock);
	op->next = NULL;
	op->prev = NULL;
	op->done(op, res);
	pthread_mutex_lock(&ctl->lock);
}

/* The parked are only reported when nothing else is left to do: late, but always. */
static bool work_once(struct fake_control *ctl)
{
	struct ds_io_op *op = list_pop(&ctl->finished);

	if (op) {
		report(ctl, op);
		return true;
	}
	op = list_pop(&ctl->ready);
	if (op) {
		execute(ctl, op);
		return true;
	}
	if (ctl->parked.n) {
		op = list_at(&ctl->parked, random_below(&ctl->random, ctl->parked.n));
		list_remove(&ctl->parked, op);
		report(ctl, op);
		return true;
	}
	return false;
}

static void *worker_main(void *arg)
{
	struct fake_engine *e = arg;
	struct fake_control *ctl = e->ctl;

	if (e->cfg.thread_start)
		e->cfg.thread_start(e->cfg.thread_arg);
	pthread_mutex_lock(&ctl->lock);
	while (work_once(ctl) || !ctl->is_stopping)
		if (!ctl->finished.n && !ctl->ready.n && !ctl->parked.n && !ctl->is_stopping)
			pthread_cond_wait(&ctl->work, &ctl->lock);
	pthread_mutex_unlock(&ctl->lock);
	if (e->cfg.thread_stop)
		e->cfg.thread_stop(e->cfg.thread_arg);
	return NULL;
}

/* ----------------------------------------------------------------- engine */

static void record_start(struct fake_control *ctl, const struct ds_io_op *op)
{
	if (ctl->nr_started < MAX_STARTED)
		ctl->started[ctl->nr_started] = (struct fake_started){
			.opcode = op->opcode,
			.priority = op->priority,
			.is_direct = op->is_direct,
			.is_staging = op->is_staging,
			.fd = op->fd,
			.nbytes = op->nbytes,
			.offset = op->offset,
			.buf = op->buf,
		};
	ctl->nr_started++;
	ctl->nr_ops++;
	ctl->nbytes += op->nbytes;
	if (ctl->nr_ops > ctl->most_ops)
		ctl->most_ops = ctl->nr_ops;
	ctl->most_nbytes = ds_max_u64(ctl->most_nbytes, ctl->nbytes);
}

static void admit(struct fake_control *ctl, struct ds_io_op *op)
{
	record_start(ctl, op);
	if (ctl->gate == FAKE_HOLD_BEFORE) {
		list_append(&ctl->held_before, op);
		pthread_cond_broadcast(&ctl->held);
	} else if (ctl->ready.n && random_chance(&ctl->random, ctl->chaos.reorder_permille)) {
		list_insert(&ctl->ready, op,
			    list_at(&ctl->ready, random_below(&ctl->random, ctl->ready.n)));
	} else {
		list_append(&ctl->ready, op);
	}
}

static void fake_start(struct ds_io_engine *base, struct ds_io_op *list)
{
	struct fake_control *ctl = ds_container_of(base, struct fake_engine, base)->ctl;

	pthread_mutex_lock(&ctl->lock);
	while (list) {
		struct ds_io_op *op = list;

		list = op->next;
		admit(ctl, op);
	}
	pthread_cond_broadcast(&ctl->work);
	pthread_mutex_unlock(&ctl->lock);
}

/* Only what has not begun: ready, or held before its memory is touched. */
static bool fake_cancel(struct ds_io_engine *base, struct ds_io_op *op)
{
	struct fake_control *ctl = ds_container_of(base, struct fake_engine, base)->ctl;
	struct op_list *l = NULL;

	pthread_mutex_lock(&ctl->lock);
	if (list_has(&ctl->held_before, op))
		l = &ctl->held_before;
	else if (list_has(&ctl->ready, op))
		l = &ctl->ready;
	if (l) {
		list_remove(l, op);
		op->next = NULL;
		op->prev = NULL;
		ctl->nr_ops--;
		ctl->nbytes -= op->nbytes;
		ctl->nr_taken_back++;
	} else {
		ctl->nr_not_taken_back++;
		pthread_cond_broadcast(&ctl->held);
	}
	pthread_mutex_unlock(&ctl->lock);
	return l != NULL;
}

static void stop_threads(struct fake_engine *e)
{
	struct fake_control *ctl = e->ctl;

	pthread_mutex_lock(&ctl->lock);
	ctl->is_stopping = true;
	pthread_cond_broadcast(&ctl->work);
	pthread_mutex_unlock(&ctl->lock);
	for (unsigned i = 0; i < e->nr_threads; i++)
		pthread_join(e->threads[i], NULL);
	ctl->is_stopping = false;
}

static void fake_engine_destroy(struct ds_io_engine *base)
{
	struct fake_engine *e = ds_container_of(base, struct fake_engine, base);
	struct fake_control *ctl = e->ctl;

	pthread_mutex_lock(&ctl->lock);
	/* The core promises that nothing is in flight. */
	REQUIRE_CMP(ctl->nr_ops, ==, 0);
	pthread_mutex_unlock(&ctl->lock);
	stop_threads(e);
	ctl->has_engine = false;
	free(e);
}

/* How much of a range is cached. With the lock. */
static uint32_t cached_nbytes(struct fake_control *ctl, uint32_t nbytes)
{
	enum fake_cache how = ctl->cache;

	if (how == FAKE_CACHED_AT_RANDOM)
		how = (enum fake_cache)random_below(&ctl->random, FAKE_CACHED_AT_RANDOM);
	return how == FAKE_CACHED ? nbytes : how == FAKE_HALF_CACHED ? nbytes / 2 : 0;
}

static int fake_read_cached(struct ds_io_engine *base, int fd, void *buf, uint32_t nbytes,
			    uint64_t offset)
{
	struct fake_control *ctl = ds_container_of(base, struct fake_engine, base)->ctl;
	const struct ds_io_op op = { .opcode = DS_IO_READ, .fd = fd, .buf = buf, .offset = offset };
	uint32_t there;

	pthread_mutex_lock(&ctl->lock);
	ctl->nr_cached_held++;
	pthread_cond_broadcast(&ctl->held);
	while (ctl->holds_cached)
		pthread_cond_wait(&ctl->work, &ctl->lock);
	ctl->nr_cached_held--;
	there = cached_nbytes(ctl, nbytes);
	ctl->nr_hits += there == nbytes;
	ctl->nr_misses += there != nbytes;
	pthread_mutex_unlock(&ctl->lock);
	return there ? transfer(&op, there) : -EAGAIN;
}

static bool fake_is_cached(struct ds_io_engine *base, int fd, uint64_t offset, uint64_t nbytes)
{
	struct fake_control *ctl = ds_container_of(base, struct fake_engine, base)->ctl;
	bool is_cached;

	(void)fd;
	(void)offset;
	pthread_mutex_lock(&ctl->lock);
	is_cached = cached_nbytes(ctl, (uint32_t)nbytes) == nbytes;
	pthread_mutex_unlock(&ctl->lock);
	return is_cached;
}

static const struct ds_io_engine_ops fake_ops = {
	.name = "fake",
	.destroy = fake_engine_destroy,
	.start = fake_start,
};

static int start_threads(struct fake_engine *e, unsigned n)
{
	for (; e->nr_threads < n; e->nr_threads++) {
		int err = ds_thread_start(&e->threads[e->nr_threads], "ds-fake", worker_main, e);

		if (err)
			return err;
	}
	return 0;
}

int fake_engine_create(const void *control, const struct ds_io_config *cfg,
		       struct ds_io_engine **out)
{
	/* The parts of a backend are constant; what a control controls is not. */
	struct fake_control *ctl = *(struct fake_control *const *)control;
	const struct fake_setup *setup = &ctl->setup;
	struct fake_engine *e = calloc(1, sizeof(*e));
	unsigned nr_threads = setup->nr_threads ? setup->nr_threads : 3;
	int err;

	if (!e)
		return -ENOMEM;
	REQUIRE(!ctl->has_engine);
	REQUIRE_CMP(nr_threads, <=, MAX_THREADS);
	e->ctl = ctl;
	e->cfg = *cfg;
	e->ops = fake_ops;
	e->ops.cancel = setup->has_cancel ? fake_cancel : NULL;
	e->ops.read_cached = setup->has_cache ? fake_read_cached : NULL;
	e->ops.is_cached = setup->tells_cached ? fake_is_cached : NULL;
	e->base.ops = &e->ops;
	e->base.nr_workers = nr_threads;
	e->base.max_ops = setup->max_ops ? setup->max_ops : 64;
	e->base.max_nbytes = setup->max_nbytes ? setup->max_nbytes : 8u << 20;
	err = start_threads(e, nr_threads);
	if (err) {
		stop_threads(e);
		free(e);
		return err;
	}
	ctl->has_engine = true;
	*out = &e->base;
	return 0;
}

/* ---------------------------------------------------------------- control */

struct fake_control *fake_create(void)
{
	struct fake_control *ctl = calloc(1, sizeof(*ctl));

	REQUIRE(ctl != NULL);
	ctl->started = calloc(MAX_STARTED, sizeof(*ctl->started));
	REQUIRE(ctl->started != NULL);
	pthread_mutex_init(&ctl->lock, NULL);
	ds_cond_init(&ctl->work);
	ds_cond_init(&ctl->held);
	return ctl;
}

void fake_destroy(struct fake_control *ctl)
{
	if (!ctl)
		return;
	REQUIRE(!ctl->has_engine);
	pthread_cond_destroy(&ctl->held);
	pthread_cond_destroy(&ctl->work);
	pthread_mutex_destroy(&ctl->lock);
	free(ctl->started);
	free(ctl);
}

void fake_configure(struct fake_control *ctl, const struct fake_setup *setup)
{
	REQUIRE(!ctl->has_engine);
	ctl->setup = *setup;
}

/* A held operation goes on to what comes behind its gate. Called with the lock held. */
static bool release_one(struct fake_control *ctl, bool is_newest)
{
	struct op_list *from = ctl->held_before.n ? &ctl->held_before : &ctl->held_after;
	struct ds_io_op *op = is_newest ? from->tail : from->head;

	if (!op)
		return false;
	list_remove(from, op);
	list_append(from == &ctl->held_before ? &ctl->ready : &ctl->finished, op);
	return true;
}

static unsigned release(struct fake_control *ctl, unsigned n, bool is_newest)
{
	unsigned released = 0;

	pthread_mutex_lock(&ctl->lock);
	while (released < n && release_one(ctl, is_newest))
		released++;
	pthread_cond_broadcast(&ctl->work);
	pthread_mutex_unlock(&ctl->lock);
	return released;
}

unsigned fake_release(struct fake_control *ctl, unsigned n)
{
	return release(ctl, n, false);
}

unsigned fake_release_newest(struct fake_control *ctl, unsigned n)
{
	return release(ctl, n, true);
}

void fake_hold(struct fake_control *ctl, enum fake_gate gate)
{
	pthread_mutex_lock(&ctl->lock);
	ctl->gate = gate;
	while (gate == FAKE_GATE_OPEN && release_one(ctl, false))
		;
	pthread_cond_broadcast(&ctl->work);
	pthread_mutex_unlock(&ctl->lock);
}

void fake_set_cache(struct fake_control *ctl, enum fake_cache cache)
{
	pthread_mutex_lock(&ctl->lock);
	ctl->cache = cache;
	pthread_mutex_unlock(&ctl->lock);
}

void fake_hold_cached(struct fake_control *ctl, bool is_held)
{
	pthread_mutex_lock(&ctl->lock);
	ctl->holds_cached = is_held;
	pthread_cond_broadcast(&ctl->work);
	pthread_mutex_unlock(&ctl->lock);
}

/* Until a count that `held` tells of has come to n. */
static void wait_for_count(struct fake_control *ctl, const unsigned *count, unsigned n)
{
	uint64_t deadline = ds_deadline_ns(WATCHDOG_NS);

	pthread_mutex_lock(&ctl->lock);
	while (*count < n)
		REQUIRE(ds_cond_wait_until(&ctl->held, &ctl->lock, deadline));
	pthread_mutex_unlock(&ctl->lock);
}

void fake_wait_cached_held(struct fake_control *ctl, unsigned n)
{
	wait_for_count(ctl, &ctl->nr_cached_held, n);
}

unsigned fake_nr_hits(struct fake_control *ctl)
{
	unsigned n;

	pthread_mutex_lock(&ctl->lock);
	n = ctl->nr_hits;
	pthread_mutex_unlock(&ctl->lock);
	return n;
}

unsigned fake_nr_misses(struct fake_control *ctl)
{
	unsigned n;

	pthread_mutex_lock(&ctl->lock);
	n = ctl->nr_misses;
	pthread_mutex_unlock(&ctl->lock);
	return n;
}

void fake_wait_held(struct fake_control *ctl, unsigned n)
{
	uint64_t deadline = ds_deadline_ns(WATCHDOG_NS);

	pthread_mutex_lock(&ctl->lock);
	while (ctl->held_before.n + ctl->held_after.n < n)
		if (!ds_cond_wait_until(&ctl->held, &ctl->lock, deadline)) {
			fprintf(stderr, "%u operations are held, not %u\n",
				ctl->held_before.n + ctl->held_after.n, n);
			abort();
		}
	pthread_mutex_unlock(&ctl->lock);
}

unsigned fake_held(struct fake_control *ctl)
{
	unsigned n;

	pthread_mutex_lock(&ctl->lock);
	n = ctl->held_before.n + ctl->held_after.n;
	pthread_mutex_unlock(&ctl->lock);
	return n;
}

void fake_add_rule(struct fake_control *ctl, const struct fake_rule *rule)
{
	pthread_mutex_lock(&ctl->lock);
	REQUIRE_CMP(ctl->nr_rules, <, MAX_RULES);
	ctl->rules[ctl->nr_rules++] = *rule;
	pthread_mutex_unlock(&ctl->lock);
}

void fake_clear_rules(struct fake_control *ctl)
{
	pthread_mutex_lock(&ctl->lock);
	ctl->nr_rules = 0;
	pthread_mutex_unlock(&ctl->lock);
}

void fake_set_chaos(struct fake_control *ctl, const struct fake_chaos *chaos)
{
	pthread_mutex_lock(&ctl->lock);
	ctl->chaos = *chaos;
	ctl->random = chaos->seed;
	pthread_mutex_unlock(&ctl->lock);
}

uint64_t fake_nr_started(struct fake_control *ctl)
{
	uint64_t n;

	pthread_mutex_lock(&ctl->lock);
	n = ctl->nr_started;
	pthread_mutex_unlock(&ctl->lock);
	return n;
}

void fake_get_started(struct fake_control *ctl, uint64_t i, struct fake_started *out)
{
	pthread_mutex_lock(&ctl->lock);
	REQUIRE_CMP(i, <, ds_min_u64(ctl->nr_started, MAX_STARTED));
	*out = ctl->started[i];
	pthread_mutex_unlock(&ctl->lock);
}

unsigned fake_most_ops(struct fake_control *ctl)
{
	unsigned n;

	pthread_mutex_lock(&ctl->lock);
	n = ctl->most_ops;
	pthread_mutex_unlock(&ctl->lock);
	return n;
}

uint64_t fake_most_nbytes(struct fake_control *ctl)
{
	uint64_t n;

	pthread_mutex_lock(&ctl->lock);
	n = ctl->most_nbytes;
	pthread_mutex_unlock(&ctl->lock);
	return n;
}

uint64_t fake_nr_taken_back(struct fake_control *ctl)
{
	uint64_t n;

	pthread_mutex_lock(&ctl->lock);
	n = ctl->nr_taken_back;
	pthread_mutex_unlock(&ctl->lock);
	return n;
}

void fake_wait_not_taken_back(struct fake_control *ctl, unsigned n)
{
	wait_for_count(ctl, &ctl->nr_not_taken_back, n);
}
