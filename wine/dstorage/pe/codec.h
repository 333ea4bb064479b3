/* SPDX-License-Identifier: MIT */
/* codec.h: IDStorageCompressionCodec. */
#ifndef DSTORAGE_CODEC_H
#define DSTORAGE_CODEC_H

#include "dstorage/include/dstorage.h"

HRESULT codec_create(DSTORAGE_COMPRESSION_FORMAT format, UINT32 nr_threads, REFIID riid,
		     void **ppv);

#endif /* DSTORAGE_CODEC_H */
