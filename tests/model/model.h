/* SPDX-License-Identifier: MIT */
/*
 * model.h: the request state machine as a finite model, for exhaustive exploration.
 *
 * One slot, in one or two lives, and the threads that meet at it. The slot's word is
 * moved by the functions of core/request.h themselves; what surrounds them (lists,
 * counters, operations, windows, publishing) is modelled step for step after the code
 * of src/core, and each step is named after the function that it stands for. A step is one critical
 * section or one atomic operation; what is local to a thread goes with the step before.
 * See docs/request-model.md.
 */
#ifndef DS_TESTS_MODEL_H
#define DS_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/request.h"

#define NR_LIVES   2
#define NR_OPS	   2
#define NR_WINDOWS 2
#define NONE	   3 /* no window */
#define MAX_ACTORS 9
#define MAX_FRAMES 14
#define NO_WAKE	   0xff
/* The second life's generation is after the wrap. */
#define GENERATION UINT32_MAX

/* clang-format off */
/* Each step is a function step_<name>(). */
#define STEPS(X) \
	/* enqueue.c */ \
	X(reserve) X(commit_all) X(submit_take_pending) X(submit_advance) X(submit_add) \
	/* scheduler.c */ \
	X(scheduler_run) X(fill_advance) X(fill_is_wanted) X(fill_issue) X(engine_start) \
	X(drop_lock) X(drop_cancel_op) X(work_done) X(stream_free) X(work_finish) X(touch_end) \
	/* handoff.c */ \
	X(last_begin) \
	/* io_done.c */ \
	X(op_begin) X(op_done) X(op_fail) X(op_wants_more) X(op_start_again) X(finish_op) \
	/* window.c */ \
	X(window_read_done) X(window_is_wanted) X(copy_at_once) X(window_end) X(feed_next) X(feed_look_again) \
	X(window_fed) X(end_ready_windows) X(head_done) X(head_unpark) \
	/* workers.c */ \
	X(workers_push) X(worker_join) X(work_touch_begin) X(run_window) X(units_is_wanted) \
	X(units_take) X(units_decode) X(work_leave) \
	/* completion.c, service.c, queue.c */ \
	X(request_ended) X(service_push) X(service_take) X(callback) X(publish_count) \
	X(publish_push) X(publish_uncount) X(publish_wake) X(wake_all) X(wake_broadcast) \
	X(slot_put) X(slot_recycle) X(slot_free) X(drop_live) X(live_gone) \
	X(poll_take) X(wait_look) X(wait_loop) X(wait_take) \
	X(sleep_enter) X(sleep_look) X(sleep_wait) X(sleep_wake) \
	/* cancel.c, timer.c, ds_queue_destroy() */ \
	X(cancel_call) X(cancel_hold) X(cancel_decide) X(cancel_unlink) X(cancel_answer) \
	X(wait_for_end) X(expire_lock) X(expire_look) X(expire_unlock) \
	X(destroy_close) X(destroy_scan) X(destroy_wait) X(destroy_unlist) X(destroy_free)
/* clang-format on */

enum step {
	AT_NOTHING,
#define X(name) AT_##name,
	STEPS(X)
#undef X
	NR_STEPS,
};

/* A step that a thread has yet to make; the topmost is next. */
struct frame {
	uint8_t at; /* enum step */
	unsigned char life : 1;
	unsigned char arg : 7;
};

struct actor_state {
	struct frame frames[MAX_FRAMES];
	uint8_t depth;
	uint8_t touching; /* 1 + the life whose memory its code accesses just now */
};

enum op_where {
	OP_FREE,
	OP_MADE,   /* in a batch, not started */
	OP_QUEUED, /* the engine's, not begun */
	OP_BEGUN,  /* the kernel's */
	OP_ANSWERED,
	OP_TAKEN, /* back from the engine, by a cancel */
};

