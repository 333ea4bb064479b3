/* SPDX-License-Identifier: MIT */
/* backend.c: a backend's parts put together, and its reference count. */
#include "core/backend.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/queue.h"
#include "base/copy_struct.h"
#include "core/result.h"

#define DEFAULT_STAGING_NBYTES (32u << 20)
#define MIN_STAGING_NBYTES     (1u << 20)
#define DEFAULT_CHUNK_NBYTES   (1u << 20)
#define MIN_CHUNK_NBYTES       (64u << 10)
#define MAX_CHUNK_NBYTES       (16u << 20)
#define MAX_WORKERS	       256

void ds_backend_thread_start(void *arg)
{
	struct ds_cpu_registry *cpu = &((struct ds_backend *)arg)->cpu;
	clockid_t id;

	if (pthread_getcpuclockid(pthread_self(), &id))
		return;
	pthread_mutex_lock(&cpu->lock);
	if (cpu->nr < DS_MAX_THREADS)
		cpu->clocks[cpu->nr++] = id;
	pthread_mutex_unlock(&cpu->lock);
}

static uint64_t read_clock_ns(clockid_t id)
{
	struct timespec ts;

	return clock_gettime(id, &ts) ? 0
				      : (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void ds_backend_thread_stop(void *arg)
{
	struct ds_cpu_registry *cpu = &((struct ds_backend *)arg)->cpu;
	clockid_t id;

	if (pthread_getcpuclockid(pthread_self(), &id))
		return;
	pthread_mutex_lock(&cpu->lock);
	for (unsigned i = 0; i < cpu->nr; i++) {
		if (cpu->clocks[i] == id) {
			cpu->clocks[i] = cpu->clocks[--cpu->nr];
			cpu->ended_ns += read_clock_ns(id);
			break;
		}
	}
	pthread_mutex_unlock(&cpu->lock);
}

static uint64_t cpu_ns(struct ds_cpu_registry *cpu)
{
	uint64_t sum;

	pthread_mutex_lock(&cpu->lock);
	sum = cpu->ended_ns;
	for (unsigned i = 0; i < cpu->nr; i++)
		sum += read_clock_ns(cpu->clocks[i]);
	pthread_mutex_unlock(&cpu->lock);
	return sum;
}

static void set_defaults(struct ds_backend_config *cfg, const struct ds_backend_parts *parts)
{
	if (!cfg->staging_nbytes)
		cfg->staging_nbytes = parts->default_staging_nbytes ? parts->default_staging_nbytes
								    : DEFAULT_STAGING_NBYTES;
	if (!cfg->chunk_nbytes)
		cfg->chunk_nbytes = parts->default_chunk_nbytes ? parts->default_chunk_nbytes
								: DEFAULT_CHUNK_NBYTES;
}

static ds_result check_config(const struct ds_backend_config *cfg)
{
	if (cfg->flags || cfg->staging_nbytes < MIN_STAGING_NBYTES ||
	    cfg->staging_nbytes > SIZE_MAX / 2 || cfg->chunk_nbytes & (cfg->chunk_nbytes - 1) ||
	    cfg->chunk_nbytes < MIN_CHUNK_NBYTES || cfg->chunk_nbytes > MAX_CHUNK_NBYTES)
		return DS_ERR_INVALID_ARGUMENT;
	if (cfg->io_workers > MAX_WORKERS || cfg->decode_workers > MAX_WORKERS)
		return DS_ERR_INVALID_ARGUMENT;
	if (cfg->direct < DS_DIRECT_AUTO || cfg->direct > DS_DIRECT_ON)
		return DS_ERR_INVALID_ARGUMENT;
	if (cfg->log_level < 0 || cfg->log_level > DS_LOG_DEBUG)
		return DS_ERR_INVALID_ARGUMENT;
	return DS_OK;
}

static ds_result init_backend(struct ds_backend *be, const struct ds_backend_config *cfg,
			      const struct ds_backend_parts *parts)
{
	ds_result ret;

	atomic_init(&be->refs, 1);
	snprintf(be->name, sizeof(be->name), "%s", parts->name);
	be->direct = cfg->direct;
	ds_list_init(&be->queues);
	pthread_mutex_init(&be->queues_lock, NULL);
	pthread_mutex_init(&be->cpu.lock, NULL);
	ds_timer_init(&be->timer, be);
	ret = ds_service_init(&be->service, be, cfg);
	if (ret)
		return ret;
	ret = ds_pipeline_init(&be->pipeline, be, cfg, parts);
	if (ret)
		ds_service_fini(&be->service);
	return ret;
}

static void free_backend(struct ds_backend *be)
{
	ds_timer_fini(&be->timer);
	pthread_mutex_destroy(&be->cpu.lock);
	pthread_mutex_destroy(&be->queues_lock);
	free(be);
}

ds_result ds_backend_create(const struct ds_backend_config *user,
			    const struct ds_backend_parts *parts, struct ds_backend **out)
{
	struct ds_backend_config cfg;
	struct ds_backend *be = NULL;
	ds_result ret;

	ret = ds_copy_config(&cfg, sizeof(cfg), user, DS_BACKEND_CONFIG_SIZE_0);
	if (!ret) {
		set_defaults(&cfg, parts);
		ret = check_config(&cfg);
	}
	if (!ret && !out)
		ret = DS_ERR_INVALID_ARGUMENT;
	if (!ret && !(be = calloc(1, sizeof(*be))))
		ret = DS_ERR_NO_MEMORY;
	if (ret) {
		parts->device->ops->destroy(parts->device);
		return ret;
	}
	ret = init_backend(be, &cfg, parts);
	if (ret) {
		parts->device->ops->destroy(parts->device);
		free_backend(be);
		return ret;
	}
	*out = be;
	return DS_OK;
}

void ds_backend_ref(struct ds_backend *be)
{
	atomic_fetch_add_explicit(&be->refs, 1, memory_order_relaxed);
}

void ds_backend_unref(struct ds_backend *be)
{
	struct ds_device *device;

	if (atomic_fetch_sub_explicit(&be->refs, 1, memory_order_acq_rel) != 1)
		return;
	device = be->pipeline.device;
	ds_pipeline_fini(&be->pipeline);
	ds_service_fini(&be->service);
	device->ops->destroy(device);
	free_backend(be);
}

void ds_backend_destroy(struct ds_backend *be)
{
	if (be)
		ds_backend_unref(be);
}

const char *ds_backend_name(const struct ds_backend *be)
{
	return be->name;
}

const struct ds_codec *ds_backend_codec(const struct ds_backend *be, uint32_t id)
{
	for (const struct ds_codec *const *c = be->pipeline.codecs; *c; c++) {
		if ((*c)->id == id)
			return *c;
	}
	return NULL;
}

bool ds_backend_has_codec(const struct ds_backend *be, uint32_t codec)
{
	return be && (codec == DS_CODEC_NONE || ds_backend_codec(be, codec));
}

static ds_result sum_queues(struct ds_backend *be, struct ds_stats *st)
{
	struct ds_counters *sum = calloc(1, sizeof(*sum));

	if (!sum)
		return DS_ERR_NO_MEMORY;
	pthread_mutex_lock(&be->queues_lock);
	ds_counters_add(sum, &be->gone);
	for (struct ds_list *n = be->queues.next; n != &be->queues; n = n->next) {
		struct ds_queue *q = ds_list_entry(n, struct ds_queue, link);

		ds_counters_add(sum, &q->counters);
	}
	pthread_mutex_unlock(&be->queues_lock);
	ds_counters_read(sum, st);
	free(sum);
	return DS_OK;
}

ds_result ds_backend_get_stats(struct ds_backend *be, struct ds_stats *out)
{
	struct ds_stats st = { .size = sizeof(st) };
	struct ds_pipeline *pl;
	ds_result ret;

	if (!be)
		return DS_ERR_INVALID_ARGUMENT;
	pl = &be->pipeline;
	ret = sum_queues(be, &st);
	if (ret)
		return ret;
	pthread_mutex_lock(&pl->lock);
	st.staging_nbytes = pl->staging.nbytes;
	st.staging_in_use = pl->staging.in_use;
	st.staging_high_water = pl->staging.high_water;
	pthread_mutex_unlock(&pl->lock);
	st.io_workers = pl->engine->nr_workers;
	st.decode_workers = pl->workers.nr;
	st.cpu_ns = cpu_ns(&be->cpu);
	st.log_records_lost = atomic_load(&be->service.log_lost);
	return ds_copy_out(out, &st, sizeof(st), DS_STATS_SIZE_0);
}

ds_result ds_backend_register_memory(struct ds_backend *be, void *data, size_t nbytes)
{
	struct ds_io_engine *e;

	if (!be || !data || !nbytes)
		return DS_ERR_INVALID_ARGUMENT;
	e = be->pipeline.engine;
	if (!e->ops->register_memory)
		return DS_ERR_UNSUPPORTED;
	return ds_result_from_errno(-e->ops->register_memory(e, data, nbytes));
}

ds_result ds_backend_unregister_memory(struct ds_backend *be, void *data)
{
	struct ds_io_engine *e;

	if (!be || !data)
		return DS_ERR_INVALID_ARGUMENT;
	e = be->pipeline.engine;
	if (!e->ops->unregister_memory)
		return DS_ERR_UNSUPPORTED;
	return ds_result_from_errno(-e->ops->unregister_memory(e, data));
}
