/* SPDX-License-Identifier: MIT */
/* random.h: seeded pseudo-random numbers, the same on every machine. */
#ifndef TESTS_SUPPORT_RANDOM_H
#define TESTS_SUPPORT_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* SplitMix64: any 64-bit state is a good one. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to n - 1; n is at least 1. */
static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	return random_next(state) % n;
}

static inline bool random_chance(uint64_t *state, unsigned permille)
{
	return random_below(state, 1000) < permille;
}

#endif /* TESTS_SUPPORT_RANDOM_H */
