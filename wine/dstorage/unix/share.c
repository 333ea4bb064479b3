/* SPDX-License-Identifier: MIT */
/*
 * share.c: backends on the Vulkan devices of the program, by the layer of ds_vulkan_layer.h.
 *
 * The Windows half knows a device by a handle of Wine's, the layer by the host's. A call that the
 * Windows half makes on its own handle, through Wine, arrives in the layer on the same thread.
 */
#include "unix.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ds_vulkan_layer.h"

struct unix_share {
	const struct ds_vulkan_layer *layer;
	struct ds_vulkan_use *use;
	struct ds_backend *be;
	/* The program destroys its device, and waits for us. It has no queue on it any more, or is wrong. */
	atomic_bool is_ending;
};

static const struct ds_vulkan_layer *find_layer(void)
{
	/* The reference is kept: code of the layer's runs as long as there is a backend. */
	void *lib = dlopen(DS_VULKAN_LAYER_LIBRARY, RTLD_NOW | RTLD_NOLOAD);
	void *symbol = lib ? dlsym(lib, DS_VULKAN_LAYER_ENTRY) : NULL;
	ds_vulkan_layer_get_fn get;

	if (!symbol)
		return NULL;
	/* ISO C has no conversion from data to code pointers. */
	memcpy(&get, &symbol, sizeof(get));
	return get(DS_VULKAN_LAYER_VERSION);
}

int32_t unix_share_watch(void *args)
{
	const struct ds_vulkan_layer *layer = find_layer();

	(void)args;
	if (!layer)
		return DS_ERR_UNAVAILABLE;
	layer->watch_thread();
	return DS_OK;
}

static void on_destroy(void *arg)
{
	struct unix_share *s = arg;

	/* What is under way ends by itself; nothing begins any more. */
	atomic_store_explicit(&s->is_ending, true, memory_order_release);
}

static ds_result make_backend(struct unix_share *s, const struct dsw_share_open *a,
			      struct ds_vulkan_config *vulkan)
{
	struct ds_backend_config cfg = DS_BACKEND_CONFIG_INIT;

	cfg.staging_nbytes = a->staging_nbytes;
	cfg.decode_workers = a->decode_workers;
	cfg.direct = a->buffered ? DS_DIRECT_OFF : DS_DIRECT_AUTO;
	/* Several have to fit at a time. */
	if (cfg.staging_nbytes && cfg.staging_nbytes < UINT64_C(8) << 20)
		cfg.chunk_nbytes = UINT64_C(1) << 20;
	return ds_make_vulkan_backend(&cfg, vulkan, &s->be);
}

static ds_result open_share(struct unix_share *s, const struct dsw_share_open *a)
{
	struct ds_vulkan_config vulkan = DS_VULKAN_CONFIG_INIT;
	struct ds_vulkan_user user = DS_VULKAN_USER_INIT;
	VkDevice device;
	ds_result ret;

	s->layer = find_layer();
	if (!s->layer)
		return DS_ERR_UNAVAILABLE;
	device = s->layer->watched_device();
	if (!device) {
		snprintf(unix_pointer(a->why), a->why_nbytes, "the layer has not seen its device");
		return DS_ERR_UNAVAILABLE;
	}
	user.on_destroy = on_destroy;
	user.user_data = s;
	user.why = unix_pointer(a->why);
	user.why_nbytes = a->why_nbytes;
	ret = s->layer->use(device, &user, &vulkan, &s->use);
	if (ret)
		return ret;
	vulkan.decode = (int32_t)a->decode;
	vulkan.why = user.why;
	vulkan.why_nbytes = user.why_nbytes;
	ret = make_backend(s, a, &vulkan);
	if (ret)
		s->layer->unuse(s->use);
	return ret;
}

int32_t unix_share_open(void *args)
{
	struct dsw_share_open *a = args;
	struct ds_vulkan_device_info info = DS_VULKAN_DEVICE_INFO_INIT;
	struct unix_share *s = calloc(1, sizeof(*s));
	ds_result ret = s ? open_share(s, a) : DS_ERR_NO_MEMORY;

	if (ret) {
		free(s);
		return ret;
	}
	a->has_own_queue = s->layer->has_own_queue(s->use);
	a->decodes =
		!ds_vulkan_get_device_info(s->be, &info) && info.decode != DS_VULKAN_DECODE_CPU;
	a->share = unix_address(s);
	return DS_OK;
}

int32_t unix_share_close(void *args)
{
	struct dsw_share_close *a = args;
	struct unix_share *s = unix_pointer(a->share);
	struct ds_vulkan_stats stats = DS_VULKAN_STATS_INIT;

	ds_vulkan_get_stats(s->be, &stats);
	a->copied_nbytes = stats.copied_nbytes;
	a->decoded_nbytes = stats.decoded_nbytes;
	unix_files_leave_backend(s->be);
	ds_backend_destroy(s->be);
	s->layer->unuse(s->use);
	free(s);
	return DS_OK;
}

struct ds_backend *unix_share_backend(const struct unix_share *s)
{
	return s->be;
}

int32_t unix_share_check(void *args)
{
	const struct dsw_share_check *a = args;
	const struct unix_share *s = unix_pointer(a->share);
	struct ds_vulkan_buffer_detail detail = DS_VULKAN_BUFFER_DETAIL_INIT;
	ds_result ret = s->layer->get_buffer(s->use, (VkBuffer)unix_pointer(a->buffer), &detail);

	if (ret)
		return ret;
	/* VK_BUFFER_USAGE_TRANSFER_DST_BIT */
	if (!(detail.usage & 2u))
		return DS_ERR_UNSUPPORTED;
	return a->offset > detail.nbytes || a->nbytes > detail.nbytes - a->offset
		       ? DS_ERR_DESTINATION_TOO_SMALL
		       : DS_OK;
}

ds_result unix_share_destination(const struct unix_share *s, const struct dsw_request *in,
				 struct ds_location *out, struct ds_vulkan_buffer_detail *detail)
{
	if (!s)
		return DS_ERR_INVALID_ARGUMENT;
	if (atomic_load_explicit(&s->is_ending, memory_order_acquire))
		return DS_ERR_DEVICE_LOST;
	*detail = (struct ds_vulkan_buffer_detail)DS_VULKAN_BUFFER_DETAIL_INIT;
	out->kind = DS_LOCATION_VULKAN_BUFFER;
	out->object = in->buffer;
	out->offset = in->destination;
	out->detail = detail;
	return s->layer->get_buffer(s->use, (VkBuffer)unix_pointer(in->buffer), detail);
}
