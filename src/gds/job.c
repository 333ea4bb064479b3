/* SPDX-License-Identifier: MIT */
/* job.c: a job's life: begun, run by somebody, waited for, cancelled, reported. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gds/internal.h"

#define KNOWN_FLAGS    (DS_GDS_JOB_CHECKSUM | DS_GDS_JOB_SEPARATE)
#define MIN_CPU_NBYTES (1u << 20)

/* ------------------------------------------------------------- made, freed */

static void init_locks(struct ds_gds_job *job)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&job->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&job->ended, &attr);
	pthread_condattr_destroy(&attr);
}

static ds_result check_config(const struct ds_gds *g, const struct ds_gds_job_config *cfg)
{
	if (cfg->flags & ~(uint32_t)KNOWN_FLAGS || cfg->memory > DS_GDS_MEMORY_HOST ||
	    cfg->priority < DS_PRIORITY_DEFAULT || cfg->priority > DS_PRIORITY_REALTIME)
		return DS_ERR_INVALID_ARGUMENT;
	return cfg->memory == DS_GDS_MEMORY_HOST || g->has_device ? DS_OK : DS_ERR_UNAVAILABLE;
}

ds_result ds_job_create(struct ds_gds *g, const struct ds_gds_job_config *cfg, uint32_t nr_items,
			struct ds_gds_job **out)
{
	struct ds_gds_job *job = calloc(1, sizeof(*job));
	ds_result ret;

	if (!job)
		return DS_ERR_NO_MEMORY;
	ret = ds_copy_config(&job->cfg, sizeof(job->cfg), cfg, sizeof(job->cfg));
	if (!ret)
		ret = check_config(g, &job->cfg);
	if (!ret && nr_items) {
		job->items = calloc(nr_items, sizeof(*job->items));
		ret = job->items ? DS_OK : DS_ERR_NO_MEMORY;
	}
	if (ret) {
		free(job);
		return ret;
	}
	atomic_init(&job->refs, 1);
	init_locks(job);
	job->g = g;
	job->report.size = sizeof(job->report);
	*out = job;
	return DS_OK;
}

/* What was allocated for a job that did not end well. */
static void give_back_memory(struct ds_gds_job *job)
{
	for (uint32_t i = 0; i < job->nr_items; i++) {
		if (job->items[i].is_ours)
			ds_pool_free(&job->g->pool, job->items[i].address);
		job->items[i].is_ours = false;
	}
	if (job->arena)
		ds_pool_free(&job->g->pool, job->arena);
	job->arena = 0;
}

void ds_job_unref(struct ds_gds_job *job)
{
	if (atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) != 1)
		return;
	/* Never begun: nobody has its memory. */
	if (job->state == DS_JOB_WAITING)
		give_back_memory(job);
	for (uint32_t i = 0; i < job->nr_items; i++) {
		if (job->items[i].file)
			ds_manager_file_unref(job->items[i].file);
	}
	if (job->vectors.file)
		ds_manager_file_unref(job->vectors.file);
	ds_safetensors_close(job->model);
	free(job->items);
	free(job->ranges);
	free(job->vectors.indices);
	pthread_cond_destroy(&job->ended);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

ds_result ds_job_begin(struct ds_gds_job *job, struct ds_gds_job **out)
{
	struct ds_gds *g = job->g;

	job->created_ns = ds_now_ns();
	job->report.total_nbytes = job->total_nbytes;
	/* The runner's. */
	atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
	*out = job;
	pthread_mutex_lock(&g->lock);
	if (g->last)
		g->last->next = job;
	else
		g->first = job;
	g->last = job;
	g->stats.jobs_begun++;
	pthread_cond_signal(&g->wake);
	pthread_mutex_unlock(&g->lock);
	return DS_OK;
}

/* ------------------------------------------------------------------ running */

void ds_job_fail(struct ds_gds_job *job, ds_result result, const char *format, ...)
{
	struct ds_gds_report *r = &job->report;
	va_list args;

	if (r->result)
		return;
	r->result = result;
	va_start(args, format);
	vsnprintf(r->error, sizeof(r->error), format, args);
	va_end(args);
}

void ds_job_why(struct ds_gds_job *job, const char *why)
{
	char *all = job->report.why;
	size_t n = strlen(all);

	if (*why && !strstr(all, why))
		snprintf(all + n, sizeof(job->report.why) - n, "%s%s", n ? "; " : "", why);
}

