/* SPDX-License-Identifier: MIT */
/*
 * progress.h: a progress bar on stderr, where that is a terminal; else nothing.
 */
#ifndef DSTOOL_PROGRESS_H
#define DSTOOL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;
	const char *label;
	uint64_t total; /* 0: not known */
	uint64_t start_ns;
	uint64_t drawn_ns;
};

/* label must outlive the bar. */
void progress_begin(struct progress *p, const char *label, uint64_t total);
/* Cheap enough for every few kilobytes: draws at most ten times a second. */
void progress_update(struct progress *p, uint64_t done);
void progress_end(struct progress *p);

/* Takes the bar off the line, so that a message can stand there. */
void progress_hide(void);

#endif /* DSTOOL_PROGRESS_H */
