/* SPDX-License-Identifier: MIT */
/*
 * gds.c: the GPUDirect Storage backend: a CUDA device, with cuFile where it reaches storage
 * directly, and io_uring or pread for everything else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/codecs.h"
#include "base/checksum.h"
#include "base/thread.h"
#include "base/util.h"
#include "core/backend.h"
#include "core/backend_priv.h"
#include "base/copy_struct.h"
#include "device/cuda/cuda.h"
#include "ds_runtime_gds.h"
#include "io/cufile.h"
#include "io/pread_pool.h"
#if DS_HAVE_URING
#include "io/uring.h"
#endif

/* Enough in flight that neither the copy engine nor the readers wait for the other. */
#define STAGING_NBYTES	    (128u << 20)
#define CHUNK_NBYTES	    (4u << 20)
/* A core copies 8 to 12 GB/s, and the bus takes 55. */
#define MIN_WORKERS	    8u
/* A piece for each worker that reads into it, and some on their way. More workers than this fill no bus. */
#define COPIES_ON_THEIR_WAY 4u
#define ENOUGH_WORKERS	    16u
#define LEAST_CHUNK_NBYTES  (1u << 20)

#define CONFIG_SIZE_0 sizeof(struct ds_gds_config)
#define INFO_SIZE_0   sizeof(struct ds_gds_info)

/* ------------------------------------------------------------ configuration */

static bool is_choice(int32_t value)
{
	return value >= DS_GDS_AUTO && value <= DS_GDS_REQUIRED;
}

static ds_result read_config(struct ds_gds_config *gds, const struct ds_gds_config *user)
{
	ds_result ret = ds_copy_config(gds, sizeof(*gds), user, CONFIG_SIZE_0);

	if (ret)
		return ret;
	if (gds->flags || gds->measure < DS_GDS_AUTO || gds->measure > DS_GDS_NEVER ||
	    gds->device < 0 || gds->cufile_threads > 64 || !is_choice(gds->cufile) ||
	    !is_choice(gds->gpu_decode) || !is_choice(gds->io_uring))
		return DS_ERR_INVALID_ARGUMENT;
	return DS_OK;
}

static struct ds_cuda_settings cuda_settings(const struct ds_gds_config *gds)
{
	static const enum ds_cuda_decode decode[] = {
		[DS_GDS_AUTO] = DS_CUDA_DECODE_AUTO,
		[DS_GDS_NEVER] = DS_CUDA_DECODE_NEVER,
		[DS_GDS_REQUIRED] = DS_CUDA_DECODE_ALWAYS,
	};

	return (struct ds_cuda_settings){
		.library = gds->cuda_library,
		.device = gds->device,
		.decode = decode[gds->gpu_decode],
		.image = ds_cuda_image,
		.kind = DS_LOCATION_CUDA,
	};
}

static uint64_t most_chunk_nbytes(const struct ds_backend_config *cfg)
{
	/* More is not read ahead of the copies anyway; and nobody has checked it yet. */
	uint64_t staging = cfg->staging_nbytes ? ds_min_u64(cfg->staging_nbytes, STAGING_NBYTES)
					       : STAGING_NBYTES;
	uint64_t nr = ds_min_u64(cfg->io_workers, ENOUGH_WORKERS) + COPIES_ON_THEIR_WAY;
	uint64_t nbytes = LEAST_CHUNK_NBYTES;

	while (nr * 2 * nbytes <= staging)
		nbytes *= 2;
	return nbytes;
}

/* With the number of workers decided. */
static struct ds_cuda_chunk_settings chunk_settings(const struct ds_backend_config *cfg,
						    const struct ds_gds_config *gds)
{
	return (struct ds_cuda_chunk_settings){
		.given_nbytes = cfg->chunk_nbytes,
		.usual_nbytes = CHUNK_NBYTES,
		.most_nbytes = most_chunk_nbytes(cfg),
		.is_measured = gds->measure != DS_GDS_NEVER,
	};
}

/* ------------------------------------------------------------------ engines */

#if DS_HAVE_URING
/*
 * The memory is pinned for the device already; to pin it for each ring as well takes longer than it
 * saves with operations of this size.
 */
