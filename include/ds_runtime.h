/* SPDX-License-Identifier: MIT */
/*
 * ds_runtime.h: the public interface of ds-runtime.
 *
 * A program hands over requests, "these bytes of that file, decompressed, into
 * that memory", in batches of thousands, and learns of each one's end in the
 * way that suits it. This header is the manual; docs/design.md says how it works.
 *
 *	struct ds_backend *be;
 *	struct ds_queue *q;
 *	struct ds_file *f;
 *
 *	ds_make_cpu_backend(NULL, &be);
 *	ds_queue_create(be, NULL, &q);
 *	ds_file_open(be, "level1.pak", DS_FILE_READ, &f);
 *
 *	struct ds_request r = DS_REQUEST_INIT;
 *	r.source.kind = DS_LOCATION_FILE;
 *	r.source.file = f;
 *	r.source.offset = 4096;
 *	r.source.nbytes = 65536;
 *	r.destination.kind = DS_LOCATION_MEMORY;
 *	r.destination.data = buffer;
 *	r.destination.nbytes = sizeof(buffer);
 *	ds_queue_enqueue(q, &r, NULL);
 *	ds_queue_submit(q);
 *
 *	struct ds_completion c = DS_COMPLETION_INIT;
 *	ds_queue_wait(q, &c, 1, 1, DS_WAIT_FOREVER, NULL);
 *
 * Rules that hold everywhere:
 *
 *  - Every call that can fail returns a ds_result: DS_OK (0) or a negative,
 *    named number. Output parameters are untouched on failure.
 *  - Structs that a caller fills in or reads start with their size. Start from
 *    the matching _INIT; in every field, zero means "the default".
 *  - All functions may be called from any thread, unless they say otherwise.
 *    Destroying an object while another thread still uses it is the caller's error.
 *  - Callbacks run on one thread of the backend, one at a time, with no lock
 *    held. They may call every function, except that those that would have to
 *    wait for another callback return DS_ERR_WOULD_DEADLOCK.
 *  - There is no process-wide state, but for what was measured of a device once
 *    (ds_runtime_gds.h), which later backends are told.
 */
#ifndef DS_RUNTIME_H
#define DS_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DS_API __attribute__((visibility("default")))
#else
#define DS_API
#endif

/* The initialiser of a size-stamped struct: everything else is zero. */
#ifdef __cplusplus
extern "C++" {
template <typename type> inline type ds_init_()
{
	type object = type();

	object.size = sizeof(type);
	return object;
}
}
#define DS_INIT_(type) ds_init_<type>()
#else
#define DS_INIT_(type)               \
	{                            \
		.size = sizeof(type) \
	}
#endif

#define DS_VERSION_MAJOR 0
#define DS_VERSION_MINOR 1
#define DS_VERSION_PATCH 0

/* The version of the library that is running, as major << 16 | minor << 8 | patch. */
DS_API uint32_t ds_version(void);

/* ---------------------------------------------------------------- results */

typedef int32_t ds_result;

