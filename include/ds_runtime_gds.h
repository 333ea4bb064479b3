/* SPDX-License-Identifier: MIT */
/*
 * ds_runtime_gds.h: files into the memory of CUDA devices: backend, manager, safetensors.
 *
 * Three layers, each usable alone:
 *
 *  - ds_make_gds_backend(): a backend as any other, whose requests may also name CUDA device
 *    memory (DS_LOCATION_CUDA), as a destination or as the source of a write.
 *  - struct ds_gds, the manager: loads of ranges, of whole models and of vectors by their
 *    index, several at a time, each with progress, cancel and a report of what way the bytes took.
 *  - struct ds_safetensors: which tensors lie where in a model of safetensors files.
 *
 * Nothing of NVIDIA's is needed to build or start: libcuda and libcufile are opened at run
 * time. Bytes go the direct way (GPUDirect Storage, through cuFile) only where the machine
 * really has it; cuFile's compatibility mode is recognised and never used. Everything else is
 * staged: read from the page cache or with O_DIRECT into pinned memory, and copied by the
 * device's copy engine, straight to the caller's address. docs/gds.md tells how to get from
 * each case to the fast path.
 *
 * The rules of ds_runtime.h hold. Device memory is that of the device's primary context, which
 * is the one of the CUDA runtime: pointers of cudaMalloc(), of torch, and so on, will do. The
 * runtime knows nothing of the caller's streams: synchronise what writes a source, or still
 * reads a destination, before the request is submitted. When a request has ended, its bytes are
 * there for every stream. After fork() the child may not use any of it: start such processes by
 * spawning.
 */
#ifndef DS_RUNTIME_GDS_H
#define DS_RUNTIME_GDS_H

#include "ds_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Device memory in a ds_location. object: its address (a CUdeviceptr); offset is added to
 * it; nbytes: room, or how much to take. As a source only without a codec.
 */
enum {
	DS_LOCATION_CUDA = 32,
};

/* ---------------------------------------------------------------- backend */

enum {
	DS_GDS_AUTO = 0, /* where it works, and is of use */
	DS_GDS_NEVER = 1,
	DS_GDS_REQUIRED = 2, /* the backend is not made without it */
};

/* Zero means the default. */
struct ds_gds_config {
	uint32_t size;
	uint32_t flags;	    /* none yet; must be 0 */
	int32_t device;	    /* as CUDA counts devices: 0 is the first */
	int32_t cufile;	    /* the direct path; DS_GDS_* */
	int32_t gpu_decode; /* GDeflate on the device; AUTO: where it is done sooner. DS_GDS_* */
	int32_t io_uring;   /* the staged path's engine, else pread; DS_GDS_* */
	uint32_t cufile_threads;    /* reads in flight on the direct path; 16. At most 64 */
	int32_t measure;	    /* what sizes suit the device; DS_GDS_AUTO or DS_GDS_NEVER */
	const char *cuda_library;   /* path of it; NULL: libcuda.so.1 */
	const char *cufile_library; /* NULL: libcufile.so.0, and where CUDA usually puts it */
};
#define DS_GDS_CONFIG_INIT DS_INIT_(struct ds_gds_config)

/*
 * ds_make_gds_backend() - a backend that also reaches the memory of one CUDA device.
 *
 * Zero in cfg means here: staging of 128 MiB (pinned), one I/O worker a core but at least 8, and
 * chunks of 1 to 8 MiB: the smallest with which the copy engine reaches 97 % of its best rate, but
 * not so large that the staging memory holds too few for the workers; the rest is as for the other
 * backends. Those rates are measured, by copies of some milliseconds while other parts of the
 * backend are made, once in a process for each device. A chunk_nbytes other than 0 is kept, and
 * nothing measured. Where measuring fails, or gds->measure is DS_GDS_NEVER, 0 means 4 MiB, or what
 * the staging memory allows. ds_gds_backend_info() tells what was chosen, and why.
 *
 * Host memory is accepted as well. Both configurations may be NULL. Makes the device's primary
 * context if the program has none yet, which takes some tenths of a second.
 *
 * Returns DS_ERR_UNAVAILABLE when there is no driver, no such device, or something REQUIRED is
 * missing (ds_gds_available() says why), else as ds_make_cpu_backend().
 */
DS_API ds_result ds_make_gds_backend(const struct ds_backend_config *cfg,
				     const struct ds_gds_config *gds, struct ds_backend **out);

