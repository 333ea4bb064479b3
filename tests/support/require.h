/* SPDX-License-Identifier: MIT */
/*
 * require.h: checks for tests that run on several threads.
 *
 * A failed check prints both sides and aborts, so it works on any thread, also inside
 * callbacks of the runtime, where a test runner's long jump would be an error of its own.
 */
#ifndef TESTS_SUPPORT_REQUIRE_H
#define TESTS_SUPPORT_REQUIRE_H

#include <stdbool.h>
#include <stdint.h>

/* Wide enough to compare any two integers by value, whatever their signs. */
__extension__ typedef __int128 require_int;

void require_cmp_failed(const char *file, int line, const char *expression, require_int left,
			require_int right) __attribute__((noreturn));
void require_failed(const char *file, int line, const char *expression) __attribute__((noreturn));
void require_result_failed(const char *file, int line, const char *expression, int32_t left,
			   int32_t right) __attribute__((noreturn));

/* Two integers; each side is evaluated once. */
#define REQUIRE_CMP(a, op, b)                                                                     \
	do {                                                                                      \
		require_int left_ = (require_int)(a);                                             \
		require_int right_ = (require_int)(b);                                            \
		if (!(left_ op right_))                                                           \
			require_cmp_failed(__FILE__, __LINE__, #a " " #op " " #b, left_, right_); \
	} while (0)

/* Two ds_result numbers, printed by name. */
#define REQUIRE_RESULT(a, b)                                                                    \
	do {                                                                                    \
		int32_t left_ = (a);                                                            \
		int32_t right_ = (b);                                                           \
		if (left_ != right_)                                                            \
			require_result_failed(__FILE__, __LINE__, #a " == " #b, left_, right_); \
	} while (0)

#define REQUIRE_OK(a) REQUIRE_RESULT(a, DS_OK)

#define REQUIRE(condition)                                              \
	do {                                                            \
		if (!(condition))                                       \
			require_failed(__FILE__, __LINE__, #condition); \
	} while (0)

#endif /* TESTS_SUPPORT_REQUIRE_H */