enum {
	DS_OK = 0,
	DS_ERR_INVALID_ARGUMENT = -1, /* a parameter or a struct's field makes no sense */
	DS_ERR_NO_MEMORY = -2,	      /* the system has no memory left */
	DS_ERR_UNSUPPORTED = -3,      /* this backend cannot do that at all */
	DS_ERR_UNAVAILABLE = -4, /* this build or this machine lacks a part; the log says why */
	DS_ERR_NOT_FOUND = -5,	 /* no such request, file or name */
	DS_ERR_QUEUE_FULL = -6,	 /* no free slot, and the caller asked not to wait */
	DS_ERR_RESULTS_NOT_TAKEN = -7, /* full of results that nobody takes: see ds_queue_config */
	DS_ERR_TIMEOUT = -8,	       /* the time given to a wait is over */
	DS_ERR_CANCELLED = -9,	       /* the request was cancelled, or its timeout_ns passed */
	DS_ERR_CLOSED = -10,	       /* the queue is being destroyed */
	DS_ERR_WOULD_DEADLOCK = -11,   /* called in a callback, and would wait for a callback */
	DS_ERR_BAD_FILE = -12,	  /* not an open file, or not open for that, or no regular file */
	DS_ERR_PERMISSION = -13,  /* the system refuses access */
	DS_ERR_END_OF_FILE = -14, /* the file ends inside the range; see bytes_transferred */
	DS_ERR_IO = -15,	  /* the device reports an error */
	DS_ERR_NO_SPACE = -16, /* the file system is full, or the quota or size limit is reached */
	DS_ERR_OUT_OF_RANGE = -17,	    /* offset plus size overflows */
	DS_ERR_DESTINATION_TOO_SMALL = -18, /* the destination has no room for the result */
	DS_ERR_CORRUPT_DATA = -19,	    /* the compressed stream is damaged or malicious */
	DS_ERR_SIZE_MISMATCH = -20,	    /* the stream declares another size than the request */
	DS_ERR_STAGING_TOO_SMALL =
		-21, /* one indivisible part of the stream exceeds the staging budget */
	DS_ERR_BAD_ADDRESS = -22, /* the kernel cannot access the memory */
	DS_ERR_EXISTS = -23,	  /* already there */
	DS_ERR_SYSTEM = -24,	  /* another errno; see sys_errno */
	DS_ERR_DEVICE_LOST =
		-25, /* the GPU, or its driver, is gone: this backend is of no more use */
};

/* The name of a result, such as "DS_ERR_IO"; "DS_ERR_?" for an unknown number. Never NULL. */
DS_API const char *ds_result_name(ds_result result);

/* One English sentence without a full stop. Never NULL. */
DS_API const char *ds_result_message(ds_result result);

/* ---------------------------------------------------------------- objects */

struct ds_backend;	/* an I/O engine, a device, codecs, worker threads, staging memory */
struct ds_queue;	/* an ordered stream of requests and markers, with a capacity */
struct ds_file;		/* an open file, reference counted */
struct ds_status_array; /* results written by status markers */
struct ds_fence;	/* a 64-bit value that signal markers raise */

#define DS_WAIT_FOREVER UINT64_MAX

/* --------------------------------------------------- logging and failures */

enum {
	DS_LOG_ERROR = 1,
	DS_LOG_WARNING = 2,
	DS_LOG_INFO = 3,
	DS_LOG_DEBUG = 4,
};

/*
 * One thing that happened. All strings are valid during the call only.
 *
 * request is 0 where the record is about no single request; sys_errno is 0
 * where the kernel reported nothing.
 */
struct ds_log_record {
	uint32_t size;
	int32_t level;		 /* DS_LOG_* */
	const char *subsystem;	 /* "queue", "pipeline", "pread", "gdeflate", ... */
	const char *operation;	 /* "pread", "open", "decode", ... */
	const char *source_file; /* where in the library */
	const char *function;
	uint32_t line;
	ds_result result;
	int32_t sys_errno;
	uint32_t reserved;
	uint64_t request;    /* its id, or 0 */
	const char *message; /* a sentence, such as "pread of 65536 bytes at 131072 in fd 7: EIO" */
};

typedef void (*ds_log_callback)(void *user_data, const struct ds_log_record *record);

/* --------------------------------------------------------------- backends */

/* How files are opened and read when a call does not say; see also DS_FILE_DIRECT. */
enum {
	/*
	 * The backend decides. The CPU backend: through the page cache. Those that can tell what is cached: from
	 * the page cache where it has the whole range, else with O_DIRECT, straight to the destination or
	 * through staging memory, whichever is seen to be faster; docs/io.md.
	 */
	DS_DIRECT_AUTO = 0,
	DS_DIRECT_OFF = 1, /* through the page cache */
	/* O_DIRECT where the file system takes it, straight where it is aligned; else the page cache */
	DS_DIRECT_ON = 2,
};

/*
 * What every backend has. All fields: zero means the default.
 *
 * The log callback gets records up to log_level (default: warnings), but not the failures of
 * requests: those are the error callback's. That gets one record for each request
 * that fails (not for cancelled ones), before that request's result can be seen in
 * any other way.
 */
