/* SPDX-License-Identifier: MIT */
/*
 * probe_host.c: the kernel, the CPU, the limits of this process, and this build itself.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "backends.h"
#include "ds_runtime.h"
#include "format.h"
#include "probe.h"
#include "tool.h"

void probe_system(struct probe *p)
{
	struct utsname name;

	p->is_present = true;
	if (uname(&name) != 0)
		return;
	probe_add(p, "kernel", "%s %s", name.sysname, name.release);
	probe_add(p, "machine", "%s", name.machine);
}

/* ---------------------------------------------------------------- the CPU */

static void add_model(struct probe *p)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon || strncmp(line, "model name", 10) != 0)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		probe_add(p, "model", "%s", colon + 1 + strspn(colon + 1, " "));
		break;
	}
	fclose(f);
}

#define FEATURE(p, name)                                      \
	do {                                                  \
		if (__builtin_cpu_supports(name))             \
			probe_add(p, "features", "%s", name); \
	} while (0)

#if defined(__x86_64__) || defined(__i386__)
static void add_features(struct probe *p)
{
	__builtin_cpu_init();
	FEATURE(p, "sse4.2");
	FEATURE(p, "bmi2");
	FEATURE(p, "avx2");
	FEATURE(p, "avx512f");
	FEATURE(p, "avx512bw");
	FEATURE(p, "avx512cd");
	FEATURE(p, "avx512dq");
	FEATURE(p, "avx512vl");
	FEATURE(p, "avx512vbmi");
	FEATURE(p, "avx512vbmi2");
}
#elif defined(__aarch64__)
static void add_features(struct probe *p)
{
	unsigned long hwcap = getauxval(AT_HWCAP);

	if (hwcap & HWCAP_ASIMD)
		probe_add(p, "features", "neon");
	if (hwcap & HWCAP_SVE)
		probe_add(p, "features", "sve");
}
#else
static void add_features(struct probe *p)
{
	(void)p;
}
#endif

void probe_cpu(struct probe *p)
{
	p->is_present = true;
	add_model(p);
	probe_add(p, "cores", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	probe_add(p, "cores_allowed", "%u", tool_nr_cpus());
	add_features(p);
}

/* ------------------------------------------------------------- the limits */

static void add_limit(struct probe *p, const char *key, int resource, bool is_bytes)
{
	struct rlimit limit;
	char text[TOOL_BYTES_ROOM];

	if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY)
		probe_add(p, key, "unlimited");
	else if (is_bytes)
		probe_add(p, key, "%llu (%s)", (unsigned long long)limit.rlim_cur,
			  tool_format_bytes(limit.rlim_cur, text, sizeof(text)));
	else
		probe_add(p, key, "%llu", (unsigned long long)limit.rlim_cur);
}

void probe_limits(struct probe *p)
{
	long pages = sysconf(_SC_PHYS_PAGES);
	long page_nbytes = sysconf(_SC_PAGESIZE);
	char text[TOOL_BYTES_ROOM];

	p->is_present = true;
	add_limit(p, "memlock_bytes", RLIMIT_MEMLOCK, true);
	add_limit(p, "open_files", RLIMIT_NOFILE, false);
	probe_add(p, "page_bytes", "%ld", page_nbytes);
	probe_add(p, "memory", "%s",
		  tool_format_bytes((uint64_t)pages * (uint64_t)page_nbytes, text, sizeof(text)));
}

/* --------------------------------------------------------- the build itself */

/* What a backend has, by its own account: it is made for this, and given back. */
static void add_details(struct probe *p, struct ds_backend *be)
{
	struct ds_stats stats = DS_STATS_INIT;
	char text[TOOL_BYTES_ROOM];

	for (size_t i = 0; format_at(i); i++) {
		if (ds_backend_has_codec(be, format_at(i)->codec))
			probe_add(p, "codecs", "%s", format_at(i)->name);
	}
	if (ds_backend_get_stats(be, &stats) != DS_OK)
		return;
	probe_add(p, "io_workers", "%u", stats.io_workers);
	probe_add(p, "decode_workers", "%u", stats.decode_workers);
	probe_add(p, "staging", "%s", tool_format_bytes(stats.staging_nbytes, text, sizeof(text)));
}

/* Which backends can be made here; then what the first of them has, which is the default. */
static void add_backends(struct probe *p)
{
	char why[BACKEND_WHY_NBYTES];
	struct ds_backend *be = NULL;

	for (size_t i = 0; backend_at(i); i++) {
		struct ds_backend *made;

		if (backend_make(backend_at(i)->name, NULL, &made, why, sizeof(why)) != DS_OK) {
			probe_add(p, "backends", "(not %.140s)", why);
			continue;
		}
		probe_add(p, "backends", "%s", ds_backend_name(made));
		if (be)
			ds_backend_destroy(made);
		else
			be = made;
	}
	if (be)
		add_details(p, be);
	ds_backend_destroy(be);
}

void probe_build(struct probe *p)
{
	uint32_t v = ds_version();

	p->is_present = true;
	probe_add(p, "version", "%u.%u.%u", v >> 16, v >> 8 & 0xff, v & 0xff);
	add_backends(p);
	for (size_t i = 0; format_at(i); i++) {
		if (format_at(i)->compress)
			probe_add(p, "dstool_formats", "%s", format_at(i)->name);
	}
}
