/* SPDX-License-Identifier: MIT */
/*
 * cmd_doctor.c: "dstool doctor": what stands between files and the memory of a CUDA device, and
 * what to do about each. docs/gds.md says more.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ds_runtime_gds.h"
#include "ds_runtime_uring.h"
#include "json.h"
#include "options.h"
#include "probe.h"
#include "tool.h"

#define TEXT_NBYTES  400
#define MAX_FINDINGS 32

enum verdict {
	GOOD,
	SLOWER,	 /* works, and could be faster */
	MISSING, /* does not work */
};

struct finding {
	enum verdict verdict;
	const char *subject;
	char what[TEXT_NBYTES];
	char advice[TEXT_NBYTES]; /* "": nothing to do */
};

struct doctor {
	bool json;
	uint64_t device;
	int nr_paths;
	char **paths;
	struct ds_gds_info info;
	struct finding findings[MAX_FINDINGS];
	size_t nr;
};

__attribute__((format(printf, 5, 6))) static void add(struct doctor *d, enum verdict verdict,
						      const char *subject, const char *advice,
						      const char *format, ...)
{
	struct finding *f;
	va_list args;

	if (d->nr == MAX_FINDINGS)
		return;
	f = &d->findings[d->nr++];
	f->verdict = verdict;
	f->subject = subject;
	snprintf(f->advice, sizeof(f->advice), "%s", advice);
	va_start(args, format);
	vsnprintf(f->what, sizeof(f->what), format, args);
	va_end(args);
}

/* --------------------------------------------------------------------- CUDA */

static const char *cuda_advice(uint32_t state)
{
	switch (state) {
	case DS_GDS_STATE_NO_LIBRARY:
		return "install NVIDIA's driver; in a container, start it with the GPU (--gpus "
		       "all)";
	case DS_GDS_STATE_BAD_LIBRARY:
		return "take CUDA's folder 'stubs' out of LD_LIBRARY_PATH, or update the driver";
	case DS_GDS_STATE_NO_DRIVER:
		return "load the kernel module (modprobe nvidia); after an update of the driver, "
		       "reboot or reload it";
	case DS_GDS_STATE_NO_DEVICE:
		return "look at nvidia-smi, and at CUDA_VISIBLE_DEVICES";
	default:
		return "the kernel's log (dmesg) may say more";
	}
}

static void look_at_cuda(struct doctor *d)
{
	const struct ds_gds_info *i = &d->info;

	if (i->cuda_state != DS_GDS_STATE_READY) {
		add(d, MISSING, "CUDA", cuda_advice(i->cuda_state), "%s", i->why_no_cuda);
		return;
	}
	add(d, GOOD, "CUDA", "",
	    "device %d: %s at %s, %.0f GB, compute capability %u.%u; driver of CUDA %d.%d",
	    i->device, i->device_name, i->pci_bus_id, (double)i->device_nbytes * 1e-9,
	    i->compute_capability / 10, i->compute_capability % 10, i->cuda_version / 1000,
	    i->cuda_version % 1000 / 10);
	if (i->has_decoder)
		add(d, GOOD, "decoder", "", "GDeflate is decoded on the device");
	else
		add(d, SLOWER, "decoder",
		    "build where nvcc is in the path, or in CUDA_HOME; -DDS_WITH_CUDA_KERNELS=ON "
		    "tells what is missing",
		    "this build has no kernels: the CPU decodes GDeflate");
}

/* -------------------------------------------------------------- direct path */

static const char *cufile_advice(uint32_t state)
{
	switch (state) {
	case DS_GDS_STATE_NO_LIBRARY:
		return "install libcufile (package libcufile-13-0 or the like), or name its path "
		       "in the configuration";
	case DS_GDS_STATE_OLD_LIBRARY:
		return "update to CUDA 12.9 or later";
	case DS_GDS_STATE_COMPATIBILITY:
		return "load nvidia-fs (package nvidia-gds, modprobe nvidia-fs); or, with kernel "
		       "6.2 "
		       "and open modules of driver 565 or later, P2PDMA: see docs/gds.md";
	case DS_GDS_STATE_NO_CUDA:
		return "first CUDA has to work";
	default:
		return "run NVIDIA's gdscheck -p, and look into docs/gds.md";
	}
}

