/* SPDX-License-Identifier: MIT */
/* fake_device.c: see fake_device.h. */
#include "fake/fake_device.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backend/codecs.h"
#include "base/util.h"
#include "core/backend.h"
#include "io/pread_pool.h"
#include "support/random.h"
#include "support/require.h"

#define FAIL_CODE 77

struct fake_device {
	struct ds_device base;
	enum fake_decoder decoder;
	struct ds_device_env env;
	atomic_uint asked;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t wake;
	struct ds_device_op *list;
	bool is_stopping;
};

/* target.state */
struct state {
	struct fake_watch *watch;
	atomic_int left; /* operations before they fail; negative: all work */
};

static struct fake_device *to_fake(struct ds_device *d)
{
	return ds_container_of(d, struct fake_device, base);
}

static void destroy(struct ds_device *d)
{
	struct fake_device *f = to_fake(d);

	REQUIRE(!f->list);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static unsigned char *memory(const struct ds_device_op *op)
{
	const struct ds_target *t = op->target;

	return (unsigned char *)(uintptr_t)t->object + t->offset;
}

static void require_sound(struct fake_device *f, const struct ds_device_op *op)
{
	const unsigned char *staging = f->env.staging;
	const unsigned char *host = op->host;
	uint64_t nbytes = op->opcode == DS_DEVICE_DECODE ? op->decoded_nbytes : op->host_nbytes;

	if (op->opcode == DS_DEVICE_FINISH)
		return;
	REQUIRE(host >= staging);
	REQUIRE_CMP((size_t)(host - staging) + op->host_nbytes, <=, f->env.staging_nbytes);
	REQUIRE_CMP(nbytes, >, 0);
	REQUIRE_CMP(op->target_offset + nbytes, <=, op->target->nbytes);
	REQUIRE_CMP(op->is_whole, ==, nbytes == op->target->nbytes);
}

static ds_result decode(const struct ds_device_op *op)
{
	struct ds_codec_unit u;
	void *context;
	ds_result ret = op->codec->context_create(&context);

	REQUIRE_OK(ret);
	for (uint32_t i = op->first_unit; i < op->first_unit + op->nr_units && !ret; i++) {
		op->codec->unit(op->head, op->all_units, op->target->nbytes, i, &u);
		REQUIRE_CMP(u.src_offset, >=, op->stream_offset);
		REQUIRE_CMP(u.src_offset + u.src_nbytes, <=, op->stream_offset + op->host_nbytes);
		REQUIRE_CMP(u.dst_offset, >=, op->target_offset);
		ret = op->codec->decode_unit(
			context, (unsigned char *)op->host + (u.src_offset - op->stream_offset),
			u.src_nbytes, memory(op) + u.dst_offset, u.dst_nbytes);
	}
	op->codec->context_destroy(context);
	return ret;
}

static ds_result run_one(const struct ds_device_op *op)
{
	struct state *st = op->target->state;
	int left = st ? atomic_load(&st->left) : -1;

	if (!left)
		return DS_ERR_IO;
	if (left > 0)
		atomic_store(&st->left, left - 1);
	switch (op->opcode) {
	case DS_DEVICE_PLACE:
		memcpy(memory(op) + op->target_offset, op->host, op->host_nbytes);
		break;
	case DS_DEVICE_DECODE:
		if (decode(op))
			return DS_ERR_CORRUPT_DATA;
		break;
	case DS_DEVICE_FETCH:
		memcpy(op->host, memory(op) + op->target_offset, op->host_nbytes);
		if (st && st->watch)
			atomic_fetch_add(&st->watch->fetched, 1);
		return DS_OK;
	case DS_DEVICE_FINISH:
		atomic_fetch_add(&st->watch->finished, 1);
		return DS_OK;
	}
	if (st && st->watch)
		atomic_fetch_add(&st->watch->placed, 1);
	return DS_OK;
}

/* Takes a random one off the list. */
static struct ds_device_op *take(struct fake_device *f, uint64_t *seed)
{
	struct ds_device_op **at = &f->list, *op;

	while ((*at)->next && random_below(seed, 2))
		at = &(*at)->next;
	op = *at;
	*at = op->next;
	return op;
}

static void *main_loop(void *arg)
{
	struct fake_device *f = arg;
	uint64_t seed = 1;

	f->env.thread_start(f->env.arg);
	pthread_mutex_lock(&f->lock);
	while (!f->is_stopping || f->list) {
		struct ds_device_op *op;
		ds_result ret;

		if (!f->list) {
			pthread_cond_wait(&f->wake, &f->lock);
			continue;
		}
		op = take(f, &seed);
		pthread_mutex_unlock(&f->lock);
		require_sound(f, op);
		ret = run_one(op);
		f->env.batch_begin();
		op->done(op, ret, ret ? FAIL_CODE : 0);
		f->env.batch_end();
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	f->env.thread_stop(f->env.arg);
	return NULL;
}

static ds_result attach(struct ds_device *d, const struct ds_device_env *env)
{
	struct fake_device *f = to_fake(d);

	f->env = *env;
	REQUIRE_CMP(pthread_create(&f->thread, NULL, main_loop, f), ==, 0);
	return DS_OK;
}

static void detach(struct ds_device *d)
{
	struct fake_device *f = to_fake(d);

	pthread_mutex_lock(&f->lock);
	f->is_stopping = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
}

static ds_result resolve(struct ds_device *d, const struct ds_location *loc, uint64_t nbytes,
			 bool is_source, struct ds_target *target)
{
	struct fake_watch *watch = NULL;
	struct state *st;

	(void)d;
	if (loc->kind == DS_LOCATION_NONE)
		return DS_ERR_INVALID_ARGUMENT;
	if (loc->kind != DS_LOCATION_MEMORY && loc->kind != DS_LOCATION_FAKE)
		return DS_ERR_UNSUPPORTED;
	if (loc->kind == DS_LOCATION_MEMORY && !loc->data && nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	st = calloc(1, sizeof(*st));
	REQUIRE(st);
	if (loc->kind == DS_LOCATION_FAKE)
		watch = (struct fake_watch *)(uintptr_t)loc->detail;
	st->watch = watch;
	atomic_init(&st->left, watch && watch->fail_after ? watch->fail_after : -1);
	if (watch && watch->fail_after < 0)
		atomic_init(&st->left, 0);
	*target = (struct ds_target){
		.object = loc->kind == DS_LOCATION_FAKE ? loc->object : (uintptr_t)loc->data,
		.offset = loc->kind == DS_LOCATION_FAKE ? loc->offset : 0,
		.nbytes = nbytes,
		.needs_finish = watch && !is_source,
		.state = st,
	};
	return DS_OK;
}

static void release(struct ds_device *d, struct ds_target *target)
{
	struct state *st = target->state;

	(void)d;
	if (st->watch)
		atomic_fetch_add(&st->watch->released, 1);
	free(st);
}

static void start(struct ds_device *d, struct ds_device_op *list)
{
	struct fake_device *f = to_fake(d);
	struct ds_device_op *last = list;

	while (last->next)
		last = last->next;
	pthread_mutex_lock(&f->lock);
	last->next = f->list;
	f->list = list;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

static uint64_t decode_eta_ns(struct ds_device *d, const struct ds_codec *codec,
			      const struct ds_target *target, uint64_t decoded_nbytes)
{
	struct fake_device *f = to_fake(d);

	(void)target;
	(void)decoded_nbytes;
	if (!codec->unit || codec->stream_begin || f->decoder == FAKE_DECODER_NONE)
		return UINT64_MAX;
	return f->decoder == FAKE_DECODER_ALWAYS || atomic_fetch_add(&f->asked, 1) % 2 ? 0
										       : UINT64_MAX;
}

static const struct ds_device_ops ops = {
	.name = "fake_device",
	.destroy = destroy,
	.attach = attach,
	.detach = detach,
	.resolve = resolve,
	.release = release,
	.start = start,
	.decode_eta_ns = decode_eta_ns,
};

ds_result fake_device_make_backend(const struct ds_backend_config *cfg, enum fake_decoder decoder,
				   struct ds_backend **out)
{
	struct fake_device *f = calloc(1, sizeof(*f));
	struct ds_backend_parts parts = {
		.name = "fake_device",
		.engine_create = ds_pread_pool_create,
		.codecs = ds_codecs,
	};

	REQUIRE(f);
	f->base.ops = &ops;
	f->decoder = decoder;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->wake, NULL);
	parts.device = &f->base;
	return ds_backend_create(cfg, &parts, out);
}
