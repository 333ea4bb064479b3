/* SPDX-License-Identifier: MIT */
/*
 * ds_gdeflate.h: GDeflate tile streams, encoded and decoded on the CPU.
 *
 * Bytes in, bytes out: no files, no other part of the runtime. Streams are those of
 * DirectStorage (an 8-byte header, a table, tiles of 65536 bytes). Tiles are independent.
 * So there are three ways to use this, simplest first:
 *
 *  - ds_gdeflate_compress() and ds_gdeflate_decompress(): a whole stream in memory, on
 *    the calling thread;
 *  - a codec: threads, memory and coders that are kept, for streams in memory and for
 *    those that pass through in constant memory;
 *  - coders for single tiles, for a program with threads of its own.
 *
 * What is encoded depends on the input and the level alone: not on the machine, nor on the
 * number of threads.
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

/*
 * Where coders and codecs get their memory. Called only while they are created or
 * destroyed and, for a codec, on the thread that calls it; never for single tiles.
 */
struct ds_gdeflate_allocator {
	/* alignment: a power of two, 64 at most. NULL: there is no memory. */
	void *(*alloc)(void *user, size_t nbytes, size_t alignment);
	void (*free)(void *user, void *memory);
	void *user;
};

/* As those without "_with". NULL: the C library's memory. The struct is copied. */
DS_API ds_result ds_gdeflate_encoder_create_with(const struct ds_gdeflate_allocator *allocator,
						 int level, struct ds_gdeflate_encoder **out);
DS_API ds_result ds_gdeflate_decoder_create_with(const struct ds_gdeflate_allocator *allocator,
						 struct ds_gdeflate_decoder **out);

/* ------------------------------------------------------------------ codecs */

/*
 * A codec encodes and decodes streams with several threads. It keeps them, and the memory
 * that they need (some MiB each), until it is destroyed: after the first stream in either
 * direction, another one allocates no more than its table.
 *
 * Thread-safety: one call at a time on a codec; different codecs are independent. Calls
 * return when all is done.
 */
struct ds_gdeflate_codec;

struct ds_gdeflate_codec_config {
	uint32_t size;
	uint32_t nr_threads; /* that work, the caller's included, up to 256; 0: one for each core */
	uint32_t level;	     /* to encode with; 0: the default */
	uint32_t reserved;   /* 0 */
	const struct ds_gdeflate_allocator *allocator; /* copied; NULL: the C library's memory */
};
#define DS_GDEFLATE_CODEC_CONFIG_INIT DS_INIT_(struct ds_gdeflate_codec_config)

/* cfg NULL: the defaults. Where the system gives fewer threads, the codec is only slower. */
DS_API ds_result ds_gdeflate_codec_create(const struct ds_gdeflate_codec_config *cfg,
					  struct ds_gdeflate_codec **out);
DS_API void ds_gdeflate_codec_destroy(struct ds_gdeflate_codec *codec);

/* As ds_gdeflate_compress() and ds_gdeflate_decompress(), with the codec's level and threads. */
DS_API ds_result ds_gdeflate_codec_compress(struct ds_gdeflate_codec *codec, const void *in,
					    size_t in_nbytes, void *out, size_t out_room,
					    size_t *out_nbytes);
DS_API ds_result ds_gdeflate_codec_decompress(struct ds_gdeflate_codec *codec, const void *in,
					      size_t in_nbytes, void *out, size_t out_nbytes);

/*
 * Both ends of a stream that passes through. The functions are called on the thread that
 * calls the codec; what they return other than DS_OK ends the call, which returns the same.
 */
struct ds_gdeflate_pipe {
	uint32_t size;
	uint32_t reserved; /* 0 */
	/* Reads the next bytes. *got is nbytes, or less where the input ends. */
	ds_result (*read)(void *user, void *data, size_t nbytes, size_t *got);
	/*
	 * Writes at an offset. Offsets follow one another, but for the last write of
	 * compressing: the head, which is at the beginning, is known at the end.
	 */
	ds_result (*write)(void *user, const void *data, size_t nbytes, uint64_t offset);
	void *user;
};
#define DS_GDEFLATE_PIPE_INIT DS_INIT_(struct ds_gdeflate_pipe)

/* What passed through, also when it failed. */
struct ds_gdeflate_passage {
	uint32_t size;
	uint32_t nr_tiles;
	uint64_t in_nbytes;
	uint64_t out_nbytes;
	uint32_t failed_tile; /* nr_tiles: no tile was to blame */
	uint32_t reserved;
};
#define DS_GDEFLATE_PASSAGE_INIT DS_INIT_(struct ds_gdeflate_passage)

/*
 * ds_gdeflate_codec_compress_pipe() - encode in_nbytes that are read from the pipe.
 *
 * How many there are must be known, since the table lies in front of the tiles.
 * DS_ERR_END_OF_FILE if the input ends before that; what follows is not read.
 * DS_ERR_OUT_OF_RANGE for more than DS_GDEFLATE_MAX_NBYTES. passage may be NULL.
 */
DS_API ds_result ds_gdeflate_codec_compress_pipe(struct ds_gdeflate_codec *codec,
						 const struct ds_gdeflate_pipe *pipe,
						 uint64_t in_nbytes,
						 struct ds_gdeflate_passage *passage);

/* A tile that was encoded to more can be decoded from memory, but does not pass through. */
#define DS_GDEFLATE_PIPE_TILE_NBYTES 262144u

/*
 * ds_gdeflate_codec_decompress_pipe() - decode a stream that is read from the pipe.
 *
 * What it decodes to is written front to back, whole tiles at a time, up to the first
 * damaged one. DS_ERR_CORRUPT_DATA for damage, DS_ERR_END_OF_FILE if the input ends inside
 * the stream; what follows the stream is not read. passage may be NULL.
 */
DS_API ds_result ds_gdeflate_codec_decompress_pipe(struct ds_gdeflate_codec *codec,
						   const struct ds_gdeflate_pipe *pipe,
						   struct ds_gdeflate_passage *passage);

#ifdef __cplusplus
}
#endif

#endif /* DS_GDEFLATE_H */
