/* SPDX-License-Identifier: MIT */
/*
 * fake_cufile.h: a cuFile library to be opened in place of libcufile.so.0; it reads into the
 * memory of fake_cuda.h's device. The control block is found with fake_cufile_open().
 */
#ifndef TESTS_FAKE_FAKE_CUFILE_H
#define TESTS_FAKE_FAKE_CUFILE_H

#include <stdatomic.h>
#include <stdbool.h>

struct fake_cufile {
	/* What calls answer: a cuFile error, or 0. */
	atomic_int open_result;
	atomic_int parameter_result;
	atomic_int register_result;
	atomic_int read_result;
	atomic_int reads_before;   /* that work before read_result counts */
	atomic_bool is_short;	   /* reads give half of what was asked */
	atomic_bool is_compatible; /* properties say compatibility mode */

	/* What was done. */
	atomic_uint nr_opened;
	atomic_uint nr_reads;
	atomic_bool allows_compatibility; /* true until told otherwise */
	atomic_bool has_log;		  /* true until told otherwise */

	/* What is there now. */
	atomic_int drivers;
	atomic_int handles;
};

struct fake_cufile *fake_cufile_open(const char *path);

#endif /* TESTS_FAKE_FAKE_CUFILE_H */
