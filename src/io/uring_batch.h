/* SPDX-License-Identifier: MIT */
/*
 * uring_batch.h: how many completions a loaded ring waits for at once.
 *
 * It waits until the operations in flight have become fewer by a part of the level, which is what
 * the ring has lately been filled to. Right after that few are waited for: by then most of
 * what was reported has come back as new work, and goes to the disk together.
 *
 * A large batch costs one wake-up, one system call and, on virtual disks, one notification of
 * the host for many operations; but while it is gathered fewer operations are with the disk, and a
 * fast one runs dry. Which it is shows only when trying: both are taken in turn for short
 * spells, and the large one stays where it delivers as much.
 */
#ifndef DS_IO_URING_BATCH_H
#define DS_IO_URING_BATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Fewer operations in flight are waited for one by one. */
#define DS_URING_LOADED_OPS 16u

enum ds_uring_batch_kind {
	DS_URING_BATCH_SMALL, /* an eighth of the level */
	DS_URING_BATCH_LARGE, /* a third */
	DS_URING_BATCH_COUNT,
};

/* Belongs to the worker's thread. All zero is a valid start. */
struct ds_uring_batch {
	enum ds_uring_batch_kind now;
	unsigned level;
	bool is_chosen;	       /* and not being tried */
	uint64_t chosen_until; /* ns */
	uint64_t last_ns;      /* the last wait of a loaded ring ended */
	/* This try. */
	unsigned nr_spells;
	uint64_t nbytes[DS_URING_BATCH_COUNT];
	uint64_t ns[DS_URING_BATCH_COUNT];
	/* This spell of it. */
	uint64_t begin_ns;
	uint64_t spell_ops;
	uint64_t spell_nbytes;
};

/* Before each wait: the completions to wait for. */
unsigned ds_uring_batch_size(struct ds_uring_batch *b, unsigned in_flight);

/* Tells of a wait of a loaded ring that has ended: what was in flight, what completed, when. */
void ds_uring_batch_done(struct ds_uring_batch *b, unsigned in_flight, unsigned nr_done,
			 uint64_t nbytes, uint64_t now_ns);

#endif /* DS_IO_URING_BATCH_H */
