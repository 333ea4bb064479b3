/* SPDX-License-Identifier: MIT */
/* uring_probe.c: whether io_uring works here, and why not. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/thread.h"
#include "io/uring_priv.h"

/* The value of kernel.io_uring_disabled, or -1. */
static int read_disabled(void)
{
	FILE *f = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int value = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

void ds_uring_explain(int err, char *why, size_t why_nbytes)
{
	int disabled = read_disabled();

	if (!why_nbytes)
		return;
	switch (-err) {
	case ENOSYS:
		snprintf(why, why_nbytes,
			 "the kernel has no io_uring, or a seccomp filter hides it");
		break;
	case EPERM:
	case EACCES:
		if (disabled > 0)
			snprintf(why, why_nbytes,
				 "forbidden by the sysctl kernel.io_uring_disabled=%d", disabled);
		else
			snprintf(why, why_nbytes,
				 "forbidden by a seccomp filter or a security module (%s)",
				 strerror(-err));
		break;
	case ENOMEM:
		snprintf(why, why_nbytes,
			 "no memory for the rings: RLIMIT_MEMLOCK is too low for this kernel");
		break;
	case EMFILE:
	case ENFILE:
		snprintf(why, why_nbytes, "no file descriptor is left");
		break;
	default:
		snprintf(why, why_nbytes, "setting up a ring failed: %s", strerror(-err));
	}
}

/* One real read: filters may let a ring be made and refuse its use. */
static int read_once(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	uint64_t value = 0;
	int fd = eventfd(1, EFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	io_uring_prep_read(sqe, fd, &value, sizeof(value), 0);
	err = io_uring_submit_and_wait(ring, 1);
	if (err >= 0)
		err = io_uring_peek_cqe(ring, &cqe);
	if (!err) {
		err = cqe->res < 0 ? cqe->res : cqe->res == sizeof(value) ? 0 : -EIO;
		io_uring_cqe_seen(ring, cqe);
	}
	close(fd);
	/* What a kernel before 5.6 says to a read without a vector. */
	return err == -EINVAL ? -ENOSYS : err;
}

static void *probe_main(void *arg)
{
	struct io_uring ring;
	int *err = arg;

	*err = io_uring_queue_init(2, &ring, 0);
	if (!*err) {
		*err = read_once(&ring);
		io_uring_queue_exit(&ring);
	}
	return NULL;
}

int ds_uring_probe(char *why, size_t why_nbytes)
{
	pthread_t thread;
	int err = 0;

	/*
	 * On a thread of its own: shortly after a ring has gone the kernel interrupts whatever
	 * system call the thread is in that made it, and the caller's epoll_wait() would say EINTR.
	 */
	if (ds_thread_start(&thread, "ds-probe", probe_main, &err))
		err = -EAGAIN;
	else
		pthread_join(thread, NULL);
	if (err)
		ds_uring_explain(err, why, why_nbytes);
	return err;
}