static int make_uring(const struct ds_io_config *cfg, struct ds_io_engine **out)
{
	const struct ds_uring_settings set = { .fixed_buffers = DS_URING_OFF };

	return ds_uring_create(&set, cfg, out);
}
#else
static int make_uring(const struct ds_io_config *cfg, struct ds_io_engine **out)
{
	(void)out;
	snprintf(cfg->why, cfg->why_nbytes, "the library was built without liburing");
	return -ENOSYS;
}
#endif

static int make_staged_engine(const void *arg, const struct ds_io_config *cfg,
			      struct ds_io_engine **out)
{
	const struct ds_gds_config *gds = arg;
	int err = -ENOSYS;

	if (gds->io_uring != DS_GDS_NEVER)
		err = make_uring(cfg, out);
	if (err && gds->io_uring != DS_GDS_REQUIRED)
		err = ds_pread_pool_create(NULL, cfg, out);
	return err;
}

/* -------------------------------------------------------------------- cuFile */

#define OFF_TEXT "cuFile is switched off by the configuration"

static uint32_t cufile_state(enum ds_cufile_state state)
{
	switch (state) {
	case DS_CUFILE_READY:
		return DS_GDS_STATE_READY;
	case DS_CUFILE_NO_LIBRARY:
		return DS_GDS_STATE_NO_LIBRARY;
	case DS_CUFILE_BAD_LIBRARY:
		return DS_GDS_STATE_BAD_LIBRARY;
	case DS_CUFILE_OLD_LIBRARY:
		return DS_GDS_STATE_OLD_LIBRARY;
	case DS_CUFILE_COMPATIBILITY:
		return DS_GDS_STATE_COMPATIBILITY;
	default:
		return DS_GDS_STATE_FAILED;
	}
}

static struct ds_cuda_peer to_peer(const struct ds_cufile_info *info)
{
	struct ds_cuda_peer peer = {
		.is_ready = info->state == DS_CUFILE_READY,
		.state = cufile_state(info->state),
		.code = info->code,
		.version = info->version,
		.nvfs_version = info->nvfs_version,
	};

	memcpy(peer.why, info->why, sizeof(peer.why));
	return peer;
}

/* Needs the CUDA driver to have been initialised. */
static void look_for_cufile(const struct ds_gds_config *gds, struct ds_cufile_info *info)
{
	ds_cufile_look(gds->cufile_library, gds->cufile == DS_GDS_REQUIRED, info);
}

static int copy_in(void *device, uint64_t to, const void *from, size_t nbytes)
{
	return ds_cuda_write(device, to, from, nbytes) ? -EIO : 0;
}

static int enter_thread(void *device)
{
	return ds_cuda_enter_thread(device);
}

static void note(void *device, const char *message)
{
	ds_cuda_note(device, message);
}

/* ------------------------------------------------------------------ backend */

/* What a backend's engine is made from, and what it found; parts->engine_arg. */
struct engines {
	const struct ds_gds_config *gds;
	struct ds_device *device;
	bool has_cufile;
	bool *is_given; /* cuFile's opened driver, to the engine */
};

static int make_engine(const void *arg, const struct ds_io_config *cfg, struct ds_io_engine **out)
{
	const struct engines *en = arg;
	const struct ds_cufile_settings set = {
		.nr_threads = en->gds->cufile_threads,
		.inner_create = make_staged_engine,
		.inner_arg = en->gds,
		.enter_thread = enter_thread,
		.copy_in = copy_in,
		.note = note,
		.device = en->device,
	};

	if (!en->has_cufile)
		return make_staged_engine(en->gds, cfg, out);
	*en->is_given = true;
	return ds_cufile_create(&set, cfg, out);
}

/* A direct path that somebody wants, and that is there. */
static ds_result open_cufile(const struct ds_gds_config *gds, struct ds_device *device,
			     struct engines *en)
{
	struct ds_cufile_info info;
	struct ds_cuda_peer peer = { .state = DS_GDS_STATE_OFF, .why = OFF_TEXT };