struct ds_backend_config {
	uint32_t size;
	uint32_t flags;		 /* none yet; must be 0 */
	uint64_t staging_nbytes; /* hard limit of staging memory; 32 MiB. At least 1 MiB */
	uint64_t
		chunk_nbytes; /* large reads are cut here; 1 MiB. A power of two, 64 KiB to 16 MiB */
	uint32_t
		io_workers; /* threads that read and write; the engine's own default. At most 256 */
	uint32_t decode_workers; /* threads that decode and copy; one per core. At most 256 */
	int32_t direct;		 /* DS_DIRECT_* */
	int32_t log_level;	 /* DS_LOG_* */
	ds_log_callback log_callback;
	void *log_user_data;
	ds_log_callback error_callback;
	void *error_user_data;
};
#define DS_BACKEND_CONFIG_INIT DS_INIT_(struct ds_backend_config)

/*
 * ds_make_cpu_backend() - a backend that reads with a pool of threads.
 *
 * pread and pwrite on io_workers threads, decoding on decode_workers threads,
 * into host memory. Needs nothing but a POSIX kernel. cfg may be NULL.
 *
 * Returns DS_ERR_INVALID_ARGUMENT for a bad configuration, DS_ERR_NO_MEMORY, or
 * DS_ERR_SYSTEM when threads cannot be started. The caller owns the backend and
 * gives it back with ds_backend_destroy().
 */
DS_API ds_result ds_make_cpu_backend(const struct ds_backend_config *cfg, struct ds_backend **out);

/*
 * ds_backend_destroy() - give a backend back.
 *
 * The caller destroys its queues first and closes its files first or afterwards:
 * the backend lives on until the last of them is gone. NULL is a no-op. Waits for
 * its threads, unless objects remain or it runs in a callback: then the last
 * object, or a thread of its own, takes it down.
 */
DS_API void ds_backend_destroy(struct ds_backend *be);

/*
 * ds_backend_register_memory() - announce memory that will often be a destination.
 *
 * An engine that can pins it once, instead of with every operation: with io_uring and direct
 * I/O that saves much of the CPU time of large reads. Requests into any part of it benefit, as
 * far as they go straight (DS_FILE_DIRECT, DS_DIRECT_ON).
 * The memory stays the caller's; ds_backend_unregister_memory() comes before it is unmapped and
 * after the last request on it has ended. At most 63 regions of at most 1 GiB each.
 *
 * DS_ERR_UNSUPPORTED where it would change nothing, DS_ERR_NO_MEMORY when RLIMIT_MEMLOCK is
 * too low, DS_ERR_EXISTS, DS_ERR_NO_SPACE for too many regions. Requests work all the same.
 */
DS_API ds_result ds_backend_register_memory(struct ds_backend *be, void *data, size_t nbytes);
DS_API ds_result ds_backend_unregister_memory(struct ds_backend *be, void *data);

/* "cpu", "io_uring", ...; valid as long as the backend. */
DS_API const char *ds_backend_name(const struct ds_backend *be);

/* True if requests with this DS_CODEC_* are accepted. */
DS_API bool ds_backend_has_codec(const struct ds_backend *be, uint32_t codec);

/* ------------------------------------------------------------------ files */

enum {
	DS_FILE_READ = 0,	    /* open for reading */
	DS_FILE_WRITE = 1u << 0,    /* open for reading and writing */
	DS_FILE_CREATE = 1u << 1,   /* with WRITE: create when missing (mode 0666 and umask) */
	DS_FILE_TRUNCATE = 1u << 2, /* with WRITE: to zero length */
	DS_FILE_DIRECT = 1u << 3,   /* as DS_DIRECT_ON, for this file */
	DS_FILE_BUFFERED = 1u << 4, /* as DS_DIRECT_OFF, for this file */
};

/* What is known of an open file. */
struct ds_file_info {
	uint32_t size;
	uint32_t is_direct; /* 1: reads that fit the alignment bypass the page cache */
	uint64_t nbytes;    /* the file's size when it was asked */
	uint32_t
		memory_alignment; /* what direct I/O asks of addresses, in bytes; 0: no direct I/O */
	uint32_t offset_alignment; /* and of offsets and lengths. The runtime sees to both itself */
};
#define DS_FILE_INFO_INIT DS_INIT_(struct ds_file_info)

/*
 * ds_file_open() - open a regular file or block device for requests on this backend.
 *
 * The caller owns the file and closes it with ds_file_close(). Corresponds to
 * IDStorageFactory::OpenFile.
 */
