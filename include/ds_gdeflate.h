/* SPDX-License-Identifier: MIT */
/*
 * ds_gdeflate.h: GDeflate tile streams, encoded and decoded on the CPU.
 *
 * Bytes in, bytes out: no files, no threads, no other part of the runtime. Streams
 * are those of DirectStorage (an 8-byte header, a table, tiles of 65536 bytes).
 * Tiles are independent, so a program with threads of its own gives each one a
 * coder and hands it tiles; one-shot calls do a whole stream on the calling thread.
 *
 * The decoder may be given any bytes whatsoever. It reads and writes only inside
 * the buffers that it is given, ends, and reports damage as an error.
 */
#ifndef DS_GDEFLATE_H
#define DS_GDEFLATE_H

#include "ds_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DS_GDEFLATE_TILE_NBYTES	      65536u /* decoded bytes of a tile; the last may have less */
#define DS_GDEFLATE_HEADER_NBYTES     8u
#define DS_GDEFLATE_MAX_TILES	      65535u
#define DS_GDEFLATE_MAX_NBYTES	      4294901760u /* decoded bytes of the largest stream */
#define DS_GDEFLATE_TILE_BOUND_NBYTES 65796u	  /* no tile is encoded to more: 65536 + 260 */

enum {
	DS_GDEFLATE_LEVEL_DEFAULT = 6,
	DS_GDEFLATE_LEVEL_FASTEST = 1,
	DS_GDEFLATE_LEVEL_SMALLEST = 12,
};

/* ----------------------------------------------------------- whole streams */

/*
 * The most bytes that nbytes of input can be encoded to, header and table
 * included; 0 when nbytes exceeds DS_GDEFLATE_MAX_NBYTES.
 */
DS_API uint64_t ds_gdeflate_bound(uint64_t nbytes);

/*
 * ds_gdeflate_compress() - encode a whole buffer at a level from 1 to 12 (0: the default).
 *
 * Room of ds_gdeflate_bound() always suffices; with less the call may return
 * DS_ERR_DESTINATION_TOO_SMALL. *out_nbytes is the stream's size. Empty input
 * gives a stream of 8 bytes. The same input and level give the same stream.
 */
DS_API ds_result ds_gdeflate_compress(int level, const void *in, size_t in_nbytes, void *out,
				      size_t out_room, size_t *out_nbytes);

/*
 * ds_gdeflate_decompress() - decode a whole stream.
 *
 * out_nbytes is the size that the caller expects: a stream that declares another
 * is DS_ERR_SIZE_MISMATCH. DS_ERR_CORRUPT_DATA for damage. Bytes after the last
 * tile are ignored. On failure out may be partly written.
 */
DS_API ds_result ds_gdeflate_decompress(const void *in, size_t in_nbytes, void *out,
					size_t out_nbytes);

/* -------------------------------------------------------------- containers */

/* What a stream's header says. */
struct ds_gdeflate_info {
	uint32_t size;
	uint32_t nr_tiles;
	uint64_t uncompressed_nbytes;
	uint64_t head_nbytes; /* of header and table: where the first tile begins */
};
#define DS_GDEFLATE_INFO_INIT DS_INIT_(struct ds_gdeflate_info)

/*
 * ds_gdeflate_parse_header() - read the 8 bytes at the beginning of a stream.
 *
 * DS_ERR_CORRUPT_DATA if they are fewer or no GDeflate header.
 */
DS_API ds_result ds_gdeflate_parse_header(const void *in, size_t in_nbytes,
					  struct ds_gdeflate_info *info);

/*
 * ds_gdeflate_check_table() - check the table behind a parsed header.
 *
 * head holds info->head_nbytes bytes, the stream has stream_nbytes in all. After
 * DS_OK, ds_gdeflate_tile_range() may be called for each tile: no range then
 * passes the end of the stream, and none overlaps another.
 */
DS_API ds_result ds_gdeflate_check_table(const void *head, const struct ds_gdeflate_info *info,
					 uint64_t stream_nbytes);

/* Where tile `index` of a checked table lies in the stream, and how many bytes it decodes to. */
DS_API void ds_gdeflate_tile_range(const void *head, const struct ds_gdeflate_info *info,
				   uint32_t index, uint64_t *offset, uint32_t *nbytes,
				   uint32_t *uncompressed_nbytes);

/*
 * ds_gdeflate_write_head() - write header and table for tiles of the given sizes.
 *
 * tile_nbytes[i] is what ds_gdeflate_encode_tile() gave for tile i. head has room for
 * 8 + 4 * nr_tiles bytes. uncompressed_nbytes must need exactly nr_tiles tiles.
 * DS_ERR_OUT_OF_RANGE when the offsets do not fit in 32 bits.
 */
DS_API ds_result ds_gdeflate_write_head(const uint32_t *tile_nbytes, uint32_t nr_tiles,
					uint64_t uncompressed_nbytes, void *head);

/* ------------------------------------------------------------------- tiles */

/*
 * Coders hold tables and scratch memory (a decoder about 100 KiB, an encoder up
 * to some MiB). One may be used for any number of tiles, by one thread at a time.
 */
struct ds_gdeflate_encoder;
struct ds_gdeflate_decoder;

/* level: 1 to 12, 0: the default. */
DS_API ds_result ds_gdeflate_encoder_create(int level, struct ds_gdeflate_encoder **out);
DS_API void ds_gdeflate_encoder_destroy(struct ds_gdeflate_encoder *enc);

/*
 * ds_gdeflate_encode_tile() - encode 1 to 65536 bytes.
 *
 * out has room for DS_GDEFLATE_TILE_BOUND_NBYTES. *out_nbytes is a multiple of 4
 * and never more than in_nbytes + 260.
 */
DS_API ds_result ds_gdeflate_encode_tile(struct ds_gdeflate_encoder *enc, const void *in,
					 size_t in_nbytes, void *out, size_t *out_nbytes);

DS_API ds_result ds_gdeflate_decoder_create(struct ds_gdeflate_decoder **out);
DS_API void ds_gdeflate_decoder_destroy(struct ds_gdeflate_decoder *dec);

/*
 * ds_gdeflate_decode_tile() - decode one tile to exactly out_nbytes (1 to 65536) bytes.
 *
 * DS_ERR_CORRUPT_DATA, with out partly written, for anything else.
 */
DS_API ds_result ds_gdeflate_decode_tile(struct ds_gdeflate_decoder *dec, const void *in,
					 size_t in_nbytes, void *out, size_t out_nbytes);

#ifdef __cplusplus
}
#endif

#endif /* DS_GDEFLATE_H */
