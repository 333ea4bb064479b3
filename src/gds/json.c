/* SPDX-License-Identifier: MIT */
/* json.c: see json.h. */
#include "gds/json.h"

#include <string.h>

#define MAX_DEPTH 64

void ds_json_init(struct ds_json *j, const void *text, size_t nbytes)
{
	j->begin = text;
	j->at = text;
	j->end = j->at + nbytes;
	j->error = NULL;
}

bool ds_json_fail(struct ds_json *j, const char *error)
{
	if (!j->error)
		j->error = error;
	/* So that nothing more is found. */
	j->at = j->end;
	return false;
}

static void skip_space(struct ds_json *j)
{
	while (j->at < j->end &&
	       (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r'))
		j->at++;
}

bool ds_json_take(struct ds_json *j, char c)
{
	skip_space(j);
	if (j->at == j->end || *j->at != c)
		return false;
	j->at++;
	return true;
}

bool ds_json_need(struct ds_json *j, char c)
{
	return ds_json_take(j, c) || ds_json_fail(j, "a bracket, colon or comma is missing");
}

bool ds_json_ends(struct ds_json *j)
{
	skip_space(j);
	return !j->error && j->at == j->end;
}

/* ------------------------------------------------------------------ strings */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_hex(struct ds_json *j, unsigned *value)
{
	*value = 0;
	if (j->end - j->at < 4)
		return ds_json_fail(j, "a string does not end");
	for (unsigned i = 0; i < 4; i++) {
		int digit = hex_digit(*j->at++);

		if (digit < 0)
			return ds_json_fail(j, "a \\u escape has no four hexadecimal digits");
		*value = *value << 4 | (unsigned)digit;
	}
	return true;
}

/* A code point as UTF-8: never longer than its escape. */
static char *put_utf8(char *to, unsigned c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

static bool read_unicode(struct ds_json *j, char **to)
{
	unsigned c, low;

	if (!read_hex(j, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00) {
		if (j->end - j->at < 2 || j->at[0] != '\\' || j->at[1] != 'u')
			return ds_json_fail(j, "half of a surrogate pair is missing");
		j->at += 2;
		if (!read_hex(j, &low))
			return false;
		if (low < 0xdc00 || low > 0xdfff)
			return ds_json_fail(j, "half of a surrogate pair is missing");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c >= 0xdc00 && c <= 0xdfff) {
		return ds_json_fail(j, "half of a surrogate pair is missing");
	}
	if (!c)
		return ds_json_fail(j, "a string has a zero in it");
	*to = put_utf8(*to, c);
	return true;
}

static bool read_escape(struct ds_json *j, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *found;
	char c;

	if (j->at == j->end)
		return ds_json_fail(j, "a string does not end");
	c = *j->at++;
	if (c == 'u')
		return read_unicode(j, to);
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return ds_json_fail(j, "a string has an unknown escape");
	*(*to)++ = into[found - from];
	return true;
}

/* The bytes that follow the first one of a UTF-8 sequence; -1: it is none. */
static int utf8_rest(unsigned char c)
{
	if (c < 0x80)
		return 0;
	if (c < 0xc2 || c > 0xf4)
		return -1;
	return c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
}

/* Overlong forms, surrogates and what is too large show in the second byte. */
static bool is_second(unsigned char first, unsigned char second)
{
	if ((second & 0xc0) != 0x80)
		return false;
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second < 0xa0;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second < 0x90;
	default:
		return true;
	}
}

static bool read_plain(struct ds_json *j, char **to)
{
	unsigned char c = (unsigned char)*j->at;
	int rest = utf8_rest(c);

	if (c < 0x20)
		return ds_json_fail(j, "a string has a control character in it");
	if (rest < 0 || j->end - j->at <= rest || (rest && !is_second(c, (unsigned char)j->at[1])))
		return ds_json_fail(j, "a string is not UTF-8");
	*(*to)++ = *j->at++;
	for (int i = 0; i < rest; i++) {
		if (((unsigned char)*j->at & 0xc0) != 0x80)
			return ds_json_fail(j, "a string is not UTF-8");
		*(*to)++ = *j->at++;
	}
	return true;
}

bool ds_json_string(struct ds_json *j, char **room, const char **string)
{
	char *to = *room;

	if (!ds_json_take(j, '"'))
		return ds_json_fail(j, "a string is missing");
	for (;;) {
		if (j->at == j->end)
			return ds_json_fail(j, "a string does not end");
		if (*j->at == '"')
			break;
		if (*j->at == '\\') {
			j->at++;
			if (!read_escape(j, &to))
				return false;
		} else if (!read_plain(j, &to)) {
			return false;
		}
	}
	j->at++;
	*to++ = '\0';
	*string = *room;
	*room = to;
	return true;
}

/* ---------------------------------------------------------- numbers, the rest */

bool ds_json_number(struct ds_json *j, uint64_t *value)
{
	const char *begin;

	skip_space(j);
	begin = j->at;
	*value = 0;
	for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++) {
		unsigned digit = (unsigned)(*j->at - '0');

		if (*value > (UINT64_MAX - digit) / 10)
			return ds_json_fail(j, "a number is too large");
		*value = *value * 10 + digit;
	}
	if (j->at == begin)
		return ds_json_fail(j, "a whole number is missing");
	if (*begin == '0' && j->at > begin + 1)
		return ds_json_fail(j, "a number begins with 0");
	if (j->at < j->end && (*j->at == '.' || *j->at == 'e' || *j->at == 'E'))
		return ds_json_fail(j, "a number is not whole");
	return true;
}

/* Without decoding it. */
static bool skip_string(struct ds_json *j)
{
	for (j->at++; j->at < j->end && *j->at != '"'; j->at++) {
		if ((unsigned char)*j->at < 0x20)
			return ds_json_fail(j, "a string has a control character in it");
		if (*j->at == '\\' && ++j->at == j->end)
			break;
	}
	if (j->at == j->end)
		return ds_json_fail(j, "a string does not end");
	j->at++;
	return true;
}

/* Numbers, true, false and null, loosely: nobody uses them. */
static bool skip_word(struct ds_json *j)
{
	const char *begin = j->at;

	while (j->at < j->end && (strchr("+-.", *j->at) || (*j->at >= '0' && *j->at <= '9') ||
				  (*j->at >= 'a' && *j->at <= 'z') || *j->at == 'E'))
		j->at++;
	return j->at > begin || ds_json_fail(j, "a value is missing");
}

/* Brackets must pair; between them anything that could be a value. */
bool ds_json_skip(struct ds_json *j)
{
	char closers[MAX_DEPTH];
	unsigned depth = 0;

	do {
		skip_space(j);
		if (j->at == j->end)
			return ds_json_fail(j, "a value does not end");
		if (*j->at == '{' || *j->at == '[') {
			if (depth == MAX_DEPTH)
				return ds_json_fail(j, "values are nested too deeply");
			closers[depth++] = *j->at++ == '{' ? '}' : ']';
		} else if (depth && *j->at == closers[depth - 1]) {
			j->at++;
			depth--;
		} else if (*j->at == '"') {
			if (!skip_string(j))
				return false;
		} else if (depth && (*j->at == ',' || *j->at == ':')) {
			j->at++;
		} else if (!skip_word(j)) {
			return false;
		}
	} while (depth);
	return true;
}

bool ds_json_member(struct ds_json *j, bool *first, char **room, const char **key)
{
	if (ds_json_take(j, '}'))
		return false;
	if (!*first && !ds_json_need(j, ','))
		return false;
	*first = false;
	return ds_json_string(j, room, key) && ds_json_need(j, ':');
}

bool ds_json_element(struct ds_json *j, bool *first)
{
	if (ds_json_take(j, ']'))
		return false;
	if (!*first && !ds_json_need(j, ','))
		return false;
	*first = false;
	if (j->at == j->end)
		return ds_json_fail(j, "a list does not end");
	return true;
}