DS_API ds_result ds_file_open(struct ds_backend *be, const char *path, uint32_t flags,
			      struct ds_file **out);

/*
 * ds_file_from_fd() - the same for a descriptor that the caller has already.
 *
 * The descriptor is duplicated: the caller keeps and closes its own. flags: DIRECT,
 * BUFFERED and WRITE (the descriptor must have been opened so) are allowed.
 */
DS_API ds_result ds_file_from_fd(struct ds_backend *be, int fd, uint32_t flags,
				 struct ds_file **out);

/*
 * ds_file_close() - give the file back. NULL is a no-op.
 *
 * May be called while requests use it: they keep it open until they have ended.
 */
DS_API void ds_file_close(struct ds_file *file);

/* Fills in *info. Does one fstat(). */
DS_API ds_result ds_file_get_info(struct ds_file *file, struct ds_file_info *info);

/* --------------------------------------------------------------- requests */

enum {
	DS_PRIORITY_DEFAULT = 0, /* the queue's */
	DS_PRIORITY_LOW = 1,
	DS_PRIORITY_NORMAL = 2,
	DS_PRIORITY_HIGH = 3,
	DS_PRIORITY_REALTIME = 4,
};

enum {
	DS_CODEC_NONE = 0,
	DS_CODEC_GDEFLATE = 1, /* a GDeflate tile stream */
	DS_CODEC_ZSTD = 2,     /* one or more whole Zstandard frames */
};

/*
 * Where bytes come from or go to.
 *
 * Kinds up to 15 are the host's. Backends with a device of their own declare
 * theirs, and what `object`, `offset` and `detail` mean for them, in their header;
 * a backend refuses kinds that it does not know with DS_ERR_UNSUPPORTED.
 */
enum {
	DS_LOCATION_NONE = 0,
	DS_LOCATION_FILE = 1,	/* file, offset, nbytes */
	DS_LOCATION_FD = 2,	/* fd, offset, nbytes: must stay open until the request has ended */
	DS_LOCATION_MEMORY = 3, /* data, nbytes: must stay mapped until the request has ended */
	DS_LOCATION_DEVICE_FIRST = 16,
};

struct ds_location {
	uint32_t kind;	 /* DS_LOCATION_* */
	int32_t fd;	 /* FD */
	uint64_t nbytes; /* source: how many bytes; destination: how much room there is */
	uint64_t offset; /* FILE, FD: in the file; device kinds: in the object */
	union {
		struct ds_file *file; /* FILE */
		void *data;	      /* MEMORY. As a source it is only read */
		uint64_t object;      /* device kinds: the object's handle or address */
	};
	const void *detail; /* device kinds: a struct of the kind's own, copied at enqueue */
	uint64_t reserved[3];
};

struct ds_completion;

/*
 * Called once when the request has ended COMPLETE or FAILED, never when it was
 * cancelled. The completion is valid during the call.
 */
typedef void (*ds_completion_callback)(void *user_data, const struct ds_completion *completion);

/*
 * One transfer from a source to a destination.
 *
 * read   file -> memory (or a device's memory), with or without a codec
 * copy   memory -> memory, with or without a codec
 * write  memory -> file, without a codec
 *
 * source.nbytes bytes are taken from the source. Without a codec as many arrive;
 * with one, uncompressed_nbytes arrive: the stream must declare exactly that.
 * destination.nbytes is the room there: less than what arrives is refused, and
 * nothing is ever written beyond what arrives. For a write, destination.nbytes
 * may be 0.
 *
 * A range that passes the end of the file ends with DS_ERR_END_OF_FILE and the
 * number of bytes that there were. A request of 0 bytes without a codec succeeds.
 * A failed or cancelled request leaves its destination partly written. Source and
 * destination memory may not overlap. Requests whose destinations overlap may run
 * at the same time, and their bytes then mix. Memory in huge pages (madvise(2), MADV_HUGEPAGE) is the best
 * destination of direct reads; docs/io.md.
 *
 * A timeout is a cancel by the runtime's timer, which runs a little after the time has passed: a request
 * whose bytes have all come by then is complete.
 *
 * The fields up to `callback` correspond to DSTORAGE_REQUEST.
 */
