/* SPDX-License-Identifier: MIT */
/*
 * load_run.c: keeps one queue full of requests until all files are loaded.
 *
 * One thread opens files, cuts them into requests, and takes results; the runtime does
 * the rest. Requests in flight are limited by the queue's depth and by the memory for
 * their destinations, whichever is reached first.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.h"
#include "load.h"
#include "tool.h"

/* Raw files are cut here, so that a large one needs no more memory than many small ones. */
#define REQUEST_NBYTES ((uint64_t)4 << 20)

/* How late a Ctrl-C may be noticed, and how often the bar is drawn. */
#define WAIT_NS 50000000u

enum step {
	STEP_ENQUEUED,
	STEP_LATER, /* results have to come first */
	STEP_FILES_DONE,
};

void load_fail(struct load *l, const char *path, const char *why)
{
	struct load_failure *f;

	tool_error("%s: %s", path, why);
	l->has_failed = true;
	if (l->nr_failures == l->failure_room) {
		size_t room = l->failure_room ? 2 * l->failure_room : 16;
		struct load_failure *grown = realloc(l->failures, room * sizeof(*grown));

		/* It is on stderr already, and the exit code will be right. */
		if (!grown)
			return;
		l->failures = grown;
		l->failure_room = room;
	}
	f = &l->failures[l->nr_failures++];
	f->path = strdup(path);
	f->why = strdup(why);
}

/* ------------------------------------------------------------ next request */

/* How large a compressed file is when decompressed. NULL, or why that is not known. */
static const char *read_declared(const struct load *l, const char *path,
				 const struct format *format, uint64_t *declared)
{
	unsigned char head[INPUT_HEAD_NBYTES];
	ssize_t n;
	int fd;
	int err;

	if (!format->declared_nbytes || !ds_backend_has_codec(l->backend, format->codec))
		return "this build lacks its format";
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return strerror(errno);
	n = pread_full(fd, head, sizeof(head), 0);
	err = errno;
	close(fd);
	if (n < 0)
		return strerror(err);
	return format->declared_nbytes(head, (size_t)n, declared);
}

/* NULL, with the cursor's file open, or why it cannot be. */
static const char *open_file(struct load *l)
{
	struct load_cursor *c = &l->cursor;
	const char *path = l->walk.files[c->index].path;
	struct ds_file_info info = DS_FILE_INFO_INIT;
	const char *wrong = NULL;
	ds_result ret;

	errno = 0;
	ret = ds_file_open(l->backend, path, DS_FILE_READ, &c->file);
	if (ret != DS_OK) {
		c->file = NULL;
		return errno ? strerror(errno) : ds_result_message(ret);
	}
	ret = ds_file_get_info(c->file, &info);
	if (ret != DS_OK)
		wrong = ds_result_message(ret);
	c->format = format_by_path(path);
	c->offset = 0;
	c->src_nbytes = info.nbytes;
	c->dst_nbytes = info.nbytes;
	if (!wrong && c->format)
		wrong = read_declared(l, path, c->format, &c->dst_nbytes);
	if (wrong) {
		ds_file_close(c->file);
		c->file = NULL;
	}
	return wrong;
}

/* False when there is no file left. */
static bool seek_next_file(struct load *l)
{
	struct load_cursor *c = &l->cursor;

	for (; !c->file && c->index < l->walk.nr_files; c->index++) {
		const char *wrong = open_file(l);

		if (!wrong)
			return true;
		load_fail(l, l->walk.files[c->index].path, wrong);
		l->done_nbytes += l->walk.files[c->index].nbytes;
	}
	return c->file;
}

