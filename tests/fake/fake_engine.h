/* SPDX-License-Identifier: MIT */
/*
 * fake_engine.h: an I/O engine that does what a test asks of it.
 *
 * It reads and writes real files, on threads of its own, and can hold operations back
 * until the test lets them go, shorten them, fail them, and report them late and in
 * another order. Tests so drive each race instead of sleeping for it.
 *
 * Bytes pass through a buffer of the engine's own and are copied from and to the
 * operation's memory by the CPU: an operation that touches memory that the test has
 * unmapped or protected is a fault of the process, and sanitizers see each access.
 */
#ifndef TESTS_FAKE_FAKE_ENGINE_H
#define TESTS_FAKE_FAKE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/io_engine.h"
#include "ds_runtime.h"

struct fake_control;

/* How the next engine is made. */
struct fake_setup {
	unsigned nr_threads; /* 0: 3 */
	unsigned max_ops;    /* 0: 64 */
	uint64_t max_nbytes; /* 0: 8 MiB */
	bool has_cancel;     /* the engine offers cancel() */
	bool has_cache;	     /* and read_cached() */
	bool tells_cached;   /* and is_cached(): direct I/O can be chosen */
};

/* One engine at a time belongs to a control. */
struct fake_control *fake_create(void);
/* After the engine. */
void fake_destroy(struct fake_control *ctl);
void fake_configure(struct fake_control *ctl, const struct fake_setup *setup);

/* The pairing of this engine with the host device and all codecs. */
ds_result fake_make_backend(const struct ds_backend_config *cfg, struct fake_control *ctl,
			    struct ds_backend **out);

/* For struct ds_backend_parts. */
int fake_engine_create(const void *control, const struct ds_io_config *cfg,
		       struct ds_io_engine **out);

/* ------------------------------------------------------------------ gates */

enum fake_gate {
	FAKE_GATE_OPEN,
	FAKE_HOLD_BEFORE, /* before the memory is touched */
	FAKE_HOLD_AFTER,  /* after it was touched, before that is reported */
};

/* From now on every operation is held there. FAKE_GATE_OPEN lets all go. */
void fake_hold(struct fake_control *ctl, enum fake_gate gate);
/* Lets n held operations go, the oldest (or the newest) first; returns how many there were. */
unsigned fake_release(struct fake_control *ctl, unsigned n);
unsigned fake_release_newest(struct fake_control *ctl, unsigned n);
/* Waits until at least n operations are held; aborts after a minute. */
void fake_wait_held(struct fake_control *ctl, unsigned n);
unsigned fake_held(struct fake_control *ctl);

/* ------------------------------------------------------------- page cache */

/* What read_cached() and is_cached() find there. */
enum fake_cache {
	FAKE_CACHED,
	FAKE_NOT_CACHED,
	FAKE_HALF_CACHED,      /* of each range */
	FAKE_CACHED_AT_RANDOM, /* one of the three, each time */
};

void fake_set_cache(struct fake_control *ctl, enum fake_cache cache);
/* From now on, and until it is no longer held, read_cached() does not return. */
void fake_hold_cached(struct fake_control *ctl, bool is_held);
/* Waits until n threads are held there; aborts after a minute. */
void fake_wait_cached_held(struct fake_control *ctl, unsigned n);
/* How many ranges read_cached() has given as a whole, and how many not. */
unsigned fake_nr_hits(struct fake_control *ctl);
unsigned fake_nr_misses(struct fake_control *ctl);

/* ----------------------------------------------------------------- faults */

enum {
	FAKE_READS = 1u << 0,
	FAKE_WRITES = 1u << 1,
	FAKE_DIRECT_ONLY = 1u << 2,
	FAKE_ALL = FAKE_READS | FAKE_WRITES,
};

/* What happens to the operations that touch a range of the file. */
struct fake_rule {
	uint32_t what;	/* FAKE_* */
	int32_t error;	/* errno to fail with, or 0 */
	uint64_t begin; /* the range; end 0: without end */
	uint64_t end;
	uint64_t at_most; /* without an error: bytes that are transferred, also 0 */
	unsigned times;	  /* 0: always */
};

/* Rules are tried in order, and the first that fits is used. */
void fake_add_rule(struct fake_control *ctl, const struct fake_rule *rule);
void fake_clear_rules(struct fake_control *ctl);

/* Random faults that no request may notice, except for those of `error`. */
struct fake_chaos {
	uint64_t seed;
	unsigned short_permille;     /* transfers less than asked for */
	unsigned transient_permille; /* EAGAIN or EINTR, never twice running */
	unsigned reorder_permille;   /* done out of order */
	unsigned late_permille;	     /* reported when others have overtaken it */
	unsigned error_permille;     /* EIO */
};
void fake_set_chaos(struct fake_control *ctl, const struct fake_chaos *chaos);

/* --------------------------------------------------------------- watching */

/* One operation as it was started. */
struct fake_started {
	uint8_t opcode;
	uint8_t priority;
	bool is_direct;
	bool is_staging;
	int fd;
	uint32_t nbytes;
	uint64_t offset;
	const void *buf;
};

/* How many were started since the control was made, and the i-th of them (up to 65536). */
uint64_t fake_nr_started(struct fake_control *ctl);
void fake_get_started(struct fake_control *ctl, uint64_t i, struct fake_started *out);
/* Most operations, and bytes, that were ever in the engine at once. */
unsigned fake_most_ops(struct fake_control *ctl);
uint64_t fake_most_nbytes(struct fake_control *ctl);
/* How many operations cancel() took back. */
uint64_t fake_nr_taken_back(struct fake_control *ctl);
/* Waits until cancel() came too late for at least n operations; aborts after a minute. */
void fake_wait_not_taken_back(struct fake_control *ctl, unsigned n);

#endif /* TESTS_FAKE_FAKE_ENGINE_H */
