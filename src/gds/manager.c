/* SPDX-License-Identifier: MIT */
/* manager.c: the manager made and taken down, its runners, its statistics. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ds_runtime_uring.h"
#include "gds/internal.h"

#define DEFAULT_CONCURRENT 4u
#define MAX_CONCURRENT	   64u
#define DEFAULT_ALIGNMENT  4096u
#define MIN_ALIGNMENT	   512u
#define MAX_ALIGNMENT	   (2u << 20)
#define DEFAULT_BATCH	   (64u << 20)
#define MIN_BATCH	   (64u << 10)
#define MAX_BATCH	   (1u << 30)
#define HOST_CHUNK	   (4u << 20)
/* Reads that wait for a disk are more, the more threads there are. */
#define MIN_CREW	   8u

/* --------------------------------------------------------------- workspaces */

ds_result ds_manager_get_space(struct ds_gds *g, struct ds_workspace **out)
{
	const struct ds_queue_config cfg = { .size = sizeof(cfg), .capacity = DS_QUEUE_ROOM };
	struct ds_workspace *w;
	ds_result ret;

	pthread_mutex_lock(&g->lock);
	w = g->spare;
	if (w)
		g->spare = w->next;
	pthread_mutex_unlock(&g->lock);
	if (!w) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return DS_ERR_NO_MEMORY;
		ret = ds_queue_create(g->be, &cfg, &w->queue);
		if (ret) {
			free(w);
			return ret;
		}
	}
	*out = w;
	return DS_OK;
}

void ds_manager_put_space(struct ds_gds *g, struct ds_workspace *w)
{
	pthread_mutex_lock(&g->lock);
	w->next = g->spare;
	g->spare = w;
	pthread_mutex_unlock(&g->lock);
}

static void free_spaces(struct ds_gds *g)
{
	struct ds_workspace *w, *next;

	for (w = g->spare; w; w = next) {
		next = w->next;
		ds_queue_destroy(w->queue);
		for (unsigned i = 0; i < 2; i++) {
			if (w->buffers[i])
				ds_pages_unmap(w->buffers[i], w->buffer_nbytes);
		}
		free(w);
	}
}

/* ------------------------------------------------------------------ runners */

/* With the lock. */
static void begin_running(struct ds_gds *g)
{
	if (!g->nr_running++)
		g->busy_since_ns = ds_now_ns();
}

/* With the lock. */
static void end_running(struct ds_gds *g)
{
	if (!--g->nr_running)
		g->stats.busy_ns += ds_now_ns() - g->busy_since_ns;
	/* A caller's thread may have been the one that kept a job waiting. */
	if (g->first)
		pthread_cond_signal(&g->wake);
}

bool ds_manager_take(struct ds_gds *g, struct ds_gds_job *job, bool in_turn)
{
	struct ds_gds_job **at, *before = NULL;
	bool is_there;

	pthread_mutex_lock(&g->lock);
	for (at = &g->first; *at && *at != job; at = &(*at)->next)
		before = *at;
	is_there = *at && (!in_turn || (!before && g->nr_running < g->max_runners));
	if (is_there) {
		*at = job->next;
		if (g->last == job)
			g->last = before;
		begin_running(g);
	}
	pthread_mutex_unlock(&g->lock);
	return is_there;
}