static void leave_file(struct load_cursor *c)
{
	/* Requests that use it keep it open. */
	ds_file_close(c->file);
	c->file = NULL;
	c->index++;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Which part of the cursor's file comes next. */
static void cut_request(const struct load *l, struct load_slot *slot)
{
	const struct load_cursor *c = &l->cursor;
	uint64_t most = min_u64(REQUEST_NBYTES, l->options.memory_nbytes);

	slot->file = &l->walk.files[c->index];
	slot->format = c->format;
	slot->offset = c->offset;
	slot->src_nbytes = c->format ? c->src_nbytes : min_u64(most, c->src_nbytes - c->offset);
	slot->dst_nbytes = c->format ? c->dst_nbytes : slot->src_nbytes;
}

static void fill_request(const struct load *l, struct load_slot *slot, struct ds_request *r)
{
	r->source.kind = DS_LOCATION_FILE;
	r->source.file = l->cursor.file;
	r->source.offset = slot->offset;
	r->source.nbytes = slot->src_nbytes;
	if (slot->buffer->data) {
		r->destination.kind = DS_LOCATION_MEMORY;
		r->destination.data = slot->buffer->data;
	} else {
		r->destination.kind = DS_LOCATION_VULKAN_BUFFER;
		r->destination.object = ds_vulkan_object(slot->buffer->gpu.buffer);
	}
	r->destination.nbytes = slot->buffer->room;
	if (slot->format) {
		r->codec = slot->format->codec;
		r->uncompressed_nbytes = slot->dst_nbytes;
	}
	r->user_data = slot;
	/* Without a name: the file's stands before every message already. */
}

static void give_slot_back(struct load *l, struct load_slot *slot)
{
	if (slot->buffer)
		load_buffers_put(&l->buffers, slot->buffer);
	slot->buffer = NULL;
	slot->next_free = l->free_slots;
	l->free_slots = slot;
}

/* Enqueues what the slot holds. A refusal is the file's failure, not the program's. */
static void enqueue_slot(struct load *l, struct load_slot *slot)
{
	struct ds_request r = DS_REQUEST_INIT;
	ds_result ret;

	fill_request(l, slot, &r);
	ret = ds_queue_enqueue(l->queue, &r, NULL);
	if (ret == DS_OK) {
		l->nr_in_flight++;
		return;
	}
	load_fail(l, slot->file->path, ds_result_message(ret));
	l->done_nbytes += slot->src_nbytes;
	give_slot_back(l, slot);
}

static enum step enqueue_next(struct load *l)
{
	struct load_slot *slot = l->free_slots;
	struct load_cursor *c = &l->cursor;
	enum load_buffer_result got;

	if (!slot)
		return STEP_LATER;
	if (!seek_next_file(l))
		return STEP_FILES_DONE;
	cut_request(l, slot);
	got = load_buffers_get(&l->buffers, slot->dst_nbytes, &slot->buffer);
	if (got == LOAD_BUFFER_LATER)
		return STEP_LATER;
	c->offset += slot->src_nbytes;
	if (got == LOAD_BUFFER_OK) {
		l->free_slots = slot->next_free;
		enqueue_slot(l, slot);
	} else {
		load_fail(l, slot->file->path, "no memory is left for its destination");
		l->done_nbytes += slot->src_nbytes;
	}
	if (c->offset >= c->src_nbytes)
		leave_file(c);
	return STEP_ENQUEUED;
}

/* ---------------------------------------------------------------- results */

static void verify_slot(struct load *l, const struct load_slot *slot)
{
	uint64_t begin = tool_now_ns();
	uint64_t begin_cpu = tool_thread_cpu_ns();
	const char *wrong = load_verify(l, slot);

	if (wrong == format_stopped) {
		/* Neither right nor wrong: it was not finished. */
	} else if (wrong) {
		char why[256];

		snprintf(why, sizeof(why), "verification of %" PRIu64 " bytes at %" PRIu64 ": %s",
			 slot->dst_nbytes, slot->offset, wrong);
		load_fail(l, slot->file->path, why);
		l->result.nr_different++;
	} else {
		l->result.nr_verified++;
		l->result.verified_nbytes += slot->dst_nbytes;
	}
	l->result.verify_ns += tool_now_ns() - begin;
	l->result.cpu_ns -= tool_thread_cpu_ns() - begin_cpu;
}

static void take_result(struct load *l, const struct ds_completion *c)
{
	struct load_slot *slot = c->user_data;
	char why[512];

	l->nr_in_flight--;
	l->done_nbytes += slot->src_nbytes;
	if (c->status == DS_STATUS_FAILED)
		load_fail(l, slot->file->path, ds_completion_describe(c, why, sizeof(why)));
	else if (c->status == DS_STATUS_COMPLETE && c->bytes_transferred != slot->dst_nbytes)
		load_fail(l, slot->file->path, "a request completed with another number of bytes");
	else if (c->status == DS_STATUS_COMPLETE && l->options.verify && !load_is_stopped())
		verify_slot(l, slot);
	give_slot_back(l, slot);
	progress_update(&l->progress, l->done_nbytes);
}

static int take_results(struct load *l, uint64_t timeout_ns)
{
	/* Of many, some at once: waking up for each one takes time from those who decode. */
	uint32_t least = l->nr_in_flight ? 1 + (uint32_t)(l->nr_in_flight - 1) / 16 : 1;
	uint32_t taken = 0;
	ds_result ret;

	ret = ds_queue_wait(l->queue, l->completions, (uint32_t)l->options.queue_depth, least,
			    timeout_ns, &taken);
	for (uint32_t i = 0; i < taken; i++)
		take_result(l, &l->completions[i]);
	progress_update(&l->progress, l->done_nbytes);
	if (ret == DS_OK || ret == DS_ERR_TIMEOUT)
		return TOOL_OK;
	tool_error("waiting for results: %s", ds_result_message(ret));
	return TOOL_FAILED;
}

static size_t files_not_begun(const struct load *l)
{
	const struct load_cursor *c = &l->cursor;
	bool is_begun = c->file && c->offset > 0;

	return l->walk.nr_files - c->index - (is_begun ? 1 : 0);
}

static int cancel_rest(struct load *l)
{
	int ret = TOOL_OK;

	l->result.was_interrupted = true;
	l->result.nr_cancelled_by_us = ds_queue_cancel_all(l->queue);
	while (l->nr_in_flight && ret == TOOL_OK)
		ret = take_results(l, DS_WAIT_FOREVER);
	tool_note("interrupted: %" PRIu64 " requests cancelled, %zu of %zu files not begun",
		  l->result.nr_cancelled_by_us, files_not_begun(l), l->walk.nr_files);
	return ret;
}

/* Enqueues while it can. False when all files are through. */
static bool fill_queue(struct load *l)
{
	enum step step;

	do {
		step = enqueue_next(l);
	} while (step == STEP_ENQUEUED && !load_is_stopped());
	return step != STEP_FILES_DONE;
}

static int run_loop(struct load *l)
{
	bool is_more = true;
	int ret = TOOL_OK;

	while (ret == TOOL_OK && (is_more || l->nr_in_flight)) {
		if (load_is_stopped())
			return cancel_rest(l);
		if (is_more) {
			is_more = fill_queue(l);
			ds_queue_submit(l->queue);
		}
		if (l->nr_in_flight)
			ret = take_results(l, WAIT_NS);
	}
	return ret;
}

int load_run(struct load *l)
{
	uint64_t begin = tool_now_ns();
	uint64_t begin_cpu = tool_process_cpu_ns();
	int ret;

	progress_begin(&l->progress, "loading", l->walk.nbytes);
	ret = run_loop(l);
	progress_end(&l->progress);
	l->result.elapsed_ns = tool_now_ns() - begin;
	/* What verifying took was subtracted already: the sum wraps round to what is left. */
	l->result.cpu_ns += tool_process_cpu_ns() - begin_cpu;
	ds_file_close(l->cursor.file);
	l->cursor.file = NULL;
	return ret;
}
