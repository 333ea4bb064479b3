/* SPDX-License-Identifier: MIT */
/*
 * uring_batch.h: how many completions a loaded ring waits for at once.
 *
 * It waits until the operations in flight have become fewer by a third of the level, which is what
 * the ring has lately been filled to: one wake-up, one system call and, on virtual disks, one
 * interrupt of the host for many operations. Right after that only few are waited for: by then
 * most of what was reported has come back as new work, and goes to the disk together.
 */
#ifndef DS_IO_URING_BATCH_H
#define DS_IO_URING_BATCH_H

/* Fewer operations in flight are waited for one by one. */
#define DS_URING_LOADED_OPS 16u

/* Before each wait: the completions to wait for. *level is 0 at first. */
unsigned ds_uring_batch_size(unsigned *level, unsigned in_flight);

#endif /* DS_IO_URING_BATCH_H */
