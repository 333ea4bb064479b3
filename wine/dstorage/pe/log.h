/* SPDX-License-Identifier: MIT */
/*
 * log.h: messages on standard error, as Wine's debug channels write them.
 *
 * DS_WINEDEBUG chooses, with the words of WINEDEBUG: [class][+|-]channel[,...], where class is
 * err, warn or trace, and channel dstorage or all. Without a class all are meant. Errors
 * are on from the start: DS_WINEDEBUG=-all silences them, +dstorage shows every call.
 */
#ifndef DSTORAGE_LOG_H
#define DSTORAGE_LOG_H

#include <stdbool.h>

/* mingw-w64's own printf takes C's formats, which gcc for Windows has to be told. */
#if defined(__MINGW32__) && !defined(__clang__)
#define LOG_FORMAT gnu_printf
#else
#define LOG_FORMAT printf
#endif

enum log_class {
	LOG_ERR = 1,
	LOG_WARN = 2,
	LOG_TRACE = 4,
};

bool log_is_on(enum log_class cls);
void log_write(enum log_class cls, const char *function, const char *format, ...)
	__attribute__((format(LOG_FORMAT, 3, 4)));

/* What a switch makes of the classes that are on. */
unsigned int log_parse(const char *text, unsigned int classes);

#define log_at(cls, ...)                                       \
	do {                                                   \
		if (log_is_on(cls))                            \
			log_write(cls, __func__, __VA_ARGS__); \
	} while (0)
#define log_err(...)   log_at(LOG_ERR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN, __VA_ARGS__)
#define log_trace(...) log_at(LOG_TRACE, __VA_ARGS__)

#endif /* DSTORAGE_LOG_H */