static void look_at_iommu(struct doctor *d)
{
	char line[512];

	probe_read_line("/proc/cmdline", line, sizeof(line));
	if (access("/sys/class/iommu/dmar0", F_OK) == 0 && !strstr(line, "iommu=pt") &&
	    !strstr(line, "iommu=off"))
		add(d, SLOWER, "IOMMU", "boot with iommu=pt or iommu=off",
		    "it translates addresses of DMA: the direct path needs it off or passed "
		    "through");
}

static void look_at_direct_path(struct doctor *d)
{
	const struct ds_gds_info *i = &d->info;
	bool has_nvfs = access("/proc/driver/nvidia-fs/version", F_OK) == 0;
	char line[256];

	if (i->cufile_version)
		add(d, GOOD, "libcufile", "", "version %d.%d", i->cufile_version / 1000,
		    i->cufile_version % 1000 / 10);
	if (i->cufile_state == DS_GDS_STATE_READY)
		add(d, GOOD, "direct path", "", "cuFile reaches storage directly");
	else
		add(d, SLOWER, "direct path", cufile_advice(i->cufile_state),
		    "%s; everything is staged, which on most machines is as fast",
		    i->why_no_cufile);
	probe_read_line("/proc/driver/nvidia-fs/version", line, sizeof(line));
	if (has_nvfs)
		add(d, GOOD, "nvidia-fs", "", "%.200s", line);
	look_at_iommu(d);
	if (access("/run/udev", R_OK) != 0)
		add(d, SLOWER, "udev", "in a container, mount /run/udev (read-only)",
		    "/run/udev cannot be read: cuFile cannot see how devices are connected");
}

/* -------------------------------------------------------------- staged path */

static void look_at_staging(struct doctor *d)
{
	struct rlimit limit;
	struct utsname u;
	char line[128], why[256] = "";

	if (uname(&u) == 0)
		add(d, GOOD, "kernel", "", "%s %s", u.sysname, u.release);
	if (ds_io_uring_available(why, sizeof(why)) == DS_OK)
		add(d, GOOD, "io_uring", "", "is used for the staged path");
	else
		add(d, SLOWER, "io_uring",
		    "kernel 5.11 or later, and sysctl kernel.io_uring_disabled=0",
		    "%s; pread is used instead", why);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < (256u << 20))
		add(d, SLOWER, "memlock", "ulimit -l unlimited, or limits.conf",
		    "RLIMIT_MEMLOCK is %" PRIu64 " KiB: with some drivers memory cannot be pinned",
		    (uint64_t)limit.rlim_cur >> 10);
	probe_read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof(line));
	if (strstr(line, "[never]"))
		add(d, SLOWER, "huge pages",
		    "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled",
		    "transparent huge pages are off: memory takes longer to pin");
	if (d->info.numa_node >= 0 && access("/sys/devices/system/node/node1", F_OK) == 0)
		add(d, GOOD, "NUMA", "",
		    "the device is at node %d; pinned memory is asked for there",
		    d->info.numa_node);
}

/* -------------------------------------------------------------------- files */

static const char *path_text(uint32_t path)
{
	switch (path) {
	case DS_GDS_PATH_GDS:
		return "storage to device";
	case DS_GDS_PATH_DIRECT:
		return "O_DIRECT, pinned memory, copy engine";
	case DS_GDS_PATH_BUFFERED:
		return "page cache, pinned memory, copy engine";
	default:
		return "host memory only";
	}
}

static void look_at_file(struct doctor *d, struct ds_gds *g, const char *path)
{
	struct ds_gds_file_info info = DS_GDS_FILE_INFO_INIT;
	struct ds_gds_file *f = NULL;
	ds_result ret = ds_gds_file_open(g, path, &f);

	if (ret == DS_OK)
		ret = ds_gds_file_get_info(f, &info);
	ds_gds_file_close(f);
	if (ret != DS_OK) {
		add(d, MISSING, "file", "", "%.200s: %s", path, ds_result_message(ret));
		return;
	}
	add(d, info.alignment ? GOOD : SLOWER, "file",
	    info.alignment ? "" : "a file system with direct I/O, such as ext4 or XFS",
	    "%.120s: on %s, %" PRIu64
	    " bytes, %.0f%% in the page cache; direct I/O: %s; would go: %s",
	    path, info.file_system, info.nbytes,
	    info.nbytes ? 100.0 * (double)info.cached_nbytes / (double)info.nbytes : 0,
	    info.alignment ? "yes" : "no", path_text(info.path));
}

