/* SPDX-License-Identifier: MIT */
/* result.c: names and messages of results, and the sentence that describes a completion. */
#include "core/result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

static const struct {
	const char *name;
	const char *message;
} results[] = {
#define R(name, message) [-(name)] = { #name, message }
	R(DS_OK, "success"),
	R(DS_ERR_INVALID_ARGUMENT, "a parameter or a field makes no sense"),
	R(DS_ERR_NO_MEMORY, "the system has no memory left"),
	R(DS_ERR_UNSUPPORTED, "this backend cannot do that"),
	R(DS_ERR_UNAVAILABLE, "this build or this machine lacks a part that is needed"),
	R(DS_ERR_NOT_FOUND, "there is no such request, file or name"),
	R(DS_ERR_QUEUE_FULL, "the queue is full"),
	R(DS_ERR_RESULTS_NOT_TAKEN, "the queue is full of results that nobody takes"),
	R(DS_ERR_TIMEOUT, "the time given to a wait is over"),
	R(DS_ERR_CANCELLED, "the request was cancelled"),
	R(DS_ERR_CLOSED, "the queue is being destroyed"),
	R(DS_ERR_WOULD_DEADLOCK, "a callback cannot wait for another callback"),
	R(DS_ERR_BAD_FILE, "not an open file, not open for this, or not a regular file"),
	R(DS_ERR_PERMISSION, "the system refuses access"),
	R(DS_ERR_END_OF_FILE, "the file ends inside the range"),
	R(DS_ERR_IO, "the device reports an error"),
	R(DS_ERR_NO_SPACE, "no space is left, or a quota or size limit is reached"),
	R(DS_ERR_OUT_OF_RANGE, "an offset plus a size overflows"),
	R(DS_ERR_DESTINATION_TOO_SMALL, "the destination has no room for the result"),
	R(DS_ERR_CORRUPT_DATA, "the compressed stream is damaged"),
	R(DS_ERR_SIZE_MISMATCH, "the stream declares another size than the request"),
	R(DS_ERR_STAGING_TOO_SMALL, "one part of the stream exceeds the staging budget"),
	R(DS_ERR_BAD_ADDRESS, "the kernel cannot access the memory"),
	R(DS_ERR_EXISTS, "it is already there"),
	R(DS_ERR_SYSTEM, "the system reports an error"),
	R(DS_ERR_DEVICE_LOST, "the device is lost"),
#undef R
};

uint32_t ds_version(void)
{
	return DS_VERSION_MAJOR << 16 | DS_VERSION_MINOR << 8 | DS_VERSION_PATCH;
}

static bool is_known(ds_result result)
{
	return result <= 0 && result > -(ds_result)DS_ARRAY_SIZE(results) && results[-result].name;
}

const char *ds_result_name(ds_result result)
{
	return is_known(result) ? results[-result].name : "DS_ERR_?";
}

const char *ds_result_message(ds_result result)
{
	return is_known(result) ? results[-result].message : "an unknown result";
}

ds_result ds_result_from_errno(int errno_value)
{
	switch (errno_value) {
	case 0:
		return DS_OK;
	case ENODATA:
		return DS_ERR_END_OF_FILE;
	case EBADF:
	case EISDIR:
	case ESPIPE:
	case ENXIO:
	case EROFS:
	case ETXTBSY:
		return DS_ERR_BAD_FILE;
	case EACCES:
	case EPERM:
		return DS_ERR_PERMISSION;
	case ENOENT:
	case ENOTDIR:
		return DS_ERR_NOT_FOUND;
	case EIO:
	case EBADMSG:
		return DS_ERR_IO;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return DS_ERR_NO_SPACE;
	case ENOMEM:
		return DS_ERR_NO_MEMORY;
	case EFAULT:
		return DS_ERR_BAD_ADDRESS;
	case EEXIST:
		return DS_ERR_EXISTS;
	case EINVAL:
	case E2BIG:
		return DS_ERR_INVALID_ARGUMENT;
	case EOPNOTSUPP:
	case ENOSYS:
		return DS_ERR_UNSUPPORTED;
	case ECANCELED:
		return DS_ERR_CANCELLED;
	default:
		return DS_ERR_SYSTEM;
	}
}