	ds_cuda_set_peer(device, &peer);
	if (gds->cufile == DS_GDS_NEVER)
		return DS_OK;
	/* cuFile wants the context that it will read for. */
	if (gds->cufile == DS_GDS_REQUIRED && ds_cuda_enter_thread(device))
		return DS_ERR_UNAVAILABLE;
	look_for_cufile(gds, &info);
	peer = to_peer(&info);
	ds_cuda_set_peer(device, &peer);
	en->has_cufile = info.state == DS_CUFILE_READY;
	return en->has_cufile || gds->cufile != DS_GDS_REQUIRED ? DS_OK : DS_ERR_UNAVAILABLE;
}

ds_result ds_make_gds_backend(const struct ds_backend_config *user_cfg,
			      const struct ds_gds_config *user, struct ds_backend **out)
{
	struct ds_backend_config cfg;
	struct ds_gds_config gds;
	struct ds_cuda_settings set;
	struct ds_cuda_info info;
	bool is_given = false;
	struct engines en = { .gds = &gds, .is_given = &is_given };
	struct ds_backend_parts parts = {
		.name = "gds",
		.engine_create = make_engine,
		.engine_arg = &en,
		.codecs = ds_codecs,
		.default_staging_nbytes = STAGING_NBYTES,
		.default_chunk_nbytes = CHUNK_NBYTES,
	};
	ds_result ret = read_config(&gds, user);

	if (!ret)
		ret = ds_copy_config(&cfg, sizeof(cfg), user_cfg, DS_BACKEND_CONFIG_SIZE_0);
	if (ret)
		return ret;
	if (gds.gpu_decode == DS_GDS_REQUIRED && !ds_cuda_image)
		return DS_ERR_UNAVAILABLE;
	if (!cfg.io_workers)
		cfg.io_workers = (unsigned)ds_max_u64(ds_cpu_count(), MIN_WORKERS);
	set = cuda_settings(&gds);
	set.chunk = chunk_settings(&cfg, &gds);
	ret = ds_cuda_create(&set, &info, &parts.device);
	if (ret)
		return ret;
	en.device = parts.device;
	ret = open_cufile(&gds, parts.device, &en);
	if (ret) {
		parts.device->ops->destroy(parts.device);
		return ret;
	}
	ret = ds_backend_create(&cfg, &parts, out);
	/* The engine, which would have closed it, was not made. */
	if (ret && en.has_cufile && !is_given)
		ds_cufile_close();
	return ret;
}

/* -------------------------------------------------------------- information */

static uint32_t cuda_state(enum ds_cuda_state state)
{
	switch (state) {
	case DS_CUDA_READY:
		return DS_GDS_STATE_READY;
	case DS_CUDA_NO_LIBRARY:
		return DS_GDS_STATE_NO_LIBRARY;
	case DS_CUDA_BAD_LIBRARY:
		return DS_GDS_STATE_BAD_LIBRARY;
	case DS_CUDA_NO_DRIVER:
		return DS_GDS_STATE_NO_DRIVER;
	case DS_CUDA_NO_DEVICE:
		return DS_GDS_STATE_NO_DEVICE;
	default:
		return DS_GDS_STATE_FAILED;
	}
}

static void fill_cufile_info(struct ds_gds_info *info, const struct ds_cuda_peer *peer)
{
	info->cufile_state = peer->state;
	info->cufile_code = peer->code;
	info->cufile_version = peer->version;
	info->nvidia_fs_version = peer->nvfs_version;
	memcpy(info->why_no_cufile, peer->why, sizeof(info->why_no_cufile));
}

static void fill_cuda_info(struct ds_gds_info *info, const struct ds_cuda_info *cuda,
			   int32_t device)
{
	info->cuda_state = cuda_state(cuda->state);
	info->cuda_code = cuda->code;
	info->cuda_version = cuda->version;
	info->nr_devices = (uint32_t)cuda->nr_devices;
	info->device = device;
	info->compute_capability = (uint32_t)cuda->compute_capability;
	info->numa_node = cuda->numa_node;
	info->device_nbytes = cuda->nbytes;
	info->has_decoder = ds_cuda_image && cuda->compute_capability >= 75;
	memcpy(info->device_name, cuda->name, sizeof(info->device_name));
	memcpy(info->pci_bus_id, cuda->bus_id, sizeof(info->pci_bus_id));
	memcpy(info->why_no_cuda, cuda->why, sizeof(info->why_no_cuda));
	if (cuda->state != DS_CUDA_READY) {
		info->cufile_state = DS_GDS_STATE_NO_CUDA;
		snprintf(info->why_no_cufile, sizeof(info->why_no_cufile),
			 "cuFile needs a CUDA device");
	}
}

