/* SPDX-License-Identifier: MIT */
/*
 * chunk.c: the size of the pieces in which files go to the device, by a short measurement.
 *
 * A copy costs the copy engine something beside its bytes, more on one machine than on another:
 * pieces have to be so large that it does not matter, and no larger, for then the pinned memory
 * holds more of them, and the first arrives sooner. So copies of some sizes are timed by the
 * device's own clock, from staging memory, which is pinned and touched already, each with an event
 * behind it as in a load. That takes some milliseconds, while the backend's engine is made; once a
 * process and device. What it cannot tell is what a piece costs the threads that read it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/util.h"
#include "device/cuda/cuda_priv.h"

#define NR_SIZES	4u
#define SMALLEST_NBYTES (1u << 20)
/* What is timed at once: the largest size, or more of the others. */
#define RUN_NBYTES	(SMALLEST_NBYTES << (NR_SIZES - 1))
#define LEAD_NBYTES	(1u << 20)
#define NR_ROUNDS	5u
/*
 * After that no further round is begun; nor the first, if it would take more than 20 ms in all.
 */
#define LIMIT_NS	10000000u
#define RUN_LIMIT_MS	3.5f
/* Of the best rate: what lies between is less than other things vary. */
#define ENOUGH_PERCENT	97u
#define MAX_DEVICES	64u

struct rates {
	double gb_per_s[NR_SIZES]; /* of SMALLEST_NBYTES, and twice, four times, ... that */
	float first_ms;		   /* of the first run */
	uint64_t took_ns;
};

struct bench {
	struct cuda_device *d;
	cuda_stream stream;
	cuda_address to;
	cuda_event begin;
	cuda_event end;
	cuda_event between;
};

/* What is known of a device, by any backend of it. */
struct known {
	const void *library;
	cuda_ordinal ordinal;
	bool is_busy; /* somebody measures */
	bool is_known;
	struct rates rates;
};

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next three */
static pthread_cond_t known_changed = PTHREAD_COND_INITIALIZER;
static struct known all_known[MAX_DEVICES];
static unsigned nr_known;

static uint64_t size_nbytes(unsigned i)
{
	return (uint64_t)SMALLEST_NBYTES << i;
}

/* ---------------------------------------------------------------- measuring */

static cuda_result time_run(const struct bench *b, uint64_t nbytes, float *ms)
{
	const struct cuda_driver *cu = &b->d->driver;
	const unsigned char *from = b->d->staging;
	/* The engine is busy with this one until the next ones are there. */
	cuda_result code = cu->copy_in_async(b->to, from, LEAD_NBYTES, b->stream);

	if (!code)
		code = cu->event_record(b->begin, b->stream);
	for (uint64_t at = 0; !code && at < RUN_NBYTES; at += nbytes) {
		code = cu->copy_in_async(b->to + at, from + at, nbytes, b->stream);
		if (!code)
			code = cu->event_record(b->between, b->stream);
	}
	if (!code)
		code = cu->event_record(b->end, b->stream);
	if (!code)
		code = cu->stream_synchronize(b->stream);
	return code ? code : cu->event_elapsed(ms, b->begin, b->end);
}

/* The best of some rounds, so that what comes between in one of them does not count. */
static cuda_result run_rounds(const struct bench *b, struct rates *r)
{
	uint64_t begin = ds_now_ns();
	/* The first copy wakes the bus. */
	cuda_result code = time_run(b, RUN_NBYTES, &r->first_ms);

	if (!code && (r->first_ms <= 0 || r->first_ms > RUN_LIMIT_MS))
		return CUDA_ERROR_NOT_READY;
	for (unsigned n = 0; n < NR_ROUNDS && (!n || ds_now_ns() - begin < LIMIT_NS); n++) {
		for (unsigned i = 0; !code && i < NR_SIZES; i++) {
			float ms = 0;

			code = time_run(b, size_nbytes(i), &ms);
			if (!code && ms > 0 && r->gb_per_s[i] < RUN_NBYTES * 1e-6 / (double)ms)
				r->gb_per_s[i] = RUN_NBYTES * 1e-6 / (double)ms;
		}
	}
	return code;
}

/* In the context. */
static cuda_result measure(struct cuda_device *d, struct rates *r)
{
	const struct cuda_driver *cu = &d->driver;
	struct bench b = { .d = d, .stream = d->lanes[FIRST_UPLOAD].stream };
	uint64_t begin = ds_now_ns();
	cuda_result code = cu->memory_alloc(&b.to, RUN_NBYTES);

	*r = (struct rates){ 0 };
	if (!code)
		code = cu->event_create(&b.begin, 0);
	if (!code)
		code = cu->event_create(&b.end, 0);
	if (!code)
		code = cu->event_create(&b.between, CUDA_EVENT_NO_TIMING);
	if (!code)
		code = run_rounds(&b, r);
	/* Nothing may be on its way to what is freed. */
	if (code)
		cu->stream_synchronize(b.stream);
	if (b.between)
		cu->event_destroy(b.between);
	if (b.end)
		cu->event_destroy(b.end);
	if (b.begin)
		cu->event_destroy(b.begin);
	if (b.to)
		cu->memory_free(b.to);
	r->took_ns = ds_now_ns() - begin;
	return code;
}

/* -------------------------------------------------------- once for a device */

/* With the lock. NULL: there are too many. */
static struct known *find_known(const struct cuda_device *d)
{
	struct known *k = all_known;