void ds_job_progress(struct ds_gds_job *job, uint64_t nbytes)
{
	uint64_t done = atomic_fetch_add_explicit(&job->done_nbytes, nbytes, memory_order_relaxed);

	if (job->cfg.progress)
		job->cfg.progress(job->cfg.user_data, job, done + nbytes, job->total_nbytes);
}

/* Asking all threads takes longer than a small job. */
static uint64_t backend_cpu_ns(const struct ds_gds_job *job)
{
	struct ds_stats st = DS_STATS_INIT;

	if (job->total_nbytes < MIN_CPU_NBYTES)
		return 0;
	return ds_backend_get_stats(job->g->be, &st) ? 0 : st.cpu_ns;
}

static void add_checksums(struct ds_gds_job *job)
{
	for (uint32_t i = 0; i < job->nr_items && !job->report.result; i++) {
		struct ds_job_item *item = &job->items[i];
		ds_result ret = DS_OK;

		if (job->cfg.memory == DS_GDS_MEMORY_HOST)
			item->checksum = ds_gds_checksum_host((void *)(uintptr_t)item->address,
							      (size_t)item->out_nbytes);
		else
			ret = ds_gds_checksum(job->g->be, item->address, item->out_nbytes,
					      &item->checksum);
		if (ret)
			ds_job_fail(job, ret, "the checksum could not be computed: %s",
				    ds_result_message(ret));
	}
}

static void load(struct ds_gds_job *job)
{
	if (atomic_load(&job->wants_cancel))
		ds_job_fail(job, DS_ERR_CANCELLED, "the job was cancelled before it began");
	else if (job->is_vectors)
		ds_job_gather(job);
	else
		ds_job_transfer(job);
	if (!job->report.result && job->cfg.flags & DS_GDS_JOB_CHECKSUM)
		add_checksums(job);
}

static void finish_report(struct ds_gds_job *job, uint64_t start_ns, uint64_t cpu_ns)
{
	struct ds_gds_report *r = &job->report;

	r->elapsed_ns = ds_now_ns() - start_ns;
	r->waited_ns = start_ns - job->created_ns;
	r->cpu_ns = backend_cpu_ns(job) - cpu_ns;
	r->done_nbytes = atomic_load(&job->done_nbytes);
	r->bytes_per_second =
		r->elapsed_ns ? (uint64_t)((double)r->done_nbytes * 1e9 / (double)r->elapsed_ns)
			      : 0;
	r->ceiling_bytes_per_second = atomic_load(&job->g->ceiling);
}

/* Once nothing of it runs any more. */
static void end(struct ds_gds_job *job)
{
	if (job->report.result)
		give_back_memory(job);
	ds_manager_count(job, ds_now_ns() - job->created_ns);
	if (job->cfg.progress)
		job->cfg.progress(job->cfg.user_data, job, atomic_load(&job->done_nbytes),
				  job->total_nbytes);
	pthread_mutex_lock(&job->lock);
	job->state = DS_JOB_ENDED;
	pthread_cond_broadcast(&job->ended);
	pthread_mutex_unlock(&job->lock);
	ds_job_unref(job);
}

static void set_space(struct ds_gds_job *job, struct ds_workspace *space)
{
	pthread_mutex_lock(&job->lock);
	job->space = space;
	pthread_mutex_unlock(&job->lock);
}

void ds_job_run(struct ds_gds_job *job)
{
	uint64_t start_ns = ds_now_ns(), cpu_ns = backend_cpu_ns(job);
	struct ds_workspace *space = NULL;
	ds_result ret = ds_manager_get_space(job->g, &space);

	pthread_mutex_lock(&job->lock);
	job->state = DS_JOB_RUNNING;
	job->runner = pthread_self();
	job->space = space;
	pthread_mutex_unlock(&job->lock);
	if (ret)
		ds_job_fail(job, ret, "a queue could not be made: %s", ds_result_message(ret));
	else
		load(job);
	set_space(job, NULL);
	if (space)
		ds_manager_put_space(job->g, space);
	finish_report(job, start_ns, cpu_ns);
	end(job);
}

/* ------------------------------------------------------------- from outside */

/* With the job's lock. In a callback of its own nobody can wait for it. */
static bool is_own_callback(const struct ds_gds_job *job)
{
	return job->state == DS_JOB_RUNNING && pthread_equal(job->runner, pthread_self());
}