struct ds_request {
	uint32_t size;
	uint32_t flags; /* none yet; must be 0 */
	struct ds_location source;
	struct ds_location destination;
	uint64_t uncompressed_nbytes;	 /* with a codec only; else 0 or equal to source.nbytes */
	uint32_t codec;			 /* DS_CODEC_* */
	int32_t priority;		 /* DS_PRIORITY_* */
	uint64_t tag;			 /* for ds_queue_cancel_tagged() */
	uint64_t timeout_ns;		 /* cancelled this long after its submit; 0: never */
	ds_completion_callback callback; /* may be NULL */
	void *user_data;		 /* for the callback, and copied to the completion */
	const char *name;		 /* for messages, or NULL; must outlive the request */
};
#define DS_REQUEST_INIT DS_INIT_(struct ds_request)

enum {
	DS_STATUS_PENDING = 1,	 /* enqueued, not submitted */
	DS_STATUS_SUBMITTED = 2, /* waits for its turn */
	DS_STATUS_RUNNING = 3,
	DS_STATUS_COMPLETE = 4, /* the last three are the ends */
	DS_STATUS_FAILED = 5,
	DS_STATUS_CANCELLED = 6,
};

/* Which way the bytes took. */
enum {
	DS_PATH_NONE = 0,
	DS_PATH_BUFFERED = 1,	     /* page cache straight into (from) the destination (source) */
	DS_PATH_DIRECT = 2,	     /* O_DIRECT straight into (from) it: no copy by the CPU */
	DS_PATH_BUFFERED_STAGED = 3, /* page cache, staging memory, destination */
	DS_PATH_DIRECT_STAGED = 4,   /* O_DIRECT, staging memory, destination */
	DS_PATH_MEMORY = 5,	     /* the source was memory */
	DS_PATH_PEER = 6,	     /* storage straight into a device's memory */
	DS_PATH_COUNT = 8,
};

enum {
	DS_REASON_NONE = 0,
	DS_REASON_CANCEL = 1,  /* by one of the cancel calls */
	DS_REASON_TIMEOUT = 2, /* by its timeout_ns */
	DS_REASON_CLOSE = 3,   /* by ds_queue_destroy() */
};

/* How a request ended. Start from DS_COMPLETION_INIT where the library fills one in. */
struct ds_completion {
	uint32_t size;
	uint32_t status; /* DS_STATUS_COMPLETE, _FAILED or _CANCELLED */
	uint64_t id;
	void *user_data;
	uint64_t tag;
	ds_result result;
	int32_t sys_errno;	    /* of the failing system call, or 0 */
	uint32_t reason;	    /* DS_REASON_*, of a cancelled request */
	uint32_t path;		    /* DS_PATH_* that most bytes took */
	uint64_t bytes_transferred; /* bytes that reached the destination */
	uint64_t bytes_read;	    /* bytes that were taken from the source */
	uint64_t enqueue_ns;	    /* CLOCK_MONOTONIC */
	uint64_t submit_ns;	    /* 0: never submitted */
	uint64_t start_ns;	    /* 0: never started */
	uint64_t end_ns;
	/* Where it failed; read them through ds_completion_describe(). */
	uint32_t failed_operation;
	int32_t failed_fd;
	uint64_t failed_offset;
	uint64_t failed_nbytes;
	const char *name;	       /* the request's */
	uint64_t bytes_device_decoded; /* of bytes_transferred, decoded by the device */
	/* Of those, by a decoder of the driver's that checks nothing; only where that was asked for. */
	uint64_t bytes_driver_decoded;
};
#define DS_COMPLETION_INIT DS_INIT_(struct ds_completion)

/*
 * ds_completion_describe() - what was being done to what, as one sentence.
 *
 * Writes at most nbytes characters with the final zero, such as "pread of 65536
 * bytes at 131072 in fd 7: EIO (DS_ERR_IO)". Returns buf.
 */
DS_API char *ds_completion_describe(const struct ds_completion *completion, char *buf,
				    size_t nbytes);

/* ----------------------------------------------------------------- queues */