const char *ds_operation_name(uint32_t operation)
{
	static const char *const names[] = {
		[DS_OPERATION_NONE] = "request",   [DS_OPERATION_READ] = "pread",
		[DS_OPERATION_WRITE] = "pwrite",   [DS_OPERATION_DECODE] = "decode",
		[DS_OPERATION_COPY] = "copy",	   [DS_OPERATION_PLACE] = "upload",
		[DS_OPERATION_FETCH] = "download", [DS_OPERATION_FINISH] = "hand-over",
	};

	return operation < DS_ARRAY_SIZE(names) ? names[operation] : "operation";
}

/* Names for what I/O reports; strerrorname_np() would ask for a younger C library. */
static const char *errno_name(int value)
{
	switch (value) {
#define E(name)    \
	case name: \
		return #name
		E(EACCES);
		E(EAGAIN);
		E(EBADF);
		E(EBADMSG);
		E(EDQUOT);
		E(EFAULT);
		E(EFBIG);
		E(EINTR);
		E(EINVAL);
		E(EIO);
		E(EISDIR);
		E(ENODATA);
		E(ENODEV);
		E(ENOMEM);
		E(ENOSPC);
		E(ENXIO);
		E(EOPNOTSUPP);
		E(EOVERFLOW);
		E(EPERM);
		E(EROFS);
		E(ESPIPE);
		E(ESTALE);
		E(ETIMEDOUT);
#undef E
	default:
		return NULL;
	}
}

static void describe_end(const struct ds_completion *c, char *buf, size_t nbytes)
{
	static const char *const reasons[] = { "", ", by request", ", its time was over",
					       ", the queue was destroyed" };
	const char *name = c->name ? c->name : "request";

	switch (c->status) {
	case DS_STATUS_COMPLETE:
		snprintf(buf, nbytes, "%s of %" PRIu64 " bytes: complete", name,
			 c->bytes_transferred);
		break;
	case DS_STATUS_CANCELLED:
		snprintf(buf, nbytes, "%s: cancelled%s (%s)", name,
			 c->reason < DS_ARRAY_SIZE(reasons) ? reasons[c->reason] : "",
			 ds_result_name(c->result));
		break;
	default:
		snprintf(buf, nbytes, "%s: %s (%s)", name, ds_result_message(c->result),
			 ds_result_name(c->result));
	}
}

char *ds_completion_describe(const struct ds_completion *c, char *buf, size_t nbytes)
{
	char where[48] = "";
	char what[64];
	const char *prefix = c->name ? c->name : "";
	const char *colon = c->name ? ": " : "";

	if (!nbytes)
		return buf;
	if (c->status != DS_STATUS_FAILED || c->failed_operation == DS_OPERATION_NONE) {
		describe_end(c, buf, nbytes);
		return buf;
	}
	if (c->failed_fd >= 0)
		snprintf(where, sizeof(where), " in fd %d", c->failed_fd);
	if (c->result == DS_ERR_END_OF_FILE)
		snprintf(what, sizeof(what), "end of file, %" PRIu64 " bytes were there",
			 c->bytes_transferred);
	else if (c->sys_errno && errno_name(c->sys_errno))
		snprintf(what, sizeof(what), "%s", errno_name(c->sys_errno));
	else if (c->sys_errno)
		snprintf(what, sizeof(what), "errno %d", c->sys_errno);
	else
		snprintf(what, sizeof(what), "%s", ds_result_message(c->result));
	snprintf(buf, nbytes, "%s%s%s of %" PRIu64 " bytes at %" PRIu64 "%s: %s (%s)", prefix,
		 colon, ds_operation_name(c->failed_operation), c->failed_nbytes, c->failed_offset,
		 where, what, ds_result_name(c->result));
	return buf;
}
