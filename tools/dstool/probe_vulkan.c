/* SPDX-License-Identifier: MIT */
/*
 * probe_vulkan.c: which Vulkan devices there are, what they have, and what a backend on the best of
 * them works with.
 */
#include <stdint.h>
#include <stdio.h>

#include "ds_runtime_vulkan.h"
#include "probe.h"
#include "tool.h"

#define MAX_DEVICES 16

static const char *type_name(uint32_t type)
{
	static const char *const names[] = { "other", "integrated GPU", "discrete GPU",
					     "virtual GPU", "CPU" };

	return type < 5 ? names[type] : names[0];
}

static void add_heaps(struct probe *p, const struct ds_vulkan_device_info *d)
{
	char text[TOOL_BYTES_ROOM];

	for (uint32_t i = 0; i < d->nr_heaps; i++)
		probe_add(p, "heaps", "%s%s",
			  tool_format_bytes(d->heaps[i].nbytes, text, sizeof(text)),
			  d->heaps[i].flags & 1 ? " (the device's)" : "");
}

static void add_device(struct probe *p, const struct ds_vulkan_device_info *d)
{
	probe_add(p, "devices", "%.70s (%s, Vulkan %u.%u, %.40s)%s%.30s", d->name,
		  type_name(d->type), d->api_version >> 22 & 0x7f, d->api_version >> 12 & 0x3ff,
		  d->driver, d->is_usable ? "" : ": ", d->reason);
}

static void add_details(struct probe *p, const struct ds_vulkan_device_info *d)
{
	char mapped[TOOL_BYTES_ROOM], all[TOOL_BYTES_ROOM];

	add_heaps(p, d);
	probe_add(p, "mapped", "%s of %s can be mapped by the CPU%s",
		  tool_format_bytes(d->mapped_nbytes, mapped, sizeof(mapped)),
		  tool_format_bytes(d->device_nbytes, all, sizeof(all)),
		  d->is_unified ? "; memory is shared with it" : "");
	probe_add(p, "subgroups", "%u to %u", d->subgroup_min, d->subgroup_max);
}

static const char *family(uint32_t index, char *text, size_t nbytes)
{
	if (index == DS_VULKAN_NO_FAMILY)
		return "none";
	snprintf(text, nbytes, "%u", index);
	return text;
}

/* What a backend would do by itself. */
static void add_backend(struct probe *p, const struct ds_vulkan_device_info *best)
{
	struct ds_vulkan_config cfg = DS_VULKAN_CONFIG_INIT;
	struct ds_vulkan_device_info d = DS_VULKAN_DEVICE_INFO_INIT;
	struct ds_backend *be;
	char why[PROBE_TEXT_NBYTES] = "";
	char text[TOOL_BYTES_ROOM], f[16];

	cfg.device_uuid = best->uuid;
	cfg.why = why;
	cfg.why_nbytes = sizeof(why);
	if (ds_make_vulkan_backend(NULL, &cfg, &be) != DS_OK) {
		probe_add(p, "backend", "cannot be made: %.120s", why);
		return;
	}
	ds_vulkan_get_device_info(be, &d);
	probe_add(p, "compute_queues", "%u of family %u", d.nr_compute_queues, d.compute_family);
	probe_add(p, "transfer_queues", "%u of family %s", d.nr_transfer_queues,
		  family(d.transfer_family, f, sizeof(f)));
	probe_add(p, "staging",
		  d.staging == DS_VULKAN_STAGING_IMPORTED ? "pages of the process, imported"
							  : "memory of the driver's, mapped");
	if (d.mapped_max_nbytes == UINT64_MAX)
		probe_add(p, "path", "mapped memory, written by the CPU");
	else
		probe_add(p, "path", "staged; mapped memory up to %s",
			  tool_format_bytes(d.mapped_max_nbytes, text, sizeof(text)));
	probe_add(p, "direct_reads", "O_DIRECT %s into mapped device memory",
		  d.takes_direct ? "works" : "does not work");
	probe_add(p, "gdeflate",
		  d.decode == DS_VULKAN_DECODE_CPU ? "by the CPU"
		  : d.decode_is_native		   ? "by CPU or GPU, subgroups of 32"
						   : "by CPU or GPU, emulated");
	ds_backend_destroy(be);
}

void probe_vulkan(struct probe *p)
{
	struct ds_vulkan_device_info devices[MAX_DEVICES];
	uint32_t nr = 0;
	char why[PROBE_REASON_NBYTES] = "";

	devices[0].size = sizeof(devices[0]);
	if (ds_vulkan_enumerate_devices(devices, MAX_DEVICES, &nr, why, sizeof(why)) != DS_OK) {
		probe_missing(p, "%s", why);
		return;
	}
	p->is_present = true;
	for (uint32_t i = 0; i < nr && i < MAX_DEVICES; i++)
		add_device(p, &devices[i]);
	/* The rest is about the first one, which a backend would take. */
	if (devices[0].is_usable) {
		add_details(p, &devices[0]);
		add_backend(p, &devices[0]);
	}
}