enum {
	DS_QUEUE_NONBLOCKING =
		1u << 0, /* enqueue never waits: DS_ERR_QUEUE_FULL, whatever fills it */
	DS_QUEUE_NO_AUTO_SUBMIT = 1u << 1, /* do not submit by itself when half full */
	DS_QUEUE_NO_RESULTS = 1u << 2, /* keep no completion list: for callbacks and markers only */
	DS_QUEUE_ALWAYS_STAGE = 1u << 3, /* the kernel never writes to a destination: every cancel
					      is immediate, for one more copy */
};

/*
 * A request occupies a slot from its enqueue until its result has been taken from
 * the completion list, or, with DS_QUEUE_NO_RESULTS, until it has ended. A marker
 * occupies one until it has fired. capacity is the number of slots.
 *
 * A cancelled request occupies its slot also until operations that the kernel had begun for it
 * have run out.
 *
 * When no slot is free, enqueue submits what is pending and waits, as DirectStorage
 * does; when only untaken results fill the queue it returns
 * DS_ERR_RESULTS_NOT_TAKEN. When half of the slots hold pending requests, enqueue
 * submits them.
 *
 * Corresponds to DSTORAGE_QUEUE_DESC.
 */
struct ds_queue_config {
	uint32_t size;
	uint32_t flags;	   /* DS_QUEUE_* */
	uint32_t capacity; /* 1024; 1 to 1048576 */
	int32_t priority;  /* of requests that name none; normal */
	const char *name;  /* for messages; copied; at most 63 characters are kept */
};
#define DS_QUEUE_CONFIG_INIT DS_INIT_(struct ds_queue_config)

/* Corresponds to IDStorageFactory::CreateQueue. cfg may be NULL. */
DS_API ds_result ds_queue_create(struct ds_backend *be, const struct ds_queue_config *cfg,
				 struct ds_queue **out);

/*
 * ds_queue_destroy() - cancel all that has not ended, and free the queue.
 *
 * Returns when every request has ended, markers have fired and running callbacks
 * have returned; afterwards nothing of the caller's is touched. Results that were
 * not taken are lost. NULL is a no-op. In a callback: DS_ERR_WOULD_DEADLOCK, and
 * the queue still exists.
 */
DS_API ds_result ds_queue_destroy(struct ds_queue *q);

/*
 * ds_queue_enqueue() - hand over one request.
 *
 * The request is copied. *id, if wanted, names it until its slot is used again:
 * ids are never 0, and an old one is simply not found. Nothing starts before
 * ds_queue_submit() (or the automatic submit).
 *
 * Waits when the queue is full; see struct ds_queue_config. In a callback it
 * never waits: DS_ERR_QUEUE_FULL. A request that makes no sense is refused here:
 * DS_ERR_INVALID_ARGUMENT, DS_ERR_OUT_OF_RANGE, DS_ERR_DESTINATION_TOO_SMALL,
 * DS_ERR_UNSUPPORTED, DS_ERR_BAD_FILE. Corresponds to IDStorageQueue::EnqueueRequest.
 */
DS_API ds_result ds_queue_enqueue(struct ds_queue *q, const struct ds_request *request,
				  uint64_t *id);

/*
 * ds_queue_enqueue_many() - hand over an array of requests, in order.
 *
 * All have the size of the first. ids, if not NULL, has room for count. Stops at the
 * first request that is refused and returns why; *enqueued, if not NULL, says how many were
 * taken before it, also on failure.
 */
DS_API ds_result ds_queue_enqueue_many(struct ds_queue *q, const struct ds_request *requests,
				       uint32_t count, uint64_t *ids, uint32_t *enqueued);

/*
 * Markers. Each fires once everything that was enqueued on this queue before it
 * has ended, however it ended, and the marker itself was submitted. Markers fire
 * in their order.
 *
 * status  writes DS_OK into an entry of a status array, or the result of the first
 *	   request to fail (or be cancelled) since the queue's previous status marker.
 *	   Corresponds to EnqueueStatus.
 * signal  raises a fence to a value. Corresponds to EnqueueSignal.
 * event   adds 1 to an eventfd of the caller's. The descriptor is duplicated, the
 *	   caller may close its own at any time. Corresponds to EnqueueSetEvent.
 */
