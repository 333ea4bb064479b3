/* SPDX-License-Identifier: MIT */
/*
 * decode.c: the kernels of gdeflate_decode.cu: how they are loaded, and given tiles.
 *
 * The decoder is made when it is first asked about, by a thread of its own, for translating
 * kernels for a device that this build did not know takes a while. Until it is there the CPU
 * decodes.
 */
#include <string.h>

#include "base/thread.h"
#include "base/util.h"
#include "device/cuda/cuda_priv.h"

/* A block for each tile pays as long as all of them run at once. */
#define FEW_TILES_A_MULTIPROCESSOR 6u
#define FEW_THREADS		   256u
#define MANY_THREADS		   64u
#define MANY_TILES_A_BLOCK	   2u
/* What a multiprocessor decodes in a second, and how long a lone window takes; measured on an H200. */
#define BYTES_A_MULTIPROCESSOR	   700000000u
#define LONE_NS			   600000u

/* A tile that was not even looked at has failed. */
#define STATUS_UNTOUCHED 2u

/* device_data of a DECODE: [0] is transfer.c's. */
enum {
	FIRST_TILE = 1, /* in the tables; with NR_TILES 0 the op was refused */
	NR_TILES = 2,
	DECODED_NBYTES = 3,
};

/* ------------------------------------------------------------------- making */

static cuda_result load_module(struct cuda_device *d)
{
	struct cuda_decoder *dec = &d->decoder;
	const struct cuda_driver *cu = &d->driver;
	cuda_result code;

	if (!d->set.image)
		return CUDA_ERROR_NO_BINARY;
	code = cu->module_load(&dec->module, d->set.image);
	if (code)
		return code;
	code = cu->module_function(&dec->few, dec->module, "ds_gdeflate_few");
	if (!code)
		code = cu->module_function(&dec->many, dec->module, "ds_gdeflate_many");
	if (!code)
		code = cu->module_function(&dec->checksum, dec->module, "ds_checksum");
	if (!code)
		code = cu->memory_alloc(&dec->sum, sizeof(uint64_t));
	if (code) {
		cu->module_unload(dec->module);
		dec->module = NULL;
	}
	return code;
}

cuda_result ds_cuda_need_module(struct cuda_device *d)
{
	struct cuda_decoder *dec = &d->decoder;
	cuda_result code = CUDA_SUCCESS;

	pthread_mutex_lock(&dec->lock);
	if (!dec->module)
		code = load_module(d);
	pthread_mutex_unlock(&dec->lock);
	return code;
}

static size_t nr_table_entries(const struct cuda_device *d)
{
	return d->staging_nbytes / TILE_MIN_NBYTES;
}

static cuda_result make_tables(struct cuda_device *d)
{
	struct cuda_decoder *dec = &d->decoder;
	const struct cuda_driver *cu = &d->driver;
	const unsigned flags = CUDA_HOST_PORTABLE | CUDA_HOST_MAPPED;
	void *tiles, *status;
	cuda_result code;

	code = cu->host_alloc(&tiles, nr_table_entries(d) * sizeof(*dec->tiles), flags);
	if (code)
		return code;
	dec->tiles = tiles;
	code = cu->host_alloc(&status, nr_table_entries(d) * sizeof(*dec->status), flags);
	if (code)
		return code;
	dec->status = status;
	code = cu->host_device_address(&dec->tiles_address, tiles, 0);
	if (!code)
		code = cu->host_device_address(&dec->status_address, status, 0);
	return code;
}

cuda_result ds_cuda_make_decoder(struct cuda_device *d)
{
	struct cuda_decoder *dec = &d->decoder;
	cuda_result code = ds_cuda_need_module(d);

	if (!code)
		code = make_tables(d);
	if (!code)
		code = d->driver.memory_alloc(&dec->scratch, d->staging_nbytes);
	atomic_store_explicit(&dec->state, code ? DECODER_OFF : DECODER_READY,
			      memory_order_release);
	if (code)
		ds_cuda_log(d, DS_LOG_WARNING, ds_cuda_result(code), code,
			    "the device cannot decode GDeflate; the CPU will");
	return code;
}