struct op {
	uint8_t where;
	uint8_t window; /* NONE: straight, or the head of a stream */
	bool is_listed; /* in slot->ops */
	bool is_head;
	bool is_last; /* the device's, once all bytes are there */
	uint8_t life;
	uint8_t retries;
};

struct window {
	bool is_used;
	bool is_queued; /* for the workers */
	bool is_planned;
	uint8_t life;
	uint8_t reads;
	uint8_t nr_joined;
	uint8_t max_join;
	uint8_t next_unit;
	uint8_t nr_units;
	uint8_t sequence;
};

/* What is remembered of a life, to be checked. */
struct history {
	uint8_t ended;
	uint8_t published;
	uint8_t callbacks;
	uint8_t won; /* cancels that decided it */
	uint8_t status;
	bool weak_true;	  /* a cancel has returned true */
	bool strong_true; /* and a strong one */
};

/* All of it is hashed; so no padding may hold rubbish: states begin zeroed and are copied whole. */
struct state {
	uint64_t word;
	/* The slot. */
	uint8_t holds;
	uint8_t work;
	int8_t error;
	uint8_t issued;
	uint8_t nr_windows;
	bool is_free; /* on the queue's free list */
	bool is_in_pending;
	bool is_scheduled;
	bool is_parked;
	bool is_planned;
	bool is_finishing;
	bool has_stream;
	bool has_deadline;
	bool was_submitted; /* of the completion */
	bool is_done;	    /* on the completion list */
	uint8_t service;    /* 1 + life of the request on the service's list */
	/* The stream. */
	uint8_t next_feed;
	uint8_t ready; /* one bit for each window */
	/* The pipeline and the engine. */
	uint8_t ops_in_flight;
	uint8_t last_op;
	/* The queue. */
	uint8_t live;
	uint8_t in_flight;
	uint8_t unended;
	uint8_t nr_done;
	uint8_t wake_at;
	uint8_t nr_waiters;
	bool is_closing;
	bool is_gone;
	bool is_listed; /* in the backend's list */
	bool is_freed;
	uint16_t asleep; /* one bit for each thread */
	/* Locks held from one step to another: 1 + thread. */
	uint8_t queue_lock;
	uint8_t pipeline_lock;
	uint8_t wait_lock;
	uint8_t queues_lock;

	uint8_t nr_committed;
	struct history history[NR_LIVES];
	struct op ops[NR_OPS];
	struct window windows[NR_WINDOWS];
	struct actor_state actors[MAX_ACTORS];
	uint64_t end[2]; /* hashed in pairs of words, so past the last thread too; stays zero */
};

enum kind {
	KIND_STRAIGHT, /* between the file and the caller's memory */
	KIND_STAGED,   /* read into windows, copied by a worker */
	KIND_MEMORY,   /* copied from source memory */
	KIND_WHOLE,    /* one compressed window: planned by a worker, decoded by two */
	KIND_UNITS,    /* a compressed stream with a head, in windows */
	KIND_FEED,     /* a compressed stream whose windows are fed in order */
};

enum role {
	ROLE_SUBMITTER,
	ROLE_ENGINE_0, /* as many engine threads as operations: whatever is parallel can be */
	ROLE_ENGINE_1,
	ROLE_WORKER_0,
	ROLE_WORKER_1,
	ROLE_SERVICE,
	ROLE_CANCEL,	  /* strong, holds the id of the first life */
	ROLE_CANCEL_TOO,  /* the same again */
	ROLE_CANCEL_NEXT, /* strong, holds the id of the second life */
	ROLE_TRY_CANCEL,  /* weak, of the first life */
	ROLE_TIMER,
	ROLE_POLL, /* takes results when there are */
	ROLE_WAIT, /* sleeps until there are */
	ROLE_DESTROY,
	NR_ROLES,
};

#define ROLE(name) (1u << ROLE_##name)

