/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the manager is made of. It sees the runtime through its public headers alone.
 *
 * A job is what a caller asked for. Runners (threads) take jobs in order; a caller that waits
 * for a job which no runner has taken yet runs it itself. A job runs with a queue of its own,
 * taken from a stack of them, cuts its work into requests and watches their ends: so cancelling
 * a job is cancelling its queue. Vectors are gathered by the crew, some more threads.
 *
 *	manager.c   making it; runners; statistics
 *	pool.c      device memory, with a limit
 *	file.c      open files, and which way they will take
 *	job.c       a job's life, from the outside
 *	transfer.c  a job's ranges as requests
 *	load.c      ranges and whole models as jobs
 *	tensors.c   tensors as jobs
 *	vectors.c   vectors by their index
 *	crew.c      threads that gather
 *	model.c, model_open.c, json.c	safetensors
 *
 * Locks: the manager's, then a job's; the pool's and the crew's are taken alone.
 */
#ifndef DS_GDS_INTERNAL_H
#define DS_GDS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/copy_struct.h"
#include "base/pages.h"
#include "base/util.h"
#include "ds_runtime_gds.h"

#define DS_POOL_BUCKETS 1024u
#define DS_JOB_WHY	256u
#define DS_FILE_LANES	16u
#define DS_QUEUE_ROOM	256u

static inline uint64_t ds_manager_round_up(uint64_t v, uint64_t align)
{
	return (v + align - 1) / align * align;
}

/* --------------------------------------------------------------------- pool */

struct ds_pool_block {
	struct ds_pool_block *next; /* of its bucket */
	uint64_t address;
	uint64_t base; /* what the device gave */
	uint64_t nbytes;
};

struct ds_pool {
	struct ds_backend *be;
	bool is_host;
	uint64_t alignment;
	uint64_t limit;	      /* 0: none */
	pthread_mutex_t lock; /* guards the rest */
	struct ds_pool_block *buckets[DS_POOL_BUCKETS];
	uint64_t in_use;
	uint64_t high_water;
};

void ds_pool_init(struct ds_pool *p, struct ds_backend *be, bool is_host, uint64_t alignment,
		  uint64_t limit);
void ds_pool_fini(struct ds_pool *p);
ds_result ds_pool_alloc(struct ds_pool *p, uint64_t nbytes, uint64_t *address);
ds_result ds_pool_free(struct ds_pool *p, uint64_t address);

/* --------------------------------------------------------------------- crew */

struct ds_crew_task {
	struct ds_crew_task *next;
	void (*run)(void *arg, uint32_t part);
	void *arg;
	uint32_t nr_parts;
	atomic_uint next_part;
	/* Guarded by the crew's lock: */
	unsigned nr_inside;
};

struct ds_crew {
	unsigned nr_wanted;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t wake;
	pthread_cond_t left;
	pthread_t *threads;
	unsigned nr;
	struct ds_crew_task *tasks;
	bool is_stopping;
};

void ds_crew_init(struct ds_crew *c, unsigned nr_threads);
void ds_crew_fini(struct ds_crew *c);
/* Has the parts run; t's first fields are set. Between these two calls the caller does something else. */
void ds_crew_begin(struct ds_crew *c, struct ds_crew_task *t);
/* Helps with what is left, and returns when all parts are done. */
void ds_crew_finish(struct ds_crew *c, struct ds_crew_task *t);

/* ------------------------------------------------------------------ manager */

struct ds_gds_file {
	atomic_uint refs;
	struct ds_gds *g;
	struct ds_file *file;
	int fd;
	/*
	 * The same file, opened more often: threads that read by the same open file slow each
	 * other down, for each read counts a reference to it. -1: not open.
	 */
	atomic_int lanes[DS_FILE_LANES];
	uint64_t nbytes;
	uint32_t alignment;
	char file_system[16];
	char why[DS_JOB_WHY]; /* not a faster path, whatever is cached */
};

void ds_manager_file_ref(struct ds_gds_file *f);
void ds_manager_file_unref(struct ds_gds_file *f);
/* A descriptor for one of several threads; any number will do. */
int ds_manager_file_lane(struct ds_gds_file *f, uint32_t number);

/* What a job runs with; kept for the next one. */
struct ds_workspace {
	struct ds_workspace *next;
	struct ds_queue *queue;
	void *buffers[2]; /* for vectors; made when they are first needed */
	size_t buffer_nbytes;
};

