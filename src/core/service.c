/* SPDX-License-Identifier: MIT */
/* service.c: the callback thread. */
#include "core/service.h"

#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "base/util.h"
#include "core/queue.h"
#include "core/result.h"

static _Thread_local const struct ds_service *current_service;

bool ds_service_is_current(const struct ds_service *sv)
{
	return current_service == sv;
}

/* The source's path from the project's root on. */
static const char *short_path(const char *file)
{
	const char *p = strstr(file, "src/");

	return p ? p : file;
}

static void report_failure(struct ds_service *sv, const struct ds_slot *s)
{
	const struct ds_completion *c = &s->completion;
	char message[DS_LOG_MESSAGE];
	struct ds_log_record r = {
		.size = sizeof(r),
		.level = DS_LOG_ERROR,
		.subsystem = "pipeline",
		.operation = ds_operation_name(c->failed_operation),
		.source_file = short_path(__FILE__),
		.function = __func__,
		.line = __LINE__,
		.result = c->result,
		.sys_errno = c->sys_errno,
		.request = c->id,
		.message = ds_completion_describe(c, message, sizeof(message)),
	};

	sv->error_callback(sv->error_user_data, &r);
}

/* The end of a request that needs callbacks: what ds_request_ended() left to this thread. */
static void serve(struct ds_service *sv, struct ds_slot *s)
{
	struct ds_queue *q = s->queue;

	if (s->completion.status == DS_STATUS_FAILED && sv->error_callback) {
		report_failure(sv, s);
		if (ds_markers_leave(&q->markers, s->segment, s->completion.result))
			ds_queue_space_freed(q);
	}
	if (s->callback)
		s->callback(s->user_data, &s->completion);
	ds_queue_publish(s);
}

/* With the lock, which is dropped during the callback. */
static void deliver_log(struct ds_service *sv)
{
	struct ds_log_entry e = sv->log[sv->log_head++ % DS_LOG_RING];

	pthread_mutex_unlock(&sv->lock);
	e.record.message = e.message;
	sv->log_callback(sv->log_user_data, &e.record);
	pthread_mutex_lock(&sv->lock);
}

static void *service_main(void *arg)
{
	struct ds_service *sv = arg;

	current_service = sv;
	ds_backend_thread_start(sv->be);
	pthread_mutex_lock(&sv->lock);
	for (;;) {
		struct ds_slot *s = sv->first;

		if (sv->log_head != sv->log_tail) {
			deliver_log(sv);
		} else if (s) {
			sv->first = s->next;
			pthread_mutex_unlock(&sv->lock);
			serve(sv, s);
			pthread_mutex_lock(&sv->lock);
		} else if (sv->is_stopping) {
			break;
		} else {
			pthread_cond_wait(&sv->wake, &sv->lock);
		}
	}
	pthread_mutex_unlock(&sv->lock);
	ds_backend_thread_stop(sv->be);
	return NULL;
}

ds_result ds_service_init(struct ds_service *sv, struct ds_backend *be,
			  const struct ds_backend_config *cfg)
{
	sv->be = be;
	sv->log_callback = cfg->log_callback;
	sv->log_user_data = cfg->log_user_data;
	sv->error_callback = cfg->error_callback;
	sv->error_user_data = cfg->error_user_data;
	sv->log_level = cfg->log_level ? cfg->log_level : DS_LOG_WARNING;
	pthread_mutex_init(&sv->lock, NULL);
	ds_cond_init(&sv->wake);
	if (ds_thread_start(&sv->thread, "ds-callbacks", service_main, sv)) {
		pthread_cond_destroy(&sv->wake);
		pthread_mutex_destroy(&sv->lock);
		return DS_ERR_SYSTEM;
	}
	sv->is_started = true;
	return DS_OK;
}

void ds_service_fini(struct ds_service *sv)
{
	pthread_mutex_lock(&sv->lock);
	sv->is_stopping = true;
	pthread_cond_signal(&sv->wake);
	pthread_mutex_unlock(&sv->lock);
	pthread_join(sv->thread, NULL);
	pthread_cond_destroy(&sv->wake);
	pthread_mutex_destroy(&sv->lock);
}

void ds_service_push(struct ds_service *sv, struct ds_slot *s)
{
	pthread_mutex_lock(&sv->lock);
	s->next = NULL;
	if (sv->first)
		sv->last->next = s;
	else
		sv->first = s;
	sv->last = s;
	pthread_cond_signal(&sv->wake);
	pthread_mutex_unlock(&sv->lock);
}

void ds_log_write(struct ds_service *sv, int32_t level, const char *subsystem,
		  const char *operation, const char *file, const char *function, uint32_t line,
		  ds_result result, int sys_errno, uint64_t request, const char *format, ...)
{
	struct ds_log_entry *e;
	va_list args;

	pthread_mutex_lock(&sv->lock);
	if (sv->log_tail - sv->log_head == DS_LOG_RING) {
		atomic_fetch_add_explicit(&sv->log_lost, 1, memory_order_relaxed);
		pthread_mutex_unlock(&sv->lock);
		return;
	}
	e = &sv->log[sv->log_tail++ % DS_LOG_RING];
	e->record = (struct ds_log_record){
		.size = sizeof(e->record),
		.level = level,
		.subsystem = subsystem,
		.operation = operation,
		.source_file = short_path(file),
		.function = function,
		.line = line,
		.result = result,
		.sys_errno = sys_errno,
		.request = request,
	};
	va_start(args, format);
	vsnprintf(e->message, sizeof(e->message), format, args);
	va_end(args);
	pthread_cond_signal(&sv->wake);
	pthread_mutex_unlock(&sv->lock);
}