/*
 * ds_gds_available() - whether ds_make_gds_backend() would find its device.
 *
 * On DS_ERR_UNAVAILABLE, why (of nbytes, may be NULL) gets a sentence. gds may be NULL. Does not
 * look for the direct path unless that is REQUIRED; makes no context.
 */
DS_API ds_result ds_gds_available(const struct ds_gds_config *gds, char *why, size_t nbytes);

/* How far a library, and what it needs, got. */
enum {
	DS_GDS_STATE_UNKNOWN = 0, /* not looked for */
	DS_GDS_STATE_READY = 1,
	DS_GDS_STATE_OFF = 2,	      /* the configuration says NEVER */
	DS_GDS_STATE_NO_LIBRARY = 3,  /* the library was not found */
	DS_GDS_STATE_BAD_LIBRARY = 4, /* it lacks functions, or is the stub for linking */
	DS_GDS_STATE_NO_DRIVER = 5,   /* CUDA: the kernel's driver does not answer */
	DS_GDS_STATE_NO_DEVICE = 6,   /* CUDA: no device of that number */
	DS_GDS_STATE_OLD_LIBRARY = 7, /* cuFile: cannot be told to leave compatibility mode alone */
	DS_GDS_STATE_COMPATIBILITY = 8, /* cuFile: works in its compatibility mode only */
	DS_GDS_STATE_FAILED = 9,	/* it said so itself; see the code */
	DS_GDS_STATE_NO_CUDA = 10,	/* cuFile: not tried, because CUDA is missing */
};

/* Where the size of chunks comes from. */
enum {
	DS_GDS_CHUNK_NONE = 0, /* there is no backend */
	DS_GDS_CHUNK_GIVEN = 1,
	DS_GDS_CHUNK_MEASURED = 2,
	DS_GDS_CHUNK_USUAL = 3, /* nothing was measured, or that failed */
};

/* What this machine has. Strings are never unterminated. */
struct ds_gds_info {
	uint32_t size;
	uint32_t cuda_state;	    /* DS_GDS_STATE_* */
	uint32_t cufile_state;	    /* DS_GDS_STATE_* */
	int32_t cuda_code;	    /* CUresult of what failed */
	int32_t cufile_code;	    /* CUfileOpError of what failed */
	int32_t cuda_version;	    /* of the driver: 1000 * major + 10 * minor */
	int32_t cufile_version;	    /* the same of cuFile */
	uint32_t nvidia_fs_version; /* major << 16 | minor; 0: not loaded, or not in use */
	uint32_t nr_devices;
	int32_t device;		     /* which one the rest is about */
	uint32_t compute_capability; /* 90: 9.0 */
	int32_t numa_node;	     /* of the device; -1: not known */
	/* 1: this build has a GDeflate decoder for devices, and it suits this one. */
	uint32_t has_decoder;
	uint32_t reserved;
	uint64_t device_nbytes; /* memory, in all */
	char device_name[64];
	char pci_bus_id[32];
	char why_no_cuda[256]; /* a sentence, or "" */
	char why_no_cufile[256];
	/* Of a backend; else 0 and "". */
	uint64_t staging_nbytes;
	uint64_t chunk_nbytes;
	uint32_t chunk_origin; /* DS_GDS_CHUNK_* */
	uint32_t io_workers;
	uint64_t chunk_measured_ns; /* what measuring took, whichever backend did it */
	char why_chunk[192]; /* such as "given", or "measured: " and the rates of some sizes */
};
#define DS_GDS_INFO_INIT DS_INIT_(struct ds_gds_info)

/*
 * ds_gds_get_info() - look at all of it, cuFile included unless it is NEVER.
 *
 * With cufile REQUIRED cuFile is asked itself (a context is made and its driver opened, which
 * may take seconds); with AUTO that is left out where nothing on the machine could make it
 * work.
 */
DS_API ds_result ds_gds_get_info(const struct ds_gds_config *gds, struct ds_gds_info *info);

/* The same for a backend that is there: what it uses. DS_ERR_UNSUPPORTED for other kinds. */
DS_API ds_result ds_gds_backend_info(struct ds_backend *be, struct ds_gds_info *info);

/*
 * Memory of the backend's device, for programs that have no CUDA of their own. Aligned to 512 at
 * least. Freed before the backend is destroyed. Both wait for the device.
 */
DS_API ds_result ds_gds_memory_alloc(struct ds_backend *be, uint64_t nbytes, uint64_t *address);
DS_API ds_result ds_gds_memory_free(struct ds_backend *be, uint64_t address);

