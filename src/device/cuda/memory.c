/* SPDX-License-Identifier: MIT */
/* memory.c: device memory for programs without CUDA of their own: got, looked at, summed, measured. */
#include <stdlib.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/util.h"
#include "device/cuda/cuda_priv.h"

#define SUM_PART_NBYTES	  (8u << 20)
#define SUM_THREADS	  256u
#define MEASURE_NBYTES	  (64u << 20)
#define MEASURE_NR_COPIES 12
#define BLOCKS_FOR_A_CHIP 8u /* a multiprocessor */

ds_result ds_cuda_alloc(struct ds_device *base, uint64_t nbytes, uint64_t *address)
{
	struct cuda_device *d = cuda_device_of(base);
	cuda_address got = 0;
	cuda_result code = ds_cuda_enter(d);

	if (code)
		return ds_cuda_result(code);
	code = d->driver.memory_alloc(&got, nbytes);
	ds_cuda_leave(d);
	if (!code)
		*address = got;
	return ds_cuda_result(code);
}

ds_result ds_cuda_free(struct ds_device *base, uint64_t address)
{
	struct cuda_device *d = cuda_device_of(base);
	cuda_result code = ds_cuda_enter(d);

	if (code)
		return ds_cuda_result(code);
	code = d->driver.memory_free(address);
	ds_cuda_leave(d);
	return ds_cuda_result(code);
}

/*
 * On a stream of its own: the driver's plain copies wait for what the program does on the
 * default one, and small ones return before they have arrived.
 */
static cuda_result copy_and_wait(struct cuda_device *d, cuda_address device, void *host,
				 size_t nbytes, bool is_in)
{
	struct cuda_decoder *dec = &d->decoder;
	const struct cuda_driver *cu = &d->driver;
	cuda_result code = CUDA_SUCCESS;

	pthread_mutex_lock(&dec->copy_lock);
	if (!dec->copy_stream)
		code = cu->stream_create(&dec->copy_stream, CUDA_STREAM_NONBLOCKING);
	if (!code)
		code = is_in ? cu->copy_in_async(device, host, nbytes, dec->copy_stream)
			     : cu->copy_out_async(host, device, nbytes, dec->copy_stream);
	if (!code)
		code = cu->stream_synchronize(dec->copy_stream);
	pthread_mutex_unlock(&dec->copy_lock);
	return code;
}

ds_result ds_cuda_read(struct ds_device *base, void *to, uint64_t from, uint64_t nbytes)
{
	struct cuda_device *d = cuda_device_of(base);
	cuda_result code = ds_cuda_enter(d);

	if (code)
		return ds_cuda_result(code);
	code = copy_and_wait(d, from, to, nbytes, false);
	ds_cuda_leave(d);
	return ds_cuda_result(code);
}

ds_result ds_cuda_write(struct ds_device *base, uint64_t to, const void *from, uint64_t nbytes)
{
	struct cuda_device *d = cuda_device_of(base);
	cuda_result code = ds_cuda_enter(d);

	if (code)
		return ds_cuda_result(code);
	code = copy_and_wait(d, to, (void *)(uintptr_t)from, nbytes, true);
	ds_cuda_leave(d);
	return ds_cuda_result(code);
}

/* ----------------------------------------------------------------- checksum */

/* With the decoder's lock: one at a time. */
static cuda_result sum_by_kernel(struct cuda_device *d, uint64_t address, uint64_t nbytes,
				 uint64_t *sum)
{
	struct cuda_decoder *dec = &d->decoder;
	const struct cuda_driver *cu = &d->driver;
	unsigned blocks = (unsigned)d->info.nr_multiprocessors * BLOCKS_FOR_A_CHIP;
	void *parameters[] = { &address, &nbytes, &dec->sum };
	cuda_result code = CUDA_SUCCESS;

	*sum = 0;
	if (!dec->stream)
		code = cu->stream_create(&dec->stream, CUDA_STREAM_NONBLOCKING);
	if (!code)
		code = cu->copy_in(dec->sum, sum, sizeof(*sum));
	if (!code)
		code = cu->launch(dec->checksum, blocks, 1, 1, SUM_THREADS, 1, 1, 0, dec->stream,
				  parameters, NULL);
	if (!code)
		code = cu->stream_synchronize(dec->stream);
	if (!code)
		code = cu->copy_out(sum, dec->sum, sizeof(*sum));
	return code;
}

