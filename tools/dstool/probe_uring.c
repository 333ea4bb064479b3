/* SPDX-License-Identifier: MIT */
/*
 * probe_uring.c: whether the kernel lets this process have an io_uring, by asking for one,
 * and what of it the runtime can use: flags, memory that can be registered, cachestat.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probe.h"
#include "tool.h"

/* By number: kernel headers may be older than the kernel. Bits of io_uring_params.features. */
static const char *const feature_names[] = {
	"single_mmap", "nodrop",      "submit_stable",	 "rw_cur_pos",	 "cur_personality",
	"fast_poll",   "poll_32bits", "sqpoll_nonfixed", "ext_arg",	 "native_workers",
	"rsrc_tags",   "cqe_skip",    "linked_file",	 "reg_reg_ring", "recvsend_bundle",
	"min_timeout", "rw_attr",     "no_iowait",
};
#define NR_FEATURE_NAMES (sizeof(feature_names) / sizeof(feature_names[0]))

#define MAX_OPERATIONS 256

/* Those of io_uring_params.flags that the runtime's rings have, where the kernel takes them. */
#define SUBMIT_ALL    (1u << 7)
#define COOP_TASKRUN  (1u << 8)
#define SINGLE_ISSUER (1u << 12)
#define DEFER_TASKRUN (1u << 13)

static const struct {
	const char *name;
	uint32_t flags;
} ring_flags[] = {
	{ "SINGLE_ISSUER", SINGLE_ISSUER },
	{ "DEFER_TASKRUN", DEFER_TASKRUN | SINGLE_ISSUER }, /* alone it is refused */
	{ "COOP_TASKRUN", COOP_TASKRUN },
	{ "SUBMIT_ALL", SUBMIT_ALL },
};
#define NR_RING_FLAGS (sizeof(ring_flags) / sizeof(ring_flags[0]))

/* Staging memory of a backend, unless configured otherwise. */
#define REGISTERED_NBYTES ((size_t)32 << 20)

#define NR_CACHESTAT 451 /* on every architecture but alpha */

static void explain(struct probe *p, int err)
{
	char setting[16];

	probe_read_line("/proc/sys/kernel/io_uring_disabled", setting, sizeof(setting));
	if (err == ENOSYS)
		probe_missing(p, "the kernel has no io_uring (ENOSYS)");
	else if (err == EPERM && strcmp(setting, "2") == 0)
		probe_missing(p,
			      "switched off for everybody: kernel.io_uring_disabled = 2 (EPERM)");
	else if (err == EPERM && strcmp(setting, "1") == 0)
		probe_missing(p, "kept to kernel.io_uring_group: kernel.io_uring_disabled = 1 "
				 "(EPERM)");
	else if (err == EPERM)
		probe_missing(p, "refused to this process, as containers' seccomp filters do "
				 "(EPERM)");
	else
		probe_missing(p, "io_uring_setup: %s", strerror(err));
}

static void add_operations(struct probe *p, int ring)
{
	size_t nbytes =
		sizeof(struct io_uring_probe) + MAX_OPERATIONS * sizeof(struct io_uring_probe_op);
	struct io_uring_probe *ops = calloc(1, nbytes);
	unsigned nr = 0;

	if (!ops)
		return;
	if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_PROBE, ops, MAX_OPERATIONS) ==
	    0) {
		for (unsigned i = 0; i < ops->ops_len; i++)
			nr += (ops->ops[i].flags & IO_URING_OP_SUPPORTED) != 0;
		probe_add(p, "operations", "%u", nr);
	}
	free(ops);
}

static int make_ring(struct io_uring_params *params, uint32_t flags)
{
	memset(params, 0, sizeof(*params));
	params->flags = flags;
	return (int)syscall(__NR_io_uring_setup, 4, params);
}

static void add_ring_flags(struct probe *p)
{
	struct io_uring_params params;

	for (size_t i = 0; i < NR_RING_FLAGS; i++) {
		int ring = make_ring(&params, ring_flags[i].flags);

		if (ring < 0) {
			probe_add(p, "ring_flags", "(no %s)", ring_flags[i].name);
			continue;
		}
		probe_add(p, "ring_flags", "%s", ring_flags[i].name);
		close(ring);
	}
}

/* 0, or the errno with which the kernel refuses to pin that much memory. */
static int try_register(int ring, size_t nbytes)
{
	struct iovec memory = { .iov_len = nbytes };
	int err = 0;

	memory.iov_base =
		mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory.iov_base == MAP_FAILED)
		return errno;
	if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_BUFFERS, &memory, 1) < 0)
		err = errno;
	munmap(memory.iov_base, nbytes);
	return err;
}

static void add_registered(struct probe *p, int ring)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };
	char nbytes[TOOL_BYTES_ROOM] = "unlimited";
	int err = try_register(ring, REGISTERED_NBYTES);

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		tool_format_bytes(limit.rlim_cur, nbytes, sizeof(nbytes));
	if (err)
		probe_add(p, "fixed_buffers", "no: 32 MiB are refused: %s (RLIMIT_MEMLOCK is %s)",
			  strerror(err), nbytes);
	else
		probe_add(p, "fixed_buffers",
			  "yes: 32 MiB can be registered (RLIMIT_MEMLOCK is %s)", nbytes);
}

/* With it, whether a range is cached costs one call, whatever its length. */
static void add_cachestat(struct probe *p)
{
	/* struct cachestat_range and struct cachestat, which older headers lack. */
	uint64_t range[2] = { 0, 0 };
	uint64_t result[5];
	int fd = memfd_create("dstool", MFD_CLOEXEC);

	if (fd < 0)
		return;
	if (syscall(NR_CACHESTAT, fd, range, result, 0) == 0)
		probe_add(p, "cachestat", "yes");
	else
		probe_add(p, "cachestat", "no: %s", strerror(errno));
	close(fd);
}

void probe_uring(struct probe *p)
{
	struct io_uring_params params;
	int ring = make_ring(&params, 0);

	if (ring < 0) {
		explain(p, errno);
		return;
	}
	p->is_present = true;
	add_ring_flags(p);
	for (size_t i = 0; i < NR_FEATURE_NAMES; i++) {
		if (params.features & (uint32_t)1 << i)
			probe_add(p, "features", "%s", feature_names[i]);
	}
	add_operations(p, ring);
	add_registered(p, ring);
	add_cachestat(p);
	close(ring);
}