/* Copies at once, and waits: for looking at results. Large ones are slow. */
DS_API ds_result ds_gds_memory_read(struct ds_backend *be, void *to, uint64_t from_address,
				    uint64_t nbytes);
DS_API ds_result ds_gds_memory_write(struct ds_backend *be, uint64_t to_address, const void *from,
				     uint64_t nbytes);

/*
 * ds_gds_checksum() - a 64-bit sum over device memory, by the device itself where the build has the
 * kernel for it. Waits. ds_gds_checksum_host() gives the same for the same bytes in host memory.
 *
 * Every bit and its place count: each 8 bytes (little-endian, the last padded with zeros) are
 * mixed with their index, and the results added. It finds damage, not intent.
 */
DS_API ds_result ds_gds_checksum(struct ds_backend *be, uint64_t address, uint64_t nbytes,
				 uint64_t *sum);
DS_API uint64_t ds_gds_checksum_host(const void *data, size_t nbytes);

/*
 * ds_gds_measure_ceiling() - how fast the copy engine alone fills device memory from pinned memory.
 *
 * Takes some tens of milliseconds, and the bus meanwhile.
 */
DS_API ds_result ds_gds_measure_ceiling(struct ds_backend *be, uint64_t *bytes_per_second);

/* ---------------------------------------------------------------- manager */

struct ds_gds;	    /* the manager: a backend, threads, a pool of device memory */
struct ds_gds_file; /* a file that is open for it */
struct ds_gds_job;  /* one load on its way */
struct ds_safetensors;

enum {
	DS_GDS_MEMORY_DEVICE = 0, /* addresses are of the device's memory */
	DS_GDS_MEMORY_HOST = 1,	  /* addresses are the program's own */
};

/* Zero means the default. */
struct ds_gds_manager_config {
	uint32_t size;
	uint32_t flags; /* none yet; must be 0 */
	/*
	 * AUTO: without a CUDA device there is still a manager, which loads into host memory only.
	 * NEVER: such a one. REQUIRED: DS_ERR_UNAVAILABLE.
	 */
	int32_t enabled;
	uint32_t max_concurrent; /* jobs that run at one time, others wait; 4. At most 64 */
	uint32_t alignment; /* of what the pool hands out; 4096. A power of two, 512 to 2 MiB */
	uint32_t threads;   /* that read; see ds_backend_config.io_workers */
	uint64_t prefetch_batch_nbytes; /* vectors are gathered in batches of so many; 64 MiB */
	uint64_t pool_nbytes; /* hard limit of device memory that the manager allocates; 0: none */
	uint64_t staging_nbytes; /* hard limit of pinned memory; see ds_backend_config */
	uint64_t chunk_nbytes;	 /* see ds_backend_config, and ds_make_gds_backend() */
	int32_t direct;		 /* DS_DIRECT_*; AUTO: page cache where the range is in it */
	int32_t log_level;	 /* DS_LOG_* */
	ds_log_callback log_callback;
	void *log_user_data;
	const struct ds_gds_config *gds; /* NULL: all defaults */
};
#define DS_GDS_MANAGER_CONFIG_INIT DS_INIT_(struct ds_gds_manager_config)

/* cfg may be NULL. Returns as ds_make_gds_backend(). */
DS_API ds_result ds_gds_create(const struct ds_gds_manager_config *cfg, struct ds_gds **out);

/*
 * Files and jobs are closed and destroyed before. Memory of the pool that is still out is
 * freed. NULL is a no-op.
 */
DS_API void ds_gds_destroy(struct ds_gds *g);

/* The backend below, for requests of one's own; belongs to the manager. */
DS_API struct ds_backend *ds_gds_backend(struct ds_gds *g);

/* False: only host memory; ds_gds_available() says why. */
DS_API bool ds_gds_has_device(const struct ds_gds *g);

/*
 * Memory from the pool: of the device, or without one of the host. DS_ERR_NO_SPACE when the pool's
 * limit is reached, DS_ERR_NO_MEMORY when the device has none.
 */
DS_API ds_result ds_gds_alloc(struct ds_gds *g, uint64_t nbytes, uint64_t *address);
DS_API ds_result ds_gds_free(struct ds_gds *g, uint64_t address);