static void *maker_main(void *arg)
{
	struct cuda_device *d = arg;

	if (!d->driver.context_set(d->context))
		ds_cuda_make_decoder(d);
	else
		atomic_store_explicit(&d->decoder.state, DECODER_OFF, memory_order_release);
	return NULL;
}

/* Does not wait; only the first caller finds it idle. */
static void begin_making(struct cuda_device *d)
{
	struct cuda_decoder *dec = &d->decoder;
	int idle = DECODER_IDLE;

	if (!atomic_compare_exchange_strong(&dec->state, &idle, DECODER_MAKING))
		return;
	if (ds_thread_start(&dec->thread, "ds-cuda-load", maker_main, d))
		atomic_store(&dec->state, DECODER_OFF);
	else
		atomic_store_explicit(&dec->has_thread, true, memory_order_release);
}

void ds_cuda_decoder_init(struct cuda_device *d)
{
	bool is_wanted = d->set.image && d->set.decode != DS_CUDA_DECODE_NEVER;

	atomic_store(&d->decoder.state, is_wanted ? DECODER_IDLE : DECODER_OFF);
	if (is_wanted && d->set.decode == DS_CUDA_DECODE_ALWAYS)
		ds_cuda_make_decoder(d);
}

void ds_cuda_decoder_fini(struct cuda_device *d)
{
	struct cuda_decoder *dec = &d->decoder;
	const struct cuda_driver *cu = &d->driver;

	if (atomic_load_explicit(&dec->has_thread, memory_order_acquire))
		pthread_join(dec->thread, NULL);
	if (dec->scratch)
		cu->memory_free(dec->scratch);
	if (dec->tiles)
		cu->host_free(dec->tiles);
	if (dec->status)
		cu->host_free(dec->status);
	if (dec->sum)
		cu->memory_free(dec->sum);
	if (dec->stream)
		cu->stream_destroy(dec->stream);
	if (dec->copy_stream)
		cu->stream_destroy(dec->copy_stream);
	if (dec->module)
		cu->module_unload(dec->module);
}

bool ds_cuda_has_decoder(struct ds_device *base)
{
	return atomic_load(&cuda_device_of(base)->decoder.state) != DECODER_OFF;
}

/* ----------------------------------------------------------------- deciding */

uint64_t ds_cuda_decode_eta_ns(struct ds_device *base, const struct ds_codec *codec,
			       const struct ds_target *target, uint64_t decoded_nbytes)
{
	struct cuda_device *d = cuda_device_of(base);
	struct cuda_decoder *dec = &d->decoder;
	uint64_t rate = (uint64_t)d->info.nr_multiprocessors * BYTES_A_MULTIPROCESSOR;
	uint64_t queued;
	int state = atomic_load_explicit(&dec->state, memory_order_acquire);

	if (codec->id != DS_CODEC_GDEFLATE || !target->object)
		return UINT64_MAX;
	if (state == DECODER_IDLE)
		begin_making(d);
	if (state != DECODER_READY)
		return UINT64_MAX;
	if (d->set.decode == DS_CUDA_DECODE_ALWAYS)
		return 0;
	queued = atomic_load_explicit(&dec->nbytes, memory_order_relaxed);
	return LONE_NS + (queued + decoded_nbytes) / (rate / 1000000u + 1) * 1000u;
}

/* ------------------------------------------------------------------ decoding */

/* Where in scratch the stream's bytes go: words of tiles must be words there. */
static size_t scratch_offset(const struct cuda_device *d, const struct ds_device_op *op)
{
	return (size_t)ds_align_down((uintptr_t)op->host - (uintptr_t)d->staging, 4);
}

/*
 * The head was checked when the stream came, but may lie in memory that somebody else writes: what
 * the device is told is checked once more, against what it may touch.
 */
static bool make_tile(const struct cuda_device *d, const struct ds_device_op *op, uint32_t index,
		      struct cuda_tile *tile)
{
	const struct ds_target *t = op->target;
	uint64_t at;
	struct ds_codec_unit u;

