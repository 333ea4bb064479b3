/* SPDX-License-Identifier: MIT */
/*
 * json.h: a reader of JSON that nobody vouches for, as a row of questions.
 *
 * Nothing is built: the caller asks for what should come next, and skips what it does not
 * know. After the first failure everything fails, and error says why.
 */
#ifndef DS_GDS_JSON_H
#define DS_GDS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds_json {
	const char *at;
	const char *end;
	const char *begin;
	const char *error; /* NULL: all well */
};

void ds_json_init(struct ds_json *j, const void *text, size_t nbytes);

/* Notes the first failure; returns false. */
bool ds_json_fail(struct ds_json *j, const char *error);

/* After whitespace: takes c if it comes next. */
bool ds_json_take(struct ds_json *j, char c);
/* The same; its absence is a failure. */
bool ds_json_need(struct ds_json *j, char c);

/*
 * A string, decoded into *room, which moves on behind it and its final zero. It takes no more
 * than the string has in the text, quotes included. Unpaired surrogates, control characters, a
 * zero and bytes that are no UTF-8 are failures.
 */
bool ds_json_string(struct ds_json *j, char **room, const char **string);

/* A whole number without sign, fraction or exponent. */
bool ds_json_number(struct ds_json *j, uint64_t *value);

/* Any value. */
bool ds_json_skip(struct ds_json *j);

/* Nothing but whitespace is left. */
bool ds_json_ends(struct ds_json *j);

/*
 * Members of an object, after its '{': true with the key, and the value comes next; false at the
 * end or after a failure. *first is true before the first call.
 */
bool ds_json_member(struct ds_json *j, bool *first, char **room, const char **key);
/* Elements of a list, after its '[', in the same way. */
bool ds_json_element(struct ds_json *j, bool *first);

#endif /* DS_GDS_JSON_H */