/* The ways of bytes to device memory. */
enum {
	DS_GDS_PATH_NONE = 0,
	DS_GDS_PATH_GDS = 1,	  /* storage to device, by cuFile, without host memory */
	DS_GDS_PATH_DIRECT = 2,	  /* O_DIRECT to pinned memory, copy engine */
	DS_GDS_PATH_BUFFERED = 3, /* page cache to pinned memory, copy engine */
	DS_GDS_PATH_GATHERED =
		4, /* vectors: page cache to memory of the job, pinned memory, copy engine */
	DS_GDS_PATH_HOST = 5, /* to host memory */
	DS_GDS_PATH_COUNT = 8,
};

/* What is known of an open file. */
struct ds_gds_file_info {
	uint32_t size;
	uint32_t path;	 /* DS_GDS_PATH_*: what a load of it would mostly take if it began now */
	uint64_t nbytes; /* the file's size */
	uint64_t cached_nbytes; /* of them, in the page cache now */
	/* That direct reads ask of offsets; 0: no direct reads. Seen to by the manager. */
	uint32_t alignment;
	uint32_t reserved;
	char file_system[16]; /* such as "ext4", or a number */
	char why[256];	      /* why not a faster path, as sentences; "" when there is none */
};
#define DS_GDS_FILE_INFO_INIT DS_INIT_(struct ds_gds_file_info)

DS_API ds_result ds_gds_file_open(struct ds_gds *g, const char *path, struct ds_gds_file **out);
/* May be called while jobs use it. NULL is a no-op. */
DS_API void ds_gds_file_close(struct ds_gds_file *f);
DS_API ds_result ds_gds_file_get_info(struct ds_gds_file *f, struct ds_gds_file_info *info);

/* ------------------------------------------------------------------- jobs */

/*
 * Called now and then and at the end, on the thread that runs the job: the manager's, or one
 * that waits for it. No lock is held.
 */
typedef void (*ds_gds_progress)(void *user_data, struct ds_gds_job *job, uint64_t done_nbytes,
				uint64_t total_nbytes);

enum {
	DS_GDS_JOB_CHECKSUM = 1u << 0, /* compute a checksum of what arrived, where it arrived */
	DS_GDS_JOB_SEPARATE = 1u << 1, /* tensors: an allocation of the pool for each one */
};

/* Zero means the default. */
struct ds_gds_job_config {
	uint32_t size;
	uint32_t flags;		  /* DS_GDS_JOB_* */
	int32_t priority;	  /* DS_PRIORITY_* */
	uint32_t memory;	  /* DS_GDS_MEMORY_* of its destinations */
	ds_gds_progress progress; /* may be NULL */
	void *user_data;
};
#define DS_GDS_JOB_CONFIG_INIT DS_INIT_(struct ds_gds_job_config)

/* Bytes of a file, to an address. */
struct ds_gds_range {
	struct ds_gds_file *file;
	uint64_t offset;
	uint64_t nbytes;
	uint64_t destination; /* address */
	uint32_t codec;	      /* DS_CODEC_*; nbytes is then the stream's size */
	uint32_t reserved;
	uint64_t uncompressed_nbytes; /* with a codec; else 0 */
};

/*
 * All calls that begin a job copy their arguments, return at once, and give the job through
 * out: the caller's, until ds_gds_job_destroy(). cfg may be NULL. Destinations must stay until
 * the job has ended. A range that fails ends the job: the others are cancelled.
 */

DS_API ds_result ds_gds_load(struct ds_gds *g, const struct ds_gds_range *ranges, uint32_t nr,
			     const struct ds_gds_job_config *cfg, struct ds_gds_job **out);

/*
 * ds_gds_load_models() - whole files, together, each into memory of the pool of its own.
 *
 * The pool's limit is checked before anything is read: DS_ERR_NO_SPACE if they do not all fit.
 * The memory is the caller's once the job has ended well (see ds_gds_job_get_item()), and freed
 * otherwise.
 */
DS_API ds_result ds_gds_load_models(struct ds_gds *g, const char *const *paths, uint32_t nr,
				    const struct ds_gds_job_config *cfg, struct ds_gds_job **out);

/* A file, or a part of one, as vectors of the same size, one behind the other. */
struct ds_gds_vectors {
	uint32_t size;
	uint32_t reserved;
	struct ds_gds_file *file;
	uint64_t offset; /* of vector 0 */
	uint64_t vector_nbytes;
	uint64_t stride_nbytes; /* from one to the next; 0: vector_nbytes */
	uint64_t nr_vectors;	/* 0: as many as the file has */
};
#define DS_GDS_VECTORS_INIT DS_INIT_(struct ds_gds_vectors)

