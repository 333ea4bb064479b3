/* SPDX-License-Identifier: MIT */
/* uring.h: an I/O engine on io_uring. */
#ifndef DS_IO_URING_H
#define DS_IO_URING_H

#include "core/io_engine.h"

enum ds_uring_choice {
	DS_URING_AUTO,
	DS_URING_OFF,
	DS_URING_ON,
};

/* The engine's own settings; zero: the default. */
struct ds_uring_settings {
	unsigned entries;    /* operations in flight in each ring */
	uint64_t max_nbytes; /* and their bytes */
	int fixed_buffers;   /* enum ds_uring_choice */
	int fixed_files;
	bool pins_workers; /* worker i runs on the i-th allowed core only */
};

/* arg: a struct ds_uring_settings, or NULL. 0 or -errno, and why in cfg->why. */
int ds_uring_create(const void *arg, const struct ds_io_config *cfg, struct ds_io_engine **out);

/* Whether io_uring works here, by doing a real read with it. 0 or -errno, with a sentence. */
int ds_uring_probe(char *why, size_t why_nbytes);

#endif /* DS_IO_URING_H */
