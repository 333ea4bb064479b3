/* SPDX-License-Identifier: MIT */
/*
 * service.h: the one thread of a backend that runs the user's callbacks.
 *
 * It never holds work that anything else waits for, so a callback may take its
 * time and may cancel, enqueue and submit.
 */
#ifndef DS_CORE_SERVICE_H
#define DS_CORE_SERVICE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/request.h"
#include "ds_runtime.h"

#define DS_LOG_RING    64
#define DS_LOG_MESSAGE 200

struct ds_log_entry {
	struct ds_log_record record;
	char message[DS_LOG_MESSAGE];
};

struct ds_service {
	struct ds_backend *be;
	pthread_t thread;
	bool is_started;
	ds_log_callback log_callback;
	void *log_user_data;
	ds_log_callback error_callback;
	void *error_user_data;
	int32_t log_level;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct ds_slot *first; /* ended requests that need a callback, in order */
	struct ds_slot *last;
	bool is_stopping;
	uint32_t log_head; /* entries [log_head, log_tail) wait, modulo DS_LOG_RING */
	uint32_t log_tail;
	_Atomic uint64_t log_lost;
	struct ds_log_entry log[DS_LOG_RING];
};

/* Starts the thread. */
ds_result ds_service_init(struct ds_service *sv, struct ds_backend *be,
			  const struct ds_backend_config *cfg);
/* Delivers what is left, and ends the thread. */
void ds_service_fini(struct ds_service *sv);

/* Hands over an ended request for its error callback, its callback, or both. */
void ds_service_push(struct ds_service *sv, struct ds_slot *s);

/* True on this backend's callback thread. */
bool ds_service_is_current(const struct ds_service *sv);

/* Queues a record for the log callback; drops and counts it when the ring is full. */
void ds_log_write(struct ds_service *sv, int32_t level, const char *subsystem,
		  const char *operation, const char *file, const char *function, uint32_t line,
		  ds_result result, int sys_errno, uint64_t request, const char *format, ...)
	__attribute__((format(printf, 11, 12)));

/* ds_log(service, level, subsystem, operation, result, errno, request, format, ...) */
#define ds_log(sv, level, subsystem, operation, result, sys_errno, request, ...)          \
	do {                                                                              \
		if ((sv)->log_callback && (level) <= (sv)->log_level)                     \
			ds_log_write(sv, level, subsystem, operation, __FILE__, __func__, \
				     __LINE__, result, sys_errno, request, __VA_ARGS__);  \
	} while (0)

#endif /* DS_CORE_SERVICE_H */
