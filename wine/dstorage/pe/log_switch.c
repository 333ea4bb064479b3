/* SPDX-License-Identifier: MIT */
/* log_switch.c: the words of DS_WINEDEBUG. Plain C, so that a native test can run it. */
#include <stddef.h>
#include <string.h>

#include "log.h"

#define LOG_ALL (LOG_ERR | LOG_WARN | LOG_TRACE)

static bool is_word(const char *at, size_t nbytes, const char *word)
{
	return nbytes == strlen(word) && !memcmp(at, word, nbytes);
}

static unsigned int class_of(const char *at, size_t nbytes)
{
	if (!nbytes)
		return LOG_ALL;
	return is_word(at, nbytes, "err")     ? LOG_ERR
	       : is_word(at, nbytes, "warn")  ? LOG_WARN
	       : is_word(at, nbytes, "trace") ? LOG_TRACE
					      : 0;
}

static bool is_our_channel(const char *at, size_t nbytes)
{
	return is_word(at, nbytes, "dstorage") || is_word(at, nbytes, "all");
}

/* One item, such as "trace+dstorage". A name without a sign switches it on. */
static unsigned int parse_item(const char *at, size_t nbytes, unsigned int classes)
{
	size_t sign = 0;
	unsigned int mask = LOG_ALL;
	const char *name = at;

	while (sign < nbytes && at[sign] != '+' && at[sign] != '-')
		sign++;
	if (sign < nbytes) {
		mask = class_of(at, sign);
		name = at + sign + 1;
	}
	if (!is_our_channel(name, nbytes - (size_t)(name - at)))
		return classes;
	return sign < nbytes && at[sign] == '-' ? classes & ~mask : classes | mask;
}

unsigned int log_parse(const char *text, unsigned int classes)
{
	while (*text) {
		size_t nbytes = strcspn(text, ",");

		classes = parse_item(text, nbytes, classes);
		text += nbytes;
		text += *text == ',';
	}
	return classes;
}