DS_API ds_result ds_queue_enqueue_status(struct ds_queue *q, struct ds_status_array *array,
					 uint32_t index);
DS_API ds_result ds_queue_enqueue_signal(struct ds_queue *q, struct ds_fence *fence,
					 uint64_t value);
DS_API ds_result ds_queue_enqueue_event(struct ds_queue *q, int event_fd);

/*
 * ds_queue_submit() - start everything that was enqueued since the last submit.
 *
 * Requests of higher priority go first; lower ones get a share and never starve.
 * Never waits for I/O. Corresponds to IDStorageQueue::Submit.
 */
DS_API ds_result ds_queue_submit(struct ds_queue *q);

/* ------------------------------------------------ learning of completions */

/*
 * ds_queue_poll() - take results from the completion list, in order of completion.
 *
 * Returns how many were written to out (all have the size of out[0]). Never waits.
 * Each result is taken once, by one thread.
 */
DS_API uint32_t ds_queue_poll(struct ds_queue *q, struct ds_completion *out, uint32_t max);

/*
 * ds_queue_wait() - the same, waiting until at least min results are there.
 *
 * *taken, if not NULL, says how many were written, also on DS_ERR_TIMEOUT. Stops
 * early, with DS_OK and fewer, when nothing is in flight any more: so that min may
 * be too large. Allowed in a callback (results that still need another callback
 * are not waited for: DS_ERR_WOULD_DEADLOCK with what there was).
 */
DS_API ds_result ds_queue_wait(struct ds_queue *q, struct ds_completion *out, uint32_t max,
			       uint32_t min, uint64_t timeout_ns, uint32_t *taken);

/*
 * ds_queue_wait_idle() - wait until all submitted requests have ended, their callbacks
 * have returned, and the markers among them have fired. Takes no result.
 *
 * DS_ERR_TIMEOUT, or DS_ERR_WOULD_DEADLOCK in a callback of the same backend.
 */
DS_API ds_result ds_queue_wait_idle(struct ds_queue *q, uint64_t timeout_ns);

/*
 * ds_queue_wait_request() - wait until one request has ended; takes no result.
 *
 * out may be NULL. DS_ERR_NOT_FOUND when its slot was given back: the result was
 * taken, or the queue keeps none.
 */
DS_API ds_result ds_queue_wait_request(struct ds_queue *q, uint64_t id, uint64_t timeout_ns,
				       struct ds_completion *out);

/*
 * ds_queue_event_fd() - a descriptor for an event loop.
 *
 * Readable (POLLIN) while results wait in the completion list. The caller polls
 * it but neither reads, writes nor closes it; ds_queue_poll() and ds_queue_wait()
 * reset it once the list is empty. Belongs to the queue. Returns -1 when the queue keeps no
 * results or the system has no descriptor left.
 */
DS_API int ds_queue_event_fd(struct ds_queue *q);

/* ------------------------------------------------------------- cancelling */

/*
 * ds_queue_cancel() - the strong form: returns only when the outcome is known.
 *
 * True: the request has ended CANCELLED. Its callback does not run and nothing
 * touches its source or destination again: they may be freed at once. False: it
 * had already ended (its callback may still be about to run) or never existed.
 *
 * Waits for an operation of the kernel that writes straight into the destination, or for
 * the piece that is being decoded or copied there just now, else not at all. Allowed in callbacks.
 */
DS_API bool ds_queue_cancel(struct ds_queue *q, uint64_t id);

/*
 * ds_queue_try_cancel() - the weak form: returns at once.
 *
 * True: the request's callback will not run, and it will end CANCELLED. The memory must
 * stay until it has. False: it had already ended or never existed.
 */
DS_API bool ds_queue_try_cancel(struct ds_queue *q, uint64_t id);

/* Strong, for all that are enqueued and not submitted. Returns how many. */
DS_API uint32_t ds_queue_cancel_pending(struct ds_queue *q);

/* Strong, for all. Returns how many ended CANCELLED by this call. */
DS_API uint32_t ds_queue_cancel_all(struct ds_queue *q);

/*
 * Strong, for all requests with (request.tag & mask) == (tag & mask). Returns how many ended
 * CANCELLED by this call. Corresponds to CancelRequestsWithTag, which does not wait.
 */
