/* SPDX-License-Identifier: MIT */
/*
 * fake_meta.h: gives the fake device the metacommand "DirectStorage", which decodes with the
 * codec of the DLL under test.
 *
 * What a driver may take badly ends the test: offsets that are not aligned, more streams than
 * it offered, memory that is too small or in another state. As drivers do, it tells nothing about
 * damaged tiles: what they decode to is FAKE_META_GARBAGE.
 */
#ifndef TESTS_WINE_FAKE_META_H
#define TESTS_WINE_FAKE_META_H

#include "win.h"

#define FAKE_META_GARBAGE 0xdb

/* Before the device is made. */
void fake_meta_install(void);

/* 0: it is not listed. */
void fake_meta_set_max_streams(unsigned int max);
/* It is listed, but cannot be made. */
void fake_meta_refuse(bool refuses);

/* So far. */
unsigned int fake_meta_streams(void);
unsigned int fake_meta_calls(void);
/* In one call. */
unsigned int fake_meta_most_streams(void);

#endif /* TESTS_WINE_FAKE_META_H */
