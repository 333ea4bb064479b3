/* SPDX-License-Identifier: MIT */
/*
 * options.c: parses a command's options and prints its help, both from one table.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void print_indented(const char *text, int column)
{
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n')
			printf("%*s", column, "");
	}
	putchar('\n');
}

static void print_help(const struct command_spec *spec)
{
	printf("usage: dstool %s [OPTION]... %s\n\n%s\n\n", spec->name, spec->operands,
	       spec->about);
	for (size_t i = 0; i < spec->nr_options; i++) {
		const struct option_spec *o = &spec->options[i];
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->argument ? " " : "",
			 o->argument ? o->argument : "");
		printf("  %-20s ", left);
		print_indented(o->help, 23);
	}
	printf("  %-20s this text\n", "--help");
}

/* name may be followed by '=' and a value. */
static const struct option_spec *find_option(const struct command_spec *spec, const char *name,
					     size_t name_len)
{
	for (size_t i = 0; i < spec->nr_options; i++) {
		const char *known = spec->options[i].name;

		if (strlen(known) == name_len && memcmp(known, name, name_len) == 0)
			return &spec->options[i];
	}
	return NULL;
}

/* The power of 1024 that a suffix means, or -1. */
static int suffix_power(const char *suffix)
{
	static const char letters[] = "KMGT";
	const char *at;

	if (!*suffix)
		return 0;
	at = strchr(letters, toupper((unsigned char)*suffix));
	if (!at)
		return -1;
	if (suffix[1] == '\0' || strcmp(suffix + 1, "iB") == 0)
		return (int)(at - letters) + 1;
	return -1;
}

static bool parse_number(const char *text, bool with_suffix, uint64_t *value)
{
	char *end;
	uint64_t n;
	int power;

	/* strtoull() would take spaces, signs and "-1" as a very large number. */
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end && !with_suffix)
		return false;
	power = suffix_power(end);
	if (power < 0)
		return false;
	for (; power > 0; power--) {
		if (n > UINT64_MAX / 1024)
			return false;
		n *= 1024;
	}
	*value = n;
	return true;
}

/* Seconds, with or without a fraction, to nanoseconds. */
static bool parse_time(const char *text, uint64_t *value)
{
	char *end;
	double seconds;

	/* strtod() would take spaces, signs, "inf" and hexadecimal numbers. */
	if (text[strspn(text, "0123456789.")] != '\0')
		return false;
	seconds = strtod(text, &end);
	if (end == text || *end || seconds > 1e9)
		return false;
	*value = (uint64_t)(seconds * 1e9);
	return true;
}

static bool is_choice(const struct option_spec *o, const char *text)
{
	for (size_t i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], text) == 0)
			return true;
	}
	return false;
}

static void complain_choice(const struct command_spec *spec, const struct option_spec *o,
			    const char *text)
{
	char list[128] = "";

	for (size_t i = 0; o->choices[i]; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "",
			 o->choices[i]);
	tool_error("%s: --%s: '%s' is none of %s", spec->name, o->name, text, list);
}

static bool parse_amount(const struct option_spec *o, const char *text, uint64_t *value)
{
	if (o->kind == OPTION_TIME)
		return parse_time(text, value);
	return parse_number(text, o->kind == OPTION_BYTES, value);
}

static void complain_range(const struct command_spec *spec, const struct option_spec *o,
			   const char *text)
{
	if (o->kind == OPTION_TIME)
		tool_error("%s: --%s: %s is not between %g and %g", spec->name, o->name, text,
			   (double)o->min / 1e9, (double)o->max / 1e9);
	else
		tool_error("%s: --%s: %s is not between %" PRIu64 " and %" PRIu64, spec->name,
			   o->name, text, o->min, o->max);
}

static bool take_value(const struct command_spec *spec, const struct option_spec *o,
		       const char *text)
{
	uint64_t n;

	if (o->kind == OPTION_CHOICE && !is_choice(o, text)) {
		complain_choice(spec, o, text);
		return false;
	}
	if (o->kind == OPTION_TEXT || o->kind == OPTION_CHOICE) {
		*(const char **)o->value = text;
		return true;
	}
	if (!parse_amount(o, text, &n)) {
		tool_error("%s: --%s: '%s' is not a number%s", spec->name, o->name, text,
			   o->kind == OPTION_BYTES ? " of bytes" : "");
		return false;
	}
	if (n < o->min || n > o->max) {
		complain_range(spec, o, text);
		return false;
	}
	*(uint64_t *)o->value = n;
	return true;
}

/* One option at argv[*at]; moves *at over what belongs to it. */
static bool parse_option(const struct command_spec *spec, int argc, char **argv, int *at)
{
	const char *text = argv[*at];
	const char *equals = strchr(text, '=');
	const struct option_spec *o = NULL;
	size_t len = equals ? (size_t)(equals - text) : strlen(text);
	const char *value = equals ? equals + 1 : NULL;

	if (len > 2 && text[1] == '-')
		o = find_option(spec, text + 2, len - 2);
	if (!o) {
		tool_error("%s: unknown option '%s'; 'dstool %s --help' lists them", spec->name,
			   text, spec->name);
		return false;
	}
	++*at;
	if (o->is_given)
		*o->is_given = true;
	if (o->kind == OPTION_FLAG) {
		if (value)
			tool_error("%s: --%s takes no value", spec->name, o->name);
		*(bool *)o->value = true;
		return !value;
	}
	if (!value && *at < argc)
		value = argv[(*at)++];
	if (!value) {
		tool_error("%s: --%s needs a value", spec->name, o->name);
		return false;
	}
	return take_value(spec, o, value);
}

static bool has_right_count(const struct command_spec *spec, int n)
{
	if (n >= spec->min_operands && (spec->max_operands < 0 || n <= spec->max_operands))
		return true;
	tool_error("%s: %s; usage: dstool %s [OPTION]... %s", spec->name,
		   n < spec->min_operands ? "an operand is missing" : "too many operands",
		   spec->name, spec->operands);
	return false;
}

/* Help is given wherever it is asked for, before anything else can be wrong. */
static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

bool options_parse(const struct command_spec *spec, int argc, char **argv, int *nr_operands,
		   int *exit_code)
{
	bool only_operands = false;
	int n = 0;

	if (wants_help(argc, argv)) {
		print_help(spec);
		*exit_code = TOOL_OK;
		return false;
	}
	*exit_code = TOOL_USAGE;
	for (int at = 1; at < argc;) {
		char *text = argv[at];

		if (only_operands || text[0] != '-' || text[1] == '\0') {
			argv[n++] = text;
			at++;
		} else if (strcmp(text, "--") == 0) {
			only_operands = true;
			at++;
		} else if (!parse_option(spec, argc, argv, &at)) {
			return false;
		}
	}
	if (!has_right_count(spec, n))
		return false;
	*nr_operands = n;
	return true;
}