DS_API uint32_t ds_queue_cancel_tagged(struct ds_queue *q, uint64_t mask, uint64_t tag);

/* A request's DS_STATUS_*, or 0 when there is no such request any more. Advisory: it moves on. */
DS_API uint32_t ds_queue_request_status(struct ds_queue *q, uint64_t id);

/* ---------------------------------------------- status arrays and fences */

/*
 * Status arrays may be shared by queues. Destroying one while markers refer to it
 * is allowed: they keep what they need. Correspond to IDStorageStatusArray.
 */
DS_API ds_result ds_status_array_create(uint32_t count, struct ds_status_array **out);
DS_API void ds_status_array_destroy(struct ds_status_array *array);

/* False also for an index out of range, and again after an entry has been enqueued anew. */
DS_API bool ds_status_array_is_complete(const struct ds_status_array *array, uint32_t index);

/* The entry's result; DS_OK while it is not complete; DS_ERR_INVALID_ARGUMENT out of range. */
DS_API ds_result ds_status_array_result(const struct ds_status_array *array, uint32_t index);

/* A fence's value only grows. Destroying one while markers refer to it is allowed. */
DS_API ds_result ds_fence_create(uint64_t initial_value, struct ds_fence **out);
DS_API void ds_fence_destroy(struct ds_fence *fence);
DS_API uint64_t ds_fence_value(const struct ds_fence *fence);
/* Raises the value; a lower one is ignored. */
DS_API void ds_fence_signal(struct ds_fence *fence, uint64_t value);
/* DS_OK once the value is reached, or DS_ERR_TIMEOUT. */
DS_API ds_result ds_fence_wait(struct ds_fence *fence, uint64_t value, uint64_t timeout_ns);

/* ------------------------------------------------------------- statistics */

/*
 * Counters since creation. Taken without stopping anything: fields may be a few
 * requests apart.
 */
struct ds_stats {
	uint32_t size;
	uint32_t io_workers; /* of the backend */
	uint64_t requests_enqueued;
	uint64_t requests_submitted;
	uint64_t requests_completed; /* ended COMPLETE */
	uint64_t requests_failed;
	uint64_t requests_cancelled; /* timeouts included */
	uint64_t requests_timed_out;
	uint64_t requests_in_flight;	    /* submitted, not ended, or with a callback to come */
	uint64_t bytes_read;		    /* from files */
	uint64_t bytes_written;		    /* to files */
	uint64_t bytes_delivered;	    /* to destinations of requests that completed */
	uint64_t bytes_decoded;		    /* of those, out of a codec */
	uint64_t path_bytes[DS_PATH_COUNT]; /* delivered, by DS_PATH_* */
	uint64_t path_requests[DS_PATH_COUNT]; /* completed requests, by DS_PATH_* */
	uint64_t io_operations;		       /* handed to the engine */
	uint64_t io_retries;	   /* short, interrupted or refused ones that went again */
	uint64_t io_fixed_buffers; /* of those, into registered memory (io_uring) */
	uint64_t io_fixed_files;   /* of those, on registered files (io_uring) */
	uint64_t direct_refused;   /* direct operations that fell back to the page cache */
	/* From submit to end, of requests that completed; within 3 percent. */
	uint64_t latency_p50_ns;
	uint64_t latency_p90_ns;
	uint64_t latency_p99_ns;
	uint64_t latency_p999_ns;
	uint64_t latency_max_ns;
	uint64_t latency_mean_ns;
	uint64_t staging_nbytes; /* the budget */
	uint64_t staging_in_use;
	uint64_t staging_high_water;
	uint64_t cpu_ns;	   /* of all threads of the backend; 0 in a queue's statistics */
	uint64_t log_records_lost; /* the log callback was too slow for them */
	uint32_t decode_workers;   /* of the backend */
	uint32_t reserved;
	uint64_t bytes_device_decoded; /* of bytes_decoded, by the device and not by workers */
};
#define DS_STATS_INIT DS_INIT_(struct ds_stats)

DS_API ds_result ds_queue_get_stats(struct ds_queue *q, struct ds_stats *stats);
DS_API ds_result ds_backend_get_stats(struct ds_backend *be, struct ds_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* DS_RUNTIME_H */