	op->codec->unit(op->head, op->all_units, t->nbytes, op->first_unit + index, &u);
	at = u.src_offset - op->stream_offset;
	if (u.src_offset < op->stream_offset || at > op->host_nbytes ||
	    u.src_nbytes > op->host_nbytes - at || (at | u.src_nbytes) % 4 ||
	    u.src_nbytes < TILE_MIN_NBYTES)
		return false;
	if (u.dst_offset > t->nbytes || u.dst_nbytes > t->nbytes - u.dst_offset)
		return false;
	*tile = (struct cuda_tile){
		.src = d->decoder.scratch + scratch_offset(d, op) + at,
		.dst = t->object + t->offset + u.dst_offset,
		.src_nbytes = u.src_nbytes,
		.dst_nbytes = u.dst_nbytes,
	};
	return true;
}

/* False: a tile is none. */
static bool fill_tables(struct cuda_device *d, struct ds_device_op *op, size_t first)
{
	struct cuda_decoder *dec = &d->decoder;
	size_t room = op->host_nbytes / TILE_MIN_NBYTES;

	if (op->nr_units > room || first > nr_table_entries(d) - op->nr_units)
		return false;
	for (uint32_t i = 0; i < op->nr_units; i++) {
		if (!make_tile(d, op, i, &dec->tiles[first + i]))
			return false;
		dec->status[first + i] = STATUS_UNTOUCHED;
	}
	return true;
}

static cuda_result launch(struct cuda_device *d, size_t first, uint32_t nr, uint64_t nr_before,
			  cuda_stream stream)
{
	struct cuda_decoder *dec = &d->decoder;
	uint64_t few = (uint64_t)d->info.nr_multiprocessors * FEW_TILES_A_MULTIPROCESSOR;
	bool is_few = nr_before + nr <= few;
	cuda_address tiles = dec->tiles_address + first * sizeof(*dec->tiles);
	cuda_address status = dec->status_address + first * sizeof(*dec->status);
	void *parameters[] = { &tiles, &status, &nr };
	unsigned blocks = is_few ? nr : (nr + MANY_TILES_A_BLOCK - 1) / MANY_TILES_A_BLOCK;

	return d->driver.launch(is_few ? dec->few : dec->many, blocks, 1, 1,
				is_few ? FEW_THREADS : MANY_THREADS, 1, 1, 0, stream, parameters,
				NULL);
}

cuda_result ds_cuda_decode(struct cuda_device *d, struct ds_device_op *op, cuda_stream stream)
{
	struct cuda_decoder *dec = &d->decoder;
	size_t offset = scratch_offset(d, op);
	size_t first = (offset + TILE_MIN_NBYTES - 1) / TILE_MIN_NBYTES;
	uint64_t before;
	cuda_result code;

	op->device_data[NR_TILES] = 0;
	op->device_data[DECODED_NBYTES] = 0;
	if (!fill_tables(d, op, first))
		return CUDA_SUCCESS;
	op->device_data[FIRST_TILE] = first;
	op->device_data[NR_TILES] = op->nr_units;
	op->device_data[DECODED_NBYTES] = (uintptr_t)op->decoded_nbytes;
	before = atomic_fetch_add_explicit(&dec->nr_tiles, op->nr_units, memory_order_relaxed);
	atomic_fetch_add_explicit(&dec->nbytes, op->decoded_nbytes, memory_order_relaxed);
	code = d->driver.copy_in_async(dec->scratch + offset, op->host, op->host_nbytes, stream);
	if (!code)
		code = launch(d, first, op->nr_units, before, stream);
	return code;
}

ds_result ds_cuda_decode_end(struct cuda_device *d, struct ds_device_op *op)
{
	struct cuda_decoder *dec = &d->decoder;
	size_t first = op->device_data[FIRST_TILE], nr = op->device_data[NR_TILES];

	if (!nr)
		return DS_ERR_CORRUPT_DATA;
	atomic_fetch_sub_explicit(&dec->nr_tiles, nr, memory_order_relaxed);
	atomic_fetch_sub_explicit(&dec->nbytes, op->device_data[DECODED_NBYTES],
				  memory_order_relaxed);
	for (size_t i = 0; i < nr; i++) {
		if (dec->status[first + i])
			return DS_ERR_CORRUPT_DATA;
	}
	return DS_OK;
}