struct config {
	const char *name;
	enum kind kind;
	uint32_t roles;
	uint8_t lives;
	uint8_t parts; /* operations of a straight request, else windows */
	uint8_t reads; /* operations of a window */
	uint8_t max_ops;
	uint8_t retries;  /* short results of one operation */
	int8_t io_error;  /* operations may fail so */
	bool may_corrupt; /* decoding may fail */
	bool has_callback;
	bool has_last; /* the target needs a last operation */
	bool is_small; /* STAGED: copied by the thread that read it */
	bool is_never_submitted;
	bool is_closed_early; /* destroyed while an enqueue with automatic submit runs */
	/* Set by main.c for each variant. */
	bool engine_cancels;
	bool keeps_results;
};

/* Ways in which the code could be wrong; for each the model must find a violation. */
enum broken {
	BROKEN_NOTHING,
	BROKEN_WORK_BEFORE_TOUCH_END,
	BROKEN_LEAVE_BEFORE_TOUCH_END,
	BROKEN_CANCEL_IGNORES_TOUCHERS,
	BROKEN_TOUCH_WHEN_CANCELLED,
	BROKEN_PUT_FORGOTTEN,
	BROKEN_PUBLISHED_BEFORE_FINAL,
	BROKEN_FINISH_IGNORES_CANCEL,
	BROKEN_NO_WAIT,
	BROKEN_CALLBACK_WHEN_CANCELLED,
	BROKEN_NO_PIPELINE_HOLD,
	BROKEN_STALE_ID,
	BROKEN_STALE_DROP,
	BROKEN_PENDING_DROPPED_TWICE,
	BROKEN_DROP_LEAVES_WORK,
	BROKEN_WAKE_AT_LATE,
	BROKEN_NO_UNPARK,
	BROKEN_FEED_LOOKS_ONCE,
	BROKEN_LIVE_DROPPED_EARLY,
	BROKEN_LAST_TWICE,
	BROKEN_LAST_UNTOUCHED,
};

struct model {
	struct config config;
	enum broken broken;
	unsigned nr_actors;
	enum role roles[MAX_ACTORS];
	const char *violation; /* the first */
};

/* A thread in the middle of a step. */
struct actor {
	struct model *m;
	struct state *s;
	struct actor_state *self;
	unsigned index;
	unsigned choice; /* which of the step's outcomes to take */
};

/* False: it cannot be made now, or has no such choice; then the state is thrown away. */
typedef bool (*step_function)(struct actor *a, struct frame f);
#define X(name) bool step_##name(struct actor *a, struct frame f);
STEPS(X)
#undef X

/* actor.c */
void violate(struct model *m, const char *what);
void push(struct actor *a, enum step at, unsigned life, unsigned arg);
unsigned life_of(const struct state *s);
enum ds_state state_of(const struct state *s);
unsigned touchers_of(const struct state *s);
/* The real slot with the state's word and error; slot_store() takes the word back. */
struct ds_slot *slot_load(const struct state *s);
void slot_store(struct state *s, const struct ds_slot *slot);
bool is_wanted(const struct state *s);
/* ds_slot_touch_begin() */
bool touch_begin(struct actor *a);
/* The step works on the slot in this life: that must still be. */
void uses_slot(struct actor *a, struct frame f);
bool is_broken(const struct actor *a, enum broken how);

/* check.c */
void start_state(struct model *m, struct state *s);
const char *role_name(enum role role);
bool is_program(enum role role);
/* Nothing to do, and nothing begun. */
bool is_idle(const struct model *m, const struct state *s, unsigned index);
void check_state(struct model *m, const struct state *s);
void check_end(struct model *m, const struct state *s);
void check_recycled(struct actor *a, unsigned life);

/* explore.c */
struct result {
	uint64_t nr_states;
	uint64_t nr_steps;
	unsigned depth;
};
/* Explores all of it, up to the first violation, whose trace is printed if wanted. */
struct result explore(struct model *m, bool print_trace);

#endif /* DS_TESTS_MODEL_H */
