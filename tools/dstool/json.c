/* SPDX-License-Identifier: MIT */
/*
 * json.c: a small JSON writer.
 */
#include "json.h"

#include <inttypes.h>
#include <math.h>

static void new_line(struct json *j)
{
	fputc('\n', j->to);
	for (unsigned i = 0; i < j->depth; i++)
		fputs("  ", j->to);
}

/* The length of the UTF-8 character at s, or 0 where there is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	/* A final zero is no continuation byte, so this never runs past the end. */
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void write_string(struct json *j, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	fputc('"', j->to);
	while (*s) {
		size_t n = utf8_length(s);

		if (n == 0) {
			fputs("\\ufffd", j->to);
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			fprintf(j->to, "\\%c", *s);
		} else if (*s < 0x20) {
			fprintf(j->to, "\\u%04x", *s);
		} else {
			fwrite(s, 1, n, j->to);
		}
		s += n;
	}
	fputc('"', j->to);
}

static void begin_value(struct json *j, const char *key)
{
	if (j->has_sibling)
		fputc(',', j->to);
	if (j->depth)
		new_line(j);
	if (key) {
		write_string(j, key);
		fputs(": ", j->to);
	}
	j->has_sibling = true;
}

static void begin_group(struct json *j, const char *key, char bracket)
{
	begin_value(j, key);
	fputc(bracket, j->to);
	j->depth++;
	j->has_sibling = false;
}

static void end_group(struct json *j, char bracket)
{
	j->depth--;
	if (j->has_sibling)
		new_line(j);
	fputc(bracket, j->to);
	j->has_sibling = true;
	if (j->depth == 0)
		fputc('\n', j->to);
}

void json_begin_object(struct json *j, const char *key)
{
	begin_group(j, key, '{');
}

void json_end_object(struct json *j)
{
	end_group(j, '}');
}

void json_begin_array(struct json *j, const char *key)
{
	begin_group(j, key, '[');
}

void json_end_array(struct json *j)
{
	end_group(j, ']');
}

void json_string(struct json *j, const char *key, const char *value)
{
	begin_value(j, key);
	if (value)
		write_string(j, value);
	else
		fputs("null", j->to);
}

void json_number(struct json *j, const char *key, uint64_t value)
{
	begin_value(j, key);
	fprintf(j->to, "%" PRIu64, value);
}

void json_real(struct json *j, const char *key, double value)
{
	begin_value(j, key);
	/* JSON has no infinities. */
	if (isfinite(value))
		fprintf(j->to, "%.9g", value);
	else
		fputs("null", j->to);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin_value(j, key);
	fputs(value ? "true" : "false", j->to);
}