/* Without kernels: fetched in parts, and summed here. */
static cuda_result sum_by_host(struct cuda_device *d, uint64_t address, uint64_t nbytes,
			       uint64_t *sum)
{
	unsigned char *part = malloc(SUM_PART_NBYTES);
	cuda_result code = part ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;

	*sum = 0;
	for (uint64_t at = 0; !code && at < nbytes; at += SUM_PART_NBYTES) {
		size_t n = (size_t)ds_min_u64(SUM_PART_NBYTES, nbytes - at);

		code = d->driver.copy_out(part, address + at, n);
		if (!code)
			*sum += ds_checksum_part(part, n, at / 8);
	}
	free(part);
	return code;
}

ds_result ds_cuda_checksum(struct ds_device *base, uint64_t address, uint64_t nbytes, uint64_t *sum)
{
	struct cuda_device *d = cuda_device_of(base);
	cuda_result code = ds_cuda_enter(d);
	uint64_t got = 0;

	if (code)
		return ds_cuda_result(code);
	if (nbytes && !ds_cuda_need_module(d)) {
		pthread_mutex_lock(&d->decoder.lock);
		code = sum_by_kernel(d, address, nbytes, &got);
		pthread_mutex_unlock(&d->decoder.lock);
	} else {
		code = sum_by_host(d, address, nbytes, &got);
	}
	ds_cuda_leave(d);
	if (!code)
		*sum = got;
	return ds_cuda_result(code);
}

/* ---------------------------------------------------------------- measuring */

static cuda_result time_copies(struct cuda_device *d, cuda_address to, const void *from,
			       cuda_stream stream, uint64_t *ns)
{
	cuda_result code = d->driver.copy_in_async(to, from, MEASURE_NBYTES, stream);
	uint64_t begin;

	if (!code)
		code = d->driver.stream_synchronize(stream);
	begin = ds_now_ns();
	for (unsigned i = 0; !code && i < MEASURE_NR_COPIES; i++)
		code = d->driver.copy_in_async(to, from, MEASURE_NBYTES, stream);
	if (!code)
		code = d->driver.stream_synchronize(stream);
	*ns = ds_now_ns() - begin;
	return code;
}

static cuda_result measure(struct cuda_device *d, uint64_t *bytes_per_second)
{
	const struct cuda_driver *cu = &d->driver;
	cuda_stream stream = NULL;
	cuda_address to = 0;
	void *from = NULL;
	uint64_t ns = 0;
	cuda_result code = cu->host_alloc(&from, MEASURE_NBYTES, CUDA_HOST_PORTABLE);

	if (!code)
		code = cu->memory_alloc(&to, MEASURE_NBYTES);
	if (!code)
		code = cu->stream_create(&stream, CUDA_STREAM_NONBLOCKING);
	if (!code)
		code = time_copies(d, to, from, stream, &ns);
	if (!code)
		*bytes_per_second = (uint64_t)((double)MEASURE_NBYTES * MEASURE_NR_COPIES * 1e9 /
					       (double)(ns ? ns : 1));
	if (stream)
		cu->stream_destroy(stream);
	if (to)
		cu->memory_free(to);
	if (from)
		cu->host_free(from);
	return code;
}

ds_result ds_cuda_measure(struct ds_device *base, uint64_t *bytes_per_second)
{
	struct cuda_device *d = cuda_device_of(base);
	cuda_result code = ds_cuda_enter(d);

	if (code)
		return ds_cuda_result(code);
	code = measure(d, bytes_per_second);
	ds_cuda_leave(d);
	return ds_cuda_result(code);
}
