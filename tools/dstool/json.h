/* SPDX-License-Identifier: MIT */
/*
 * json.h: writes JSON to a stream, indented, one value per line.
 *
 * key is NULL for the outermost value and inside arrays.
 */
#ifndef DSTOOL_JSON_H
#define DSTOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	unsigned depth;
	bool has_sibling; /* a value already stands before the next one */
};

void json_begin_object(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_begin_array(struct json *j, const char *key);
void json_end_array(struct json *j);
/* Bytes that are no UTF-8 become U+FFFD; NULL becomes null. */
void json_string(struct json *j, const char *key, const char *value);
void json_number(struct json *j, const char *key, uint64_t value);
void json_real(struct json *j, const char *key, double value);
void json_bool(struct json *j, const char *key, bool value);

#endif /* DSTOOL_JSON_H */