	for (; k < all_known + nr_known; k++) {
		if (k->library == d->driver.library && k->ordinal == d->ordinal)
			return k;
	}
	if (nr_known == MAX_DEVICES)
		return NULL;
	nr_known++;
	k->library = d->driver.library;
	k->ordinal = d->ordinal;
	return k;
}

/* What failed once may work for the next backend: it is not kept. */
static cuda_result get_rates(struct cuda_device *d, struct rates *r)
{
	cuda_result code = CUDA_SUCCESS;
	struct known *k;

	pthread_mutex_lock(&known_lock);
	k = find_known(d);
	while (k && k->is_busy)
		pthread_cond_wait(&known_changed, &known_lock);
	if (k && k->is_known) {
		*r = k->rates;
		pthread_mutex_unlock(&known_lock);
		return CUDA_SUCCESS;
	}
	if (k)
		k->is_busy = true;
	pthread_mutex_unlock(&known_lock);
	code = ds_cuda_enter(d);
	if (!code) {
		code = measure(d, r);
		ds_cuda_leave(d);
	}
	pthread_mutex_lock(&known_lock);
	if (k) {
		k->is_busy = false;
		k->is_known = !code;
		k->rates = *r;
		pthread_cond_broadcast(&known_changed);
	}
	pthread_mutex_unlock(&known_lock);
	return code;
}

/* ----------------------------------------------------------------- choosing */

static unsigned smallest_enough(const struct rates *r)
{
	double best = 0;
	unsigned i;

	for (i = 0; i < NR_SIZES; i++)
		best = r->gb_per_s[i] > best ? r->gb_per_s[i] : best;
	for (i = 0; r->gb_per_s[i] * 100 < best * ENOUGH_PERCENT; i++)
		;
	return i;
}

__attribute__((format(printf, 2, 3))) static void say(struct cuda_device *d, const char *format,
						      ...)
{
	size_t n = strlen(d->chunk.why);
	va_list args;

	va_start(args, format);
	vsnprintf(d->chunk.why + n, sizeof(d->chunk.why) - n, format, args);
	va_end(args);
}

static void take_usual(struct cuda_device *d)
{
	const struct ds_cuda_chunk_settings *set = &d->set.chunk;

	d->chunk.origin = DS_CUDA_CHUNK_USUAL;
	d->chunk.nbytes = ds_min_u64(set->usual_nbytes, set->most_nbytes);
	say(d, "not measured: ");
}

static void take_measured(struct cuda_device *d, const struct rates *r)
{
	uint64_t wanted = size_nbytes(smallest_enough(r));

	d->chunk.origin = DS_CUDA_CHUNK_MEASURED;
	d->chunk.nbytes = ds_min_u64(wanted, d->set.chunk.most_nbytes);
	d->chunk.measured_ns = r->took_ns;
	say(d, "measured:");
	for (unsigned i = 0; i < NR_SIZES; i++)
		say(d, "%s %u MiB %.1f", i ? "," : "", (unsigned)(size_nbytes(i) >> 20),
		    r->gb_per_s[i]);
	say(d, " GB/s, in %.1f ms", (double)r->took_ns * 1e-6);
	if (wanted > d->chunk.nbytes)
		say(d, "; pinned memory is too small for more");
}

static void choose(struct cuda_device *d)
{
	struct rates r = { 0 };
	cuda_result code = get_rates(d, &r);
	char name[64];

	if (!code) {
		take_measured(d, &r);
		return;
	}
	take_usual(d);
	if (code == CUDA_ERROR_NOT_READY) {
		say(d, "%u MiB take %.1f ms", RUN_NBYTES >> 20, (double)r.first_ms);
		return;
	}
	say(d, "it failed with %s", ds_cuda_error_name(&d->driver, code, name, sizeof(name)));
	d->chunk_code = code;
}

static void *chunk_main(void *arg)
{
	struct cuda_device *d = arg;

	if (d->env.thread_start)
		d->env.thread_start(d->env.arg);
	choose(d);
	if (d->env.thread_stop)
		d->env.thread_stop(d->env.arg);
	return NULL;
}

static const char *why_not_measure(const struct cuda_device *d)
{
	if (!d->set.chunk.is_measured)
		return "the configuration says so";
	if (!d->is_pinned)
		return "memory cannot be pinned";
	return d->staging_nbytes < RUN_NBYTES ? "pinned memory is too small for it" : NULL;
}

void ds_cuda_chunk_begin(struct cuda_device *d)
{
	if (d->set.chunk.given_nbytes) {
		d->chunk.nbytes = d->set.chunk.given_nbytes;
		say(d, "given");
	} else if (why_not_measure(d)) {
		take_usual(d);
		say(d, "%s", why_not_measure(d));
	} else {
		d->has_chunk_thread =
			!ds_thread_start(&d->chunk_thread, "ds-cuda-chunk", chunk_main, d);
		if (!d->has_chunk_thread)
			choose(d);
	}
}

void ds_cuda_chunk_end(struct cuda_device *d)
{
	if (d->has_chunk_thread)
		pthread_join(d->chunk_thread, NULL);
	d->has_chunk_thread = false;
}

uint64_t ds_cuda_chunk_nbytes(struct ds_device *base)
{
	struct cuda_device *d = cuda_device_of(base);

	ds_cuda_chunk_end(d);
	ds_cuda_log(d, d->chunk_code ? DS_LOG_WARNING : DS_LOG_INFO, ds_cuda_result(d->chunk_code),
		    d->chunk_code, "chunk %.3g MiB (%s)", (double)d->chunk.nbytes / (1 << 20),
		    d->chunk.why);
	return d->chunk.nbytes;
}