struct ds_gds {
	struct ds_backend *be;
	bool has_device;
	struct ds_gds_info info;
	uint64_t batch_nbytes;
	uint64_t alignment;
	struct ds_pool pool;
	struct ds_crew crew;
	unsigned nr_runners;
	unsigned max_runners;
	pthread_t *runners;
	_Atomic uint64_t ceiling;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wake;
	struct ds_gds_job *first; /* jobs that wait */
	struct ds_gds_job *last;
	struct ds_workspace *spare;
	unsigned nr_running;
	bool is_stopping;
	uint64_t busy_since_ns;
	struct ds_gds_stats stats;
	uint64_t sum_run_ns;
	uint64_t sum_latency_ns;
};

/* --------------------------------------------------------------------- jobs */

enum ds_job_state {
	DS_JOB_WAITING,
	DS_JOB_RUNNING,
	DS_JOB_ENDED,
};

/* What one item of a job loads, and the range of the file that it comes from. */
struct ds_job_item {
	struct ds_gds_file *file; /* referenced */
	uint64_t offset;
	uint64_t nbytes; /* in the file */
	uint64_t address;
	uint64_t out_nbytes; /* at the address */
	uint64_t checksum;
	uint32_t codec;
	uint32_t tensor;
	bool is_ours; /* memory of the pool, given back unless the job ends well */
};

/* A stretch of a file to be read: one or more items. */
struct ds_job_range {
	struct ds_gds_file *file;
	uint64_t offset;
	uint64_t nbytes;
	uint64_t address;
	uint64_t out_nbytes;
	uint32_t codec;
};

struct ds_vector_job {
	struct ds_gds_file *file;
	uint64_t offset;
	uint64_t vector_nbytes;
	uint64_t stride_nbytes;
	uint64_t *indices; /* NULL: first, first + 1, ... */
	uint64_t first;
	uint64_t nr;
	uint64_t destination;
};

struct ds_gds_job {
	atomic_uint refs; /* the caller's, and the runner's */
	struct ds_gds *g;
	struct ds_gds_job *next;
	struct ds_gds_job_config cfg;
	struct ds_safetensors *model; /* referenced, or NULL */
	struct ds_job_item *items;
	uint32_t nr_items;
	struct ds_job_range *ranges;
	uint32_t nr_ranges;
	struct ds_vector_job vectors;
	bool is_vectors;
	uint64_t arena; /* of the pool, given back unless the job ends well; 0: none */
	uint64_t created_ns;
	uint64_t total_nbytes;
	_Atomic uint64_t done_nbytes;
	atomic_bool wants_cancel;
	pthread_t runner; /* while RUNNING */
	/* The runner's, until the end: */
	struct ds_gds_report report;

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t ended;
	enum ds_job_state state;
	struct ds_workspace *space; /* while RUNNING */
};

/* job.c */
ds_result ds_job_create(struct ds_gds *g, const struct ds_gds_job_config *cfg, uint32_t nr_items,
			struct ds_gds_job **out);
/* Hands it to the runners, and to the caller. */
ds_result ds_job_begin(struct ds_gds_job *job, struct ds_gds_job **out);
void ds_job_unref(struct ds_gds_job *job);
/* Notes how it went; the first failure counts. */
void ds_job_fail(struct ds_gds_job *job, ds_result result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* One more reason, unless it is there already. */
void ds_job_why(struct ds_gds_job *job, const char *why);
void ds_job_progress(struct ds_gds_job *job, uint64_t nbytes);
/* Runs it on this thread. It was taken off the list. */
void ds_job_run(struct ds_gds_job *job);

/* manager.c */
/*
 * Takes a job off the list, to be run now. False: somebody has it, or (in_turn) others came
 * before, or too many run.
 */
bool ds_manager_take(struct ds_gds *g, struct ds_gds_job *job, bool in_turn);
void ds_manager_count(struct ds_gds_job *job, uint64_t latency_ns);

ds_result ds_manager_get_space(struct ds_gds *g, struct ds_workspace **out);
void ds_manager_put_space(struct ds_gds *g, struct ds_workspace *w);

/* transfer.c */
void ds_job_transfer(struct ds_gds_job *job);
/* A destination at an address of the job's kind of memory. */
struct ds_location ds_job_destination(const struct ds_gds_job *job, uint64_t address,
				      uint64_t nbytes);
/* Notes how a request ended, but not its bytes. */
void ds_job_ended(struct ds_gds_job *job, const struct ds_completion *c);

/* vectors.c */
void ds_job_gather(struct ds_gds_job *job);

#endif /* DS_GDS_INTERNAL_H */
