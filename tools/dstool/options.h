/* SPDX-License-Identifier: MIT */
/*
 * options.h: one table per command, from which its options are both parsed and explained.
 */
#ifndef DSTOOL_OPTIONS_H
#define DSTOOL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
	OPTION_FLAG,   /* value: bool, set to true */
	OPTION_NUMBER, /* value: uint64_t between min and max */
	OPTION_BYTES,  /* the same, with a suffix K, M, G, T (powers of 1024) */
	OPTION_TEXT,   /* value: const char * */
	OPTION_CHOICE, /* the same, one of choices */
	OPTION_TIME,   /* value: uint64_t of nanoseconds, given in seconds, such as 0.5 */
};

struct option_spec {
	const char *name; /* without the dashes */
	enum option_kind kind;
	const char *argument; /* its name in the help; NULL for a flag */
	const char *help;     /* may hold line breaks */
	void *value;
	bool *is_given; /* set to true when the option is there; may be NULL */
	uint64_t min;
	uint64_t max;
	const char *const *choices; /* ends with NULL */
};

struct command_spec {
	const char *name;
	const char *operands; /* as in the usage line, such as "IN OUT" */
	int min_operands;
	int max_operands; /* -1: any number */
	const char *about;
	const struct option_spec *options;
	size_t nr_options;
};

/*
 * Parses argv[1] and on. Operands are moved to the front of argv: argv[0] and on.
 *
 * True: the command is to run, with *nr_operands operands. False: it is not, and
 * *exit_code says how dstool ends: help was printed, or what is wrong was.
 */
bool options_parse(const struct command_spec *spec, int argc, char **argv, int *nr_operands,
		   int *exit_code);

#endif /* DSTOOL_OPTIONS_H */