/*
 * ds_gds_prefetch_vectors() - vectors by their index, in any order, with or without duplicates.
 *
 * Result i is vector indices[i], at destination + i * vector_nbytes. Inside, indices are
 * sorted, and those that lie close together read at once. DS_ERR_OUT_OF_RANGE if one is not
 * there.
 */
DS_API ds_result ds_gds_prefetch_vectors(struct ds_gds *g, const struct ds_gds_vectors *set,
					 const uint64_t *indices, uint64_t nr, uint64_t destination,
					 const struct ds_gds_job_config *cfg,
					 struct ds_gds_job **out);

/* The vectors [first, first + nr), one behind the other, to the destination. */
DS_API ds_result ds_gds_read_vectors(struct ds_gds *g, const struct ds_gds_vectors *set,
				     uint64_t first, uint64_t nr, uint64_t destination,
				     const struct ds_gds_job_config *cfg, struct ds_gds_job **out);

/*
 * ds_gds_load_tensors() - tensors of a model.
 *
 * Those whose name matches the pattern (as of a shell: * ? [...]; NULL: all). Without SEPARATE
 * they come into one arena: what is adjacent in the file stays so, each file's part begins at a
 * multiple of the pool's alignment. destination is the arena's address, of room_nbytes (see
 * ds_gds_plan_tensors()), or 0: then it is allocated from the pool, and is the caller's once
 * the job has ended well: its address is that of the first item. SEPARATE wants destination 0;
 * each tensor is then an allocation of the pool.
 */
DS_API ds_result ds_gds_load_tensors(struct ds_gds *g, struct ds_safetensors *st,
				     const char *pattern, uint64_t destination,
				     uint64_t room_nbytes, const struct ds_gds_job_config *cfg,
				     struct ds_gds_job **out);

/* How large an arena for such a load has to be, and how many tensors match. Any may be NULL. */
DS_API ds_result ds_gds_plan_tensors(struct ds_gds *g, struct ds_safetensors *st,
				     const char *pattern, uint64_t *arena_nbytes,
				     uint32_t *nr_tensors);

/* DS_ERR_TIMEOUT, or how the job ended: DS_OK, DS_ERR_CANCELLED, or its first failure. */
DS_API ds_result ds_gds_job_wait(struct ds_gds_job *job, uint64_t timeout_ns);

/*
 * ds_gds_job_cancel() - returns once nothing is written any more.
 *
 * True: the job has ended CANCELLED. False: it had ended already. In a callback of its own it only
 * asks, and returns true.
 */
DS_API bool ds_gds_job_cancel(struct ds_gds_job *job);

/* Any may be NULL. Returns whether the job has ended. */
DS_API bool ds_gds_job_progress(struct ds_gds_job *job, uint64_t *done_nbytes,
				uint64_t *total_nbytes);

/* Cancels what has not ended, and frees it. NULL is a no-op. */
DS_API void ds_gds_job_destroy(struct ds_gds_job *job);

/* What a job has loaded: ranges, models in the order of the call; tensors in that of the model. */
struct ds_gds_item {
	uint32_t size;
	uint32_t tensor; /* its index in the model */
	uint64_t address;
	uint64_t nbytes;
	uint64_t checksum; /* with DS_GDS_JOB_CHECKSUM, once the job has ended well */
};
#define DS_GDS_ITEM_INIT DS_INIT_(struct ds_gds_item)

DS_API uint32_t ds_gds_job_count(const struct ds_gds_job *job);
/* DS_ERR_NOT_FOUND beyond the last. */
DS_API ds_result ds_gds_job_get_item(struct ds_gds_job *job, uint32_t index,
				     struct ds_gds_item *item);

/* How a job went. */
struct ds_gds_report {
	uint32_t size;
	ds_result result;
	uint64_t total_nbytes; /* that were to arrive */
	uint64_t done_nbytes;
	uint64_t path_nbytes[DS_GDS_PATH_COUNT]; /* that arrived, by DS_GDS_PATH_* */
	uint64_t operations;			 /* requests, or reads of runs of vectors */
	uint64_t elapsed_ns;			 /* from its start to its end */
	uint64_t waited_ns;			 /* for its start */
	/* Of the backend's threads meanwhile, other jobs' included; 0: less than 1 MiB. */
	uint64_t cpu_ns;
	uint64_t bytes_per_second;
	/* Of the machine: ds_gds_measure_ceiling(); 0: never asked. */
	uint64_t ceiling_bytes_per_second;
	char why[256];	 /* why not on a faster path, as sentences */
	char error[256]; /* what failed, as a sentence */
};
#define DS_GDS_REPORT_INIT DS_INIT_(struct ds_gds_report)