/* For information alone: with a context if it is to be asked itself. */
static void look_at_cufile(const struct ds_gds_config *gds, const struct cuda_driver *driver,
			   cuda_ordinal ordinal, struct ds_gds_info *info)
{
	struct ds_cuda_peer peer = { .state = DS_GDS_STATE_OFF, .why = OFF_TEXT };
	bool needs_context = gds->cufile == DS_GDS_REQUIRED;
	struct ds_cufile_info cufile;
	cuda_context context;

	if (gds->cufile == DS_GDS_NEVER) {
		fill_cufile_info(info, &peer);
		return;
	}
	if (needs_context && driver->context_retain(&context, ordinal)) {
		peer.state = DS_GDS_STATE_NO_CUDA;
		snprintf(peer.why, sizeof(peer.why), "the device's context cannot be made");
		fill_cufile_info(info, &peer);
		return;
	}
	if (needs_context)
		driver->context_push(context);
	look_for_cufile(gds, &cufile);
	if (cufile.state == DS_CUFILE_READY)
		ds_cufile_close();
	if (needs_context) {
		driver->context_pop(&context);
		driver->context_release(ordinal);
	}
	peer = to_peer(&cufile);
	fill_cufile_info(info, &peer);
}

static ds_result say(char *why, size_t nbytes, const char *text)
{
	if (why && nbytes)
		snprintf(why, nbytes, "%s", text);
	return DS_ERR_UNAVAILABLE;
}

ds_result ds_gds_available(const struct ds_gds_config *user, char *why, size_t nbytes)
{
	struct ds_gds_config gds;
	struct ds_cuda_settings set;
	struct ds_cuda_info info;
	struct cuda_driver driver;
	cuda_ordinal ordinal;
	ds_result ret = read_config(&gds, user);

	if (ret)
		return ret;
	set = cuda_settings(&gds);
	ds_cuda_look(&set, &driver, &ordinal, &info);
	if (info.state != DS_CUDA_READY)
		return say(why, nbytes, info.why);
	if (gds.gpu_decode == DS_GDS_REQUIRED && !ds_cuda_image)
		return say(why, nbytes, "the library was built without nvcc, so without kernels");
	if (gds.cufile == DS_GDS_REQUIRED) {
		struct ds_gds_info all = { .size = sizeof(all) };

		look_at_cufile(&gds, &driver, ordinal, &all);
		if (all.cufile_state != DS_GDS_STATE_READY)
			return say(why, nbytes, all.why_no_cufile);
	}
	return DS_OK;
}

ds_result ds_gds_get_info(const struct ds_gds_config *user, struct ds_gds_info *out)
{
	struct ds_gds_info info = { .size = sizeof(info) };
	struct ds_gds_config gds;
	struct ds_cuda_settings set;
	struct ds_cuda_info cuda;
	struct cuda_driver driver;
	cuda_ordinal ordinal;
	ds_result ret = read_config(&gds, user);

	if (ret)
		return ret;
	set = cuda_settings(&gds);
	ds_cuda_look(&set, &driver, &ordinal, &cuda);
	fill_cuda_info(&info, &cuda, gds.device);
	if (cuda.state == DS_CUDA_READY)
		look_at_cufile(&gds, &driver, ordinal, &info);
	return ds_copy_out(out, &info, sizeof(info), INFO_SIZE_0);
}

/* ------------------------------------------------------------ device memory */

/* The device of a backend that is one of these. */
static struct ds_device *device_of(struct ds_backend *be)
{
	return be && ds_cuda_is(be->pipeline.device) ? be->pipeline.device : NULL;
}

