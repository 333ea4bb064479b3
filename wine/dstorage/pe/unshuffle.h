/* SPDX-License-Identifier: MIT */
/*
 * unshuffle.h: undoing the byte shuffles of block-compressed textures.
 *
 * Game Asset Conditioning sorts the bytes of texture blocks by their meaning before they are
 * compressed. Types 1 to 4 are BC1, BC3, BC4 and BC5, as in DSTORAGE_REQUEST_OPTIONS.
 */
#ifndef DSTORAGE_UNSHUFFLE_H
#define DSTORAGE_UNSHUFFLE_H

#include <stddef.h>

/* in and out have nbytes each and do not overlap. Writes out from front to back. */
void unshuffle(unsigned int type, const void *in, void *out, size_t nbytes);

#endif /* DSTORAGE_UNSHUFFLE_H */