/* DS_ERR_UNAVAILABLE while the job has not ended. */
DS_API ds_result ds_gds_job_get_report(struct ds_gds_job *job, struct ds_gds_report *report);

/* Asks the machine's ceiling once, for reports. Done by itself for no job. */
DS_API ds_result ds_gds_calibrate(struct ds_gds *g, uint64_t *bytes_per_second);

/* Since the manager was made, or the last reset. */
struct ds_gds_stats {
	uint32_t size;
	uint32_t jobs_running;
	uint64_t jobs_begun;
	uint64_t jobs_completed;
	uint64_t jobs_failed;
	uint64_t jobs_cancelled;
	uint64_t operations;
	uint64_t nbytes;
	uint64_t path_nbytes[DS_GDS_PATH_COUNT];
	uint64_t peak_bytes_per_second;	     /* of one job */
	uint64_t average_bytes_per_second;   /* mean of jobs, by their time */
	uint64_t effective_bytes_per_second; /* bytes by the time in which any job ran */
	uint64_t average_latency_ns;	     /* of a job, from the call to its end */
	uint64_t busy_ns;		     /* in which any job ran */
	uint64_t pool_nbytes;		     /* the limit, or 0 */
	uint64_t pool_in_use;
	uint64_t pool_high_water; /* not reset */
};
#define DS_GDS_STATS_INIT DS_INIT_(struct ds_gds_stats)

DS_API ds_result ds_gds_get_stats(struct ds_gds *g, struct ds_gds_stats *stats);
DS_API void ds_gds_reset_stats(struct ds_gds *g);

/* ------------------------------------------------------------ safetensors */

#define DS_SAFETENSORS_MAX_DIMS 8

struct ds_safetensors_tensor {
	uint32_t size;
	uint32_t file;	   /* index of its file */
	const char *name;  /* valid as long as the model; UTF-8 as the file has it */
	const char *dtype; /* "F32", "BF16", ...; valid as long as the model */
	uint32_t nr_dims;
	uint32_t bits; /* of an element */
	uint64_t dims[DS_SAFETENSORS_MAX_DIMS];
	uint64_t offset; /* in the file */
	uint64_t nbytes;
};
#define DS_SAFETENSORS_TENSOR_INIT DS_INIT_(struct ds_safetensors_tensor)

/*
 * ds_safetensors_open() - read the headers of a model.
 *
 * path: a .safetensors file, a model.safetensors.index.json, or a folder with either. Headers
 * are not trusted: sizes, types and ranges must fit each other and the file, no tensors overlap. On
 * DS_ERR_CORRUPT_DATA and other failures, why (of nbytes, may be NULL) gets a sentence.
 */
DS_API ds_result ds_safetensors_open(const char *path, char *why, size_t nbytes,
				     struct ds_safetensors **out);
/* May be closed while jobs use it. NULL is a no-op. */
DS_API void ds_safetensors_close(struct ds_safetensors *st);

/* Tensors are in order of their files, and in those of their offsets. */
DS_API uint32_t ds_safetensors_count(const struct ds_safetensors *st);
DS_API ds_result ds_safetensors_get(const struct ds_safetensors *st, uint32_t index,
				    struct ds_safetensors_tensor *tensor);
/* DS_ERR_NOT_FOUND. */
DS_API ds_result ds_safetensors_find(const struct ds_safetensors *st, const char *name,
				     uint32_t *index);
DS_API uint32_t ds_safetensors_count_files(const struct ds_safetensors *st);
/* NULL beyond the last; valid as long as the model. */
DS_API const char *ds_safetensors_file(const struct ds_safetensors *st, uint32_t index);

/*
 * ds_safetensors_parse() - check one header that is in memory: what ds_safetensors_open() does
 * for each file, without a file.
 *
 * header: the file's first nbytes (8 bytes of length and that much JSON); file_nbytes: its size.
 */
DS_API ds_result ds_safetensors_parse(const void *header, size_t nbytes, uint64_t file_nbytes,
				      char *why, size_t why_nbytes, struct ds_safetensors **out);

#ifdef __cplusplus
}
#endif

#endif /* DS_RUNTIME_GDS_H */