static void fill_sizes(struct ds_gds_info *info, const struct ds_backend *be)
{
	static const uint32_t origins[] = {
		[DS_CUDA_CHUNK_GIVEN] = DS_GDS_CHUNK_GIVEN,
		[DS_CUDA_CHUNK_MEASURED] = DS_GDS_CHUNK_MEASURED,
		[DS_CUDA_CHUNK_USUAL] = DS_GDS_CHUNK_USUAL,
	};
	const struct ds_cuda_chunk *chunk = ds_cuda_chunk(be->pipeline.device);

	info->staging_nbytes = be->pipeline.staging.nbytes;
	info->io_workers = be->pipeline.engine->nr_workers;
	info->chunk_nbytes = chunk->nbytes;
	info->chunk_origin = origins[chunk->origin];
	info->chunk_measured_ns = chunk->measured_ns;
	memcpy(info->why_chunk, chunk->why, sizeof(info->why_chunk));
}

ds_result ds_gds_backend_info(struct ds_backend *be, struct ds_gds_info *out)
{
	struct ds_gds_info info = { .size = sizeof(info) };
	struct ds_device *d = device_of(be);

	if (!d)
		return be ? DS_ERR_UNSUPPORTED : DS_ERR_INVALID_ARGUMENT;
	fill_cuda_info(&info, ds_cuda_info(d), ds_cuda_number(d));
	fill_cufile_info(&info, ds_cuda_peer(d));
	info.has_decoder = ds_cuda_has_decoder(d);
	fill_sizes(&info, be);
	return ds_copy_out(out, &info, sizeof(info), INFO_SIZE_0);
}

ds_result ds_gds_memory_alloc(struct ds_backend *be, uint64_t nbytes, uint64_t *address)
{
	struct ds_device *d = device_of(be);

	if (!be || !nbytes || !address)
		return DS_ERR_INVALID_ARGUMENT;
	return d ? ds_cuda_alloc(d, nbytes, address) : DS_ERR_UNSUPPORTED;
}

ds_result ds_gds_memory_free(struct ds_backend *be, uint64_t address)
{
	struct ds_device *d = device_of(be);

	if (!be)
		return DS_ERR_INVALID_ARGUMENT;
	if (!address)
		return DS_OK;
	return d ? ds_cuda_free(d, address) : DS_ERR_UNSUPPORTED;
}

ds_result ds_gds_memory_read(struct ds_backend *be, void *to, uint64_t from, uint64_t nbytes)
{
	struct ds_device *d = device_of(be);

	if (!be || (nbytes && (!to || !from)))
		return DS_ERR_INVALID_ARGUMENT;
	if (!d)
		return DS_ERR_UNSUPPORTED;
	return nbytes ? ds_cuda_read(d, to, from, nbytes) : DS_OK;
}

ds_result ds_gds_memory_write(struct ds_backend *be, uint64_t to, const void *from, uint64_t nbytes)
{
	struct ds_device *d = device_of(be);

	if (!be || (nbytes && (!to || !from)))
		return DS_ERR_INVALID_ARGUMENT;
	if (!d)
		return DS_ERR_UNSUPPORTED;
	return nbytes ? ds_cuda_write(d, to, from, nbytes) : DS_OK;
}

/* So that the sums of two lengths of zeros differ. */
static uint64_t end_sum(uint64_t sum, uint64_t nbytes)
{
	return sum + ds_checksum_mix(nbytes, UINT64_MAX);
}

ds_result ds_gds_checksum(struct ds_backend *be, uint64_t address, uint64_t nbytes, uint64_t *sum)
{
	struct ds_device *d = device_of(be);
	uint64_t got = 0;
	ds_result ret;

	if (!be || !sum || (nbytes && !address))
		return DS_ERR_INVALID_ARGUMENT;
	if (!d)
		return DS_ERR_UNSUPPORTED;
	ret = ds_cuda_checksum(d, address, nbytes, &got);
	if (!ret)
		*sum = end_sum(got, nbytes);
	return ret;
}

uint64_t ds_gds_checksum_host(const void *data, size_t nbytes)
{
	return end_sum(nbytes ? ds_checksum_part(data, nbytes, 0) : 0, nbytes);
}

ds_result ds_gds_measure_ceiling(struct ds_backend *be, uint64_t *bytes_per_second)
{
	struct ds_device *d = device_of(be);

	if (!be || !bytes_per_second)
		return DS_ERR_INVALID_ARGUMENT;
	return d ? ds_cuda_measure(d, bytes_per_second) : DS_ERR_UNSUPPORTED;
}
