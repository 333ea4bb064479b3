/* SPDX-License-Identifier: MIT */
/*
 * probe_uring.c: whether the kernel lets this process have an io_uring, by asking for one.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

/* By number: kernel headers may be older than the kernel. Bits of io_uring_params.features. */
static const char *const feature_names[] = {
	"single_mmap", "nodrop",      "submit_stable",	 "rw_cur_pos",	 "cur_personality",
	"fast_poll",   "poll_32bits", "sqpoll_nonfixed", "ext_arg",	 "native_workers",
	"rsrc_tags",   "cqe_skip",    "linked_file",	 "reg_reg_ring", "recvsend_bundle",
	"min_timeout", "rw_attr",     "no_iowait",
};
#define NR_FEATURE_NAMES (sizeof(feature_names) / sizeof(feature_names[0]))

#define MAX_OPERATIONS 256

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

void probe_uring(struct probe *p)
{
	struct io_uring_params params;
	long ring;

	memset(&params, 0, sizeof(params));
	ring = syscall(__NR_io_uring_setup, 4, &params);
	if (ring < 0) {
		explain(p, errno);
		return;
	}
	p->is_present = true;
	for (size_t i = 0; i < NR_FEATURE_NAMES; i++) {
		if (params.features & (uint32_t)1 << i)
			probe_add(p, "features", "%s", feature_names[i]);
	}
	add_operations(p, (int)ring);
	close((int)ring);
}