static void *runner_main(void *arg)
{
	struct ds_gds *g = arg;

	pthread_mutex_lock(&g->lock);
	for (;;) {
		struct ds_gds_job *job = g->first;

		if (job && g->nr_running < g->max_runners) {
			g->first = job->next;
			if (!g->first)
				g->last = NULL;
			begin_running(g);
			pthread_mutex_unlock(&g->lock);
			ds_job_run(job);
			pthread_mutex_lock(&g->lock);
		} else if (g->is_stopping && !job) {
			break;
		} else {
			pthread_cond_wait(&g->wake, &g->lock);
		}
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static ds_result start_runners(struct ds_gds *g)
{
	sigset_t all, old;

	g->runners = calloc(g->max_runners, sizeof(*g->runners));
	if (!g->runners)
		return DS_ERR_NO_MEMORY;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (g->nr_runners < g->max_runners &&
	       !pthread_create(&g->runners[g->nr_runners], NULL, runner_main, g))
		g->nr_runners++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return g->nr_runners ? DS_OK : DS_ERR_SYSTEM;
}

static void stop_runners(struct ds_gds *g)
{
	pthread_mutex_lock(&g->lock);
	g->is_stopping = true;
	pthread_cond_broadcast(&g->wake);
	pthread_mutex_unlock(&g->lock);
	for (unsigned i = 0; i < g->nr_runners; i++)
		pthread_join(g->runners[i], NULL);
	free(g->runners);
}

/* ------------------------------------------------------------- configuration */

static bool is_power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

static ds_result check_config(struct ds_gds_manager_config *cfg)
{
	if (!cfg->max_concurrent)
		cfg->max_concurrent = DEFAULT_CONCURRENT;
	if (!cfg->alignment)
		cfg->alignment = DEFAULT_ALIGNMENT;
	if (!cfg->prefetch_batch_nbytes)
		cfg->prefetch_batch_nbytes = DEFAULT_BATCH;
	if (cfg->flags || cfg->enabled < DS_GDS_AUTO || cfg->enabled > DS_GDS_REQUIRED ||
	    cfg->max_concurrent > MAX_CONCURRENT || !is_power_of_two(cfg->alignment) ||
	    cfg->alignment < MIN_ALIGNMENT || cfg->alignment > MAX_ALIGNMENT ||
	    cfg->prefetch_batch_nbytes < MIN_BATCH || cfg->prefetch_batch_nbytes > MAX_BATCH)
		return DS_ERR_INVALID_ARGUMENT;
	return DS_OK;
}

static struct ds_backend_config backend_config(const struct ds_gds_manager_config *cfg)
{
	return (struct ds_backend_config){
		.size = sizeof(struct ds_backend_config),
		.staging_nbytes = cfg->staging_nbytes,
		.chunk_nbytes = cfg->chunk_nbytes,
		.io_workers = cfg->threads,
		.direct = cfg->direct,
		.log_level = cfg->log_level,
		.log_callback = cfg->log_callback,
		.log_user_data = cfg->log_user_data,
	};
}

static ds_result make_host_backend(const struct ds_backend_config *cfg, struct ds_backend **out)
{
	ds_result ret = ds_make_io_uring_backend(cfg, NULL, out);

	return ret == DS_ERR_UNAVAILABLE ? ds_make_cpu_backend(cfg, out) : ret;
}

static ds_result make_backend(struct ds_gds *g, const struct ds_gds_manager_config *cfg)
{
	struct ds_backend_config be = backend_config(cfg);
	ds_result ret = DS_ERR_UNAVAILABLE;

	if (cfg->enabled != DS_GDS_NEVER)
		ret = ds_make_gds_backend(&be, cfg->gds, &g->be);
	g->has_device = !ret;
	g->info.size = sizeof(g->info);
	if (g->has_device)
		return ds_gds_backend_info(g->be, &g->info);
	if (cfg->enabled == DS_GDS_REQUIRED || ret != DS_ERR_UNAVAILABLE)
		return ret;
	if (cfg->enabled == DS_GDS_NEVER)
		snprintf(g->info.why_no_cuda, sizeof(g->info.why_no_cuda),
			 "the configuration says so");
	else
		ds_gds_available(cfg->gds, g->info.why_no_cuda, sizeof(g->info.why_no_cuda));
	/* With a device it is chosen for that. */
	if (!be.chunk_nbytes)
		be.chunk_nbytes = HOST_CHUNK;
	return make_host_backend(&be, &g->be);
}

static unsigned crew_size(const struct ds_gds_manager_config *cfg)
{
	cpu_set_t set;
	unsigned cores = 1;

	if (!sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 0)
		cores = (unsigned)CPU_COUNT(&set);
	if (cfg->threads)
		return cfg->threads;
	return cores > MIN_CREW ? cores : MIN_CREW;
}

/* -------------------------------------------------------------- public calls */

ds_result ds_gds_create(const struct ds_gds_manager_config *user, struct ds_gds **out)
{
	struct ds_gds_manager_config cfg;
	struct ds_gds *g;
	ds_result ret = ds_copy_config(&cfg, sizeof(cfg), user, sizeof(cfg));

	if (!ret)
		ret = out ? check_config(&cfg) : DS_ERR_INVALID_ARGUMENT;
	if (ret)
		return ret;
	g = calloc(1, sizeof(*g));
	if (!g)
		return DS_ERR_NO_MEMORY;
	ret = make_backend(g, &cfg);
	if (ret) {
		ds_backend_destroy(g->be);
		free(g);
		return ret;
	}
	g->alignment = cfg.alignment;
	g->batch_nbytes = cfg.prefetch_batch_nbytes;
	g->max_runners = cfg.max_concurrent;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->wake, NULL);
	ds_pool_init(&g->pool, g->be, !g->has_device, cfg.alignment, cfg.pool_nbytes);
	ds_crew_init(&g->crew, crew_size(&cfg));
	ret = start_runners(g);
	if (ret)
		ds_gds_destroy(g);
	else
		*out = g;
	return ret;
}

void ds_gds_destroy(struct ds_gds *g)
{
	if (!g)
		return;
	stop_runners(g);
	ds_crew_fini(&g->crew);
	free_spaces(g);
	ds_pool_fini(&g->pool);
	ds_backend_destroy(g->be);
	pthread_cond_destroy(&g->wake);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

struct ds_backend *ds_gds_backend(struct ds_gds *g)
{
	return g ? g->be : NULL;
}

bool ds_gds_has_device(const struct ds_gds *g)
{
	return g && g->has_device;
}

ds_result ds_gds_alloc(struct ds_gds *g, uint64_t nbytes, uint64_t *address)
{
	if (!g || !nbytes || !address)
		return DS_ERR_INVALID_ARGUMENT;
	return ds_pool_alloc(&g->pool, nbytes, address);
}

ds_result ds_gds_free(struct ds_gds *g, uint64_t address)
{
	if (!g)
		return DS_ERR_INVALID_ARGUMENT;
	return address ? ds_pool_free(&g->pool, address) : DS_OK;
}

ds_result ds_gds_calibrate(struct ds_gds *g, uint64_t *bytes_per_second)
{
	uint64_t ceiling = 0;
	ds_result ret;

	if (!g)
		return DS_ERR_INVALID_ARGUMENT;
	if (!g->has_device)
		return DS_ERR_UNSUPPORTED;
	ret = ds_gds_measure_ceiling(g->be, &ceiling);
	if (ret)
		return ret;
	atomic_store(&g->ceiling, ceiling);
	if (bytes_per_second)
		*bytes_per_second = ceiling;
	return DS_OK;
}

/* --------------------------------------------------------------- statistics */

void ds_manager_count(struct ds_gds_job *job, uint64_t latency_ns)
{
	struct ds_gds *g = job->g;
	const struct ds_gds_report *r = &job->report;
	struct ds_gds_stats *s = &g->stats;

	pthread_mutex_lock(&g->lock);
	if (!r->result)
		s->jobs_completed++;
	else if (r->result == DS_ERR_CANCELLED)
		s->jobs_cancelled++;
	else
		s->jobs_failed++;
	s->operations += r->operations;
	s->nbytes += r->done_nbytes;
	for (unsigned i = 0; i < DS_GDS_PATH_COUNT; i++)
		s->path_nbytes[i] += r->path_nbytes[i];
	if (!r->result && r->bytes_per_second > s->peak_bytes_per_second)
		s->peak_bytes_per_second = r->bytes_per_second;
	g->sum_run_ns += r->elapsed_ns;
	g->sum_latency_ns += latency_ns;
	end_running(g);
	pthread_mutex_unlock(&g->lock);
}

static uint64_t rate(uint64_t nbytes, uint64_t ns)
{
	return ns ? (uint64_t)((double)nbytes * 1e9 / (double)ns) : 0;
}

ds_result ds_gds_get_stats(struct ds_gds *g, struct ds_gds_stats *out)
{
	struct ds_gds_stats s;
	uint64_t nr;

	if (!g)
		return DS_ERR_INVALID_ARGUMENT;
	pthread_mutex_lock(&g->lock);
	s = g->stats;
	s.jobs_running = g->nr_running;
	if (g->nr_running)
		s.busy_ns += ds_now_ns() - g->busy_since_ns;
	nr = s.jobs_completed + s.jobs_failed + s.jobs_cancelled;
	s.average_bytes_per_second = rate(s.nbytes, g->sum_run_ns);
	s.effective_bytes_per_second = rate(s.nbytes, s.busy_ns);
	s.average_latency_ns = nr ? g->sum_latency_ns / nr : 0;
	pthread_mutex_unlock(&g->lock);
	pthread_mutex_lock(&g->pool.lock);
	s.pool_nbytes = g->pool.limit;
	s.pool_in_use = g->pool.in_use;
	s.pool_high_water = g->pool.high_water;
	pthread_mutex_unlock(&g->pool.lock);
	s.size = sizeof(s);
	return ds_copy_out(out, &s, sizeof(s), sizeof(s));
}

void ds_gds_reset_stats(struct ds_gds *g)
{
	if (!g)
		return;
	pthread_mutex_lock(&g->lock);
	memset(&g->stats, 0, sizeof(g->stats));
	g->sum_run_ns = 0;
	g->sum_latency_ns = 0;
	g->busy_since_ns = ds_now_ns();
	pthread_mutex_unlock(&g->lock);
}