/* What the staged path works with. */
static void look_at_sizes(struct doctor *d, struct ds_gds *g)
{
	struct ds_gds_info info = DS_GDS_INFO_INIT;

	if (ds_gds_backend_info(ds_gds_backend(g), &info) != DS_OK)
		return;
	add(d, GOOD, "sizes", "",
	    "chunk %.3g MiB (%s); %.0f MiB pinned, %" PRIu32 " threads that read",
	    (double)info.chunk_nbytes / (1 << 20), info.why_chunk,
	    (double)info.staging_nbytes / (1 << 20), info.io_workers);
}

static void look_at_files(struct doctor *d, const struct ds_gds_config *gds)
{
	struct ds_gds_manager_config cfg = DS_GDS_MANAGER_CONFIG_INIT;
	struct ds_gds *g;

	if (!d->nr_paths)
		return;
	cfg.gds = gds;
	if (ds_gds_create(&cfg, &g) != DS_OK)
		return;
	look_at_sizes(d, g);
	for (int i = 0; i < d->nr_paths; i++)
		look_at_file(d, g, d->paths[i]);
	ds_gds_destroy(g);
}

/* ---------------------------------------------------------------- reporting */

static const char *const verdict_names[] = { "good", "slower", "missing" };

static void print_text(const struct doctor *d)
{
	static const char *const marks[] = { "ok   ", "could be faster", "not there" };

	for (size_t i = 0; i < d->nr; i++) {
		const struct finding *f = &d->findings[i];

		printf("%-12s %-16s %s\n", f->subject, marks[f->verdict], f->what);
		if (*f->advice)
			printf("%-12s %-16s to do: %s\n", "", "", f->advice);
	}
}

static void print_json(const struct doctor *d)
{
	struct json j = { .to = stdout };

	json_begin_array(&j, NULL);
	for (size_t i = 0; i < d->nr; i++) {
		const struct finding *f = &d->findings[i];

		json_begin_object(&j, NULL);
		json_string(&j, "subject", f->subject);
		json_string(&j, "verdict", verdict_names[f->verdict]);
		json_string(&j, "what", f->what);
		json_string(&j, "to_do", *f->advice ? f->advice : NULL);
		json_end_object(&j);
	}
	json_end_array(&j);
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = { .info = DS_GDS_INFO_INIT };
	struct ds_gds_config gds = DS_GDS_CONFIG_INIT;
	bool asks = false;
	const struct option_spec options[] = {
		{ .name = "device",
		  .kind = OPTION_NUMBER,
		  .argument = "N",
		  .help = "the CUDA device; 0",
		  .value = &d.device,
		  .max = 255 },
		{ .name = "ask-cufile",
		  .kind = OPTION_FLAG,
		  .help = "have cuFile look for its direct path even where nothing hints at one;\n"
			  "takes seconds",
		  .value = &asks },
		{ .name = "json",
		  .kind = OPTION_FLAG,
		  .help = "print JSON: a list of findings",
		  .value = &d.json },
	};
	const struct command_spec spec = {
		.name = "doctor",
		.operands = "[FILE]...",
		.max_operands = -1,
		.about = "Tells what is between files and the memory of a CUDA device: driver, "
			 "cuFile,\n"
			 "nvidia-fs, io_uring, limits; for each FILE, which way its bytes would "
			 "go. And what\n"
			 "to do about what is missing.",
		.options = options,
		.nr_options = sizeof(options) / sizeof(options[0]),
	};
	int exit_code;

	if (!options_parse(&spec, argc, argv, &d.nr_paths, &exit_code))
		return exit_code;
	d.paths = argv;
	gds.device = (int32_t)d.device;
	gds.cuda_library = getenv("DSTOOL_LIBCUDA");
	gds.cufile_library = getenv("DSTOOL_LIBCUFILE");
	gds.cufile = asks ? DS_GDS_REQUIRED : DS_GDS_AUTO;
	ds_gds_get_info(&gds, &d.info);
	gds.cufile = DS_GDS_AUTO;
	look_at_cuda(&d);
	look_at_direct_path(&d);
	look_at_staging(&d);
	look_at_files(&d, &gds);
	if (d.json)
		print_json(&d);
	else
		print_text(&d);
	return TOOL_OK;
}
