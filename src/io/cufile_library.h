/* SPDX-License-Identifier: MIT */
/* cufile_library.h: the functions of libcufile, declared here so that no header of NVIDIA's is needed. */
#ifndef DS_IO_CUFILE_LIBRARY_H
#define DS_IO_CUFILE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Returned by value. */
struct cufile_error {
	int error; /* 0: success */
	int cuda_error;
};

typedef void *cufile_handle;

struct cufile_description {
	int type;
	union {
		int fd;
		void *pointer;
	};
	const void *fs_operations;
};

struct cufile_properties {
	uint32_t nvfs_major;
	uint32_t nvfs_minor;
	uint64_t poll_threshold;
	uint64_t max_direct_io;
	uint32_t status_flags;
	uint32_t control_flags;
	uint32_t feature_flags;
	uint32_t sizes[5];
	unsigned char later[128]; /* what newer libraries add */
};

enum {
	CUFILE_DRIVER_NOT_INITIALIZED = 5001,
	CUFILE_DRIVER_ALREADY_OPEN = 5026,
	CUFILE_NVFS_SETUP_ERROR = 5033,
};

#define CUFILE_TYPE_FD		  1
#define CUFILE_CONTROL_COMPATIBLE (1u << 1)
#define CUFILE_BOOL_ALLOW_COMPAT  1
#define CUFILE_STRING_LOG_PATH	  1

struct cufile_library {
	void *library;
	struct cufile_error (*driver_open)(void);
	struct cufile_error (*driver_close)(void);
	struct cufile_error (*get_properties)(struct cufile_properties *properties);
	struct cufile_error (*get_version)(int *version);
	struct cufile_error (*handle_register)(cufile_handle *handle,
					       struct cufile_description *description);
	void (*handle_deregister)(cufile_handle handle);
	ssize_t (*read)(cufile_handle handle, void *base, size_t nbytes, off_t file_offset,
			off_t buffer_offset);
	/* From 1.14 on. */
	struct cufile_error (*set_bool)(int parameter, bool value);
	struct cufile_error (*set_string)(int parameter, const char *value);
};

/* The library of the process, once a look found it. */
const struct cufile_library *ds_cufile_library(void);

/* What a code means for the user; never NULL. */
const char *ds_cufile_error_text(int error);

#endif /* DS_IO_CUFILE_LIBRARY_H */