static bool wait_until(struct ds_gds_job *job, uint64_t deadline_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline_ns / 1000000000u),
		.tv_nsec = (long)(deadline_ns % 1000000000u),
	};

	if (deadline_ns == UINT64_MAX) {
		pthread_cond_wait(&job->ended, &job->lock);
		return true;
	}
	return pthread_cond_timedwait(&job->ended, &job->lock, &ts) != ETIMEDOUT;
}

ds_result ds_gds_job_wait(struct ds_gds_job *job, uint64_t timeout_ns)
{
	uint64_t now = ds_now_ns();
	uint64_t deadline = timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
	ds_result ret = DS_OK;

	if (!job)
		return DS_ERR_INVALID_ARGUMENT;
	/* Who would only wait saves the runner's waking up. */
	if (timeout_ns == DS_WAIT_FOREVER && ds_manager_take(job->g, job, true))
		ds_job_run(job);
	pthread_mutex_lock(&job->lock);
	while (job->state != DS_JOB_ENDED && !ret) {
		if (is_own_callback(job))
			ret = DS_ERR_WOULD_DEADLOCK;
		else if (!wait_until(job, deadline) && job->state != DS_JOB_ENDED)
			ret = DS_ERR_TIMEOUT;
	}
	if (!ret)
		ret = job->report.result;
	pthread_mutex_unlock(&job->lock);
	return ret;
}

bool ds_gds_job_cancel(struct ds_gds_job *job)
{
	bool is_cancelled, is_own;

	if (!job)
		return false;
	pthread_mutex_lock(&job->lock);
	is_own = is_own_callback(job);
	if (job->state != DS_JOB_ENDED)
		atomic_store(&job->wants_cancel, true);
	if (job->space && !is_own)
		ds_queue_cancel_all(job->space->queue);
	pthread_mutex_unlock(&job->lock);
	if (is_own)
		return true;
	/* One that waits for its turn has it now: there is nothing to be done. */
	if (ds_manager_take(job->g, job, false))
		ds_job_run(job);
	pthread_mutex_lock(&job->lock);
	while (job->state != DS_JOB_ENDED)
		pthread_cond_wait(&job->ended, &job->lock);
	is_cancelled = job->report.result == DS_ERR_CANCELLED;
	pthread_mutex_unlock(&job->lock);
	return is_cancelled;
}

bool ds_gds_job_progress(struct ds_gds_job *job, uint64_t *done_nbytes, uint64_t *total_nbytes)
{
	bool has_ended;

	if (!job)
		return false;
	if (done_nbytes)
		*done_nbytes = atomic_load(&job->done_nbytes);
	if (total_nbytes)
		*total_nbytes = job->total_nbytes;
	pthread_mutex_lock(&job->lock);
	has_ended = job->state == DS_JOB_ENDED;
	pthread_mutex_unlock(&job->lock);
	return has_ended;
}

void ds_gds_job_destroy(struct ds_gds_job *job)
{
	if (!job)
		return;
	ds_gds_job_cancel(job);
	ds_job_unref(job);
}

uint32_t ds_gds_job_count(const struct ds_gds_job *job)
{
	return job ? job->nr_items : 0;
}

static bool has_ended(struct ds_gds_job *job)
{
	return ds_gds_job_progress(job, NULL, NULL);
}

ds_result ds_gds_job_get_item(struct ds_gds_job *job, uint32_t index, struct ds_gds_item *out)
{
	struct ds_gds_item item = { .size = sizeof(item) };
	const struct ds_job_item *from;

	if (!job)
		return DS_ERR_INVALID_ARGUMENT;
	if (index >= job->nr_items)
		return DS_ERR_NOT_FOUND;
	from = &job->items[index];
	item.tensor = from->tensor;
	item.address = from->address;
	item.nbytes = from->out_nbytes;
	if (has_ended(job) && !job->report.result)
		item.checksum = from->checksum;
	return ds_copy_out(out, &item, sizeof(item), sizeof(item));
}

ds_result ds_gds_job_get_report(struct ds_gds_job *job, struct ds_gds_report *out)
{
	if (!job)
		return DS_ERR_INVALID_ARGUMENT;
	if (!has_ended(job))
		return DS_ERR_UNAVAILABLE;
	return ds_copy_out(out, &job->report, sizeof(job->report), sizeof(job->report));
}
