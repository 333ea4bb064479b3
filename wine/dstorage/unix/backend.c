/* SPDX-License-Identifier: MIT */
/* backend.c: the one backend of the process, made when the first queue needs it. */
#include "unix.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "ds_runtime_uring.h"

/* Changed only while there is no queue, which the PE half sees to; read by who has one. */
static _Atomic(struct ds_backend *) backend;

struct ds_backend *unix_backend(void)
{
	return atomic_load_explicit(&backend, memory_order_acquire);
}

static ds_result make(const struct ds_backend_config *cfg, struct dsw_backend_create *a,
		      struct ds_backend **out)
{
	ds_result ret = DS_ERR_UNAVAILABLE;

	a->used_engine = DSW_ENGINE_URING;
	if (a->engine != DSW_ENGINE_CPU)
		ret = ds_make_io_uring_backend(cfg, NULL, out);
	/* Sandboxes forbid io_uring, and some kernels lack it. */
	if (ret && a->engine != DSW_ENGINE_URING) {
		a->used_engine = DSW_ENGINE_CPU;
		ret = ds_make_cpu_backend(cfg, out);
	}
	return ret;
}

int32_t unix_backend_create(void *args)
{
	struct dsw_backend_create *a = args;
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;
	struct ds_backend *be;
	ds_result ret;

	cfg.staging_nbytes = a->staging_nbytes;
	cfg.decode_workers = a->decode_workers;
	cfg.direct = a->buffered ? DS_DIRECT_OFF : DS_DIRECT_AUTO;
	ret = make(&cfg, a, &be);
	if (ret)
		return ret;
	atomic_store_explicit(&backend, be, memory_order_release);
	return DS_OK;
}

int32_t unix_backend_destroy(void *args)
{
	struct ds_backend *be = atomic_exchange_explicit(&backend, NULL, memory_order_acq_rel);

	(void)args;
	unix_files_leave_backend(be);
	ds_backend_destroy(be);
	return DS_OK;
}
