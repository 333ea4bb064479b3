/* SPDX-License-Identifier: MIT */
/*
 * handoff.c: windows on their way through a device.
 *
 * What a device does with staging memory it does later, on threads of its own. Until it says that
 * it is done the request counts as touched, as it does for an operation of the kernel that
 * writes straight into the caller's memory.
 */
#include <stdlib.h>

#include "core/queue.h"
#include "core/result.h"

bool ds_window_is_for_device(const struct ds_window *w)
{
	return w->on_device || w->out || (w->kind == DS_WINDOW_COPY && !w->slot->target.address);
}

bool ds_window_is_copied_in(const struct ds_window *w)
{
	return w->slot->io.fd < 0 && (w->on_device || w->kind == DS_WINDOW_COPY) &&
	       ds_window_is_for_device(w);
}

static void start_op(struct ds_slot *s, struct ds_device_op *op)
{
	struct ds_device *d = s->queue->be->pipeline.device;

	d->ops->start(d, op);
}

static enum ds_operation operation_of(const struct ds_device_op *op)
{
	switch (op->opcode) {
	case DS_DEVICE_PLACE:
		return DS_OPERATION_PLACE;
	case DS_DEVICE_DECODE:
		return DS_OPERATION_DECODE;
	case DS_DEVICE_FETCH:
		return DS_OPERATION_FETCH;
	default:
		return DS_OPERATION_FINISH;
	}
}

static void fail(struct ds_slot *s, const struct ds_device_op *op, ds_result result, int32_t code)
{
	ds_slot_fail(s, result, code, operation_of(op), -1, op->target_offset, op->host_nbytes);
}

/* Nobody wants it, or there is nothing to do: as if it had been done. */
static void pass_on(struct ds_window *w)
{
	if (w->kind == DS_WINDOW_FEED)
		ds_window_fed(w);
	else
		ds_window_end(w);
}

static void after_placing(struct ds_window *w)
{
	struct ds_pipeline *pl = &w->slot->queue->be->pipeline;

	if (w->kind == DS_WINDOW_FEED && !w->is_fed && ds_slot_is_wanted(w->slot))
		ds_workers_push(&pl->workers, w); /* the next part of what it gives */
	else
		pass_on(w);
}

static void handed_over(struct ds_device_op *op, ds_result result, int32_t code)
{
	struct ds_window *w = ds_container_of(op, struct ds_window, device_op);
	struct ds_slot *s = w->slot;
	bool decodes = op->opcode == DS_DEVICE_DECODE;
	uint64_t nbytes = decodes ? op->decoded_nbytes : op->host_nbytes;

	if (result) {
		fail(s, op, result, code);
	} else {
		atomic_fetch_add_explicit(&s->bytes_delivered, nbytes, memory_order_relaxed);
		if (decodes)
			atomic_fetch_add_explicit(&s->bytes_device_decoded, nbytes,
						  memory_order_relaxed);
		if (decodes && op->is_by_driver)
			atomic_fetch_add_explicit(&s->bytes_driver_decoded, nbytes,
						  memory_order_relaxed);
	}
	ds_pipeline_touch_end(s);
	after_placing(w);
}

static void make_place(struct ds_window *w, void *host, uint64_t nbytes, uint64_t target_offset)
{
	const struct ds_target *t = &w->slot->target;

	w->device_op = (struct ds_device_op){
		.opcode = DS_DEVICE_PLACE,
		.is_whole = !target_offset && nbytes == t->nbytes,
		.target = t,
		.host = host,
		.host_nbytes = nbytes,
		.target_offset = target_offset,
		.done = handed_over,
	};
}

/* The sum of the units' sizes, and where the first one's bytes go. */
static void units_output(const struct ds_window *w, uint64_t *offset, uint64_t *nbytes)
{
	const struct ds_slot *s = w->slot;
	struct ds_codec_unit first, last;

	s->codec->unit(w->head, w->all_units, s->result_nbytes, w->first_unit, &first);
	s->codec->unit(w->head, w->all_units, s->result_nbytes, w->first_unit + w->nr_units - 1,
		       &last);
	*offset = first.dst_offset;
	*nbytes = last.dst_offset + last.dst_nbytes - first.dst_offset;
}

static bool make_decode(struct ds_window *w)
{
	struct ds_slot *s = w->slot;
	uint64_t offset = 0, nbytes = 0;
	ds_result ret = w->kind == DS_WINDOW_WHOLE ? ds_window_plan(w) : DS_OK;

	if (ret) {
		ds_slot_fail(s, ret, 0, DS_OPERATION_DECODE, s->io.fd, s->file_offset, s->nbytes);
		return false;
	}
	if (w->nr_units)
		units_output(w, &offset, &nbytes);
	w->device_op = (struct ds_device_op){
		.opcode = DS_DEVICE_DECODE,
		.is_whole = nbytes == s->target.nbytes,
		.target = &s->target,
		.host = (unsigned char *)w->staging + (w->bytes - w->staging),
		.host_nbytes = w->src_nbytes,
		.target_offset = offset,
		.codec = s->codec,
		.head = w->head,
		.stream_offset = w->src_offset,
		.decoded_nbytes = nbytes,
		.first_unit = w->first_unit,
		.nr_units = w->nr_units,
		.all_units = w->all_units,
		.done = handed_over,
	};
	return nbytes;
}

/* False: there is nothing to do. */
static bool make_device_op(struct ds_window *w)
{
	if (w->on_device)
		return make_decode(w);
	if (w->out)
		make_place(w, w->out, w->out_nbytes, w->out_offset);
	else
		make_place(w, w->staging + (w->bytes - w->staging),
			   ds_min_u64(w->src_nbytes,
				      atomic_load_explicit(&w->valid_nbytes, memory_order_relaxed)),
			   w->src_offset);
	return w->device_op.host_nbytes;
}

void ds_window_hand_over(struct ds_window *w)
{
	struct ds_slot *s = w->slot;

	if (!ds_slot_wants_bytes(s)) {
		pass_on(w);
		return;
	}
	if (!make_device_op(w))
		after_placing(w);
	else if (!ds_slot_touch_begin(s))
		pass_on(w);
	else
		start_op(s, &w->device_op);
}

/* ------------------------------------------------- from the device to a file */

static void fetched(struct ds_device_op *op, ds_result result, int32_t code)
{
	struct ds_window *w = ds_container_of(op, struct ds_window, device_op);
	struct ds_slot *s = w->slot;
	struct ds_pipeline *pl = &s->queue->be->pipeline;

	if (result)
		fail(s, op, result, code);
	if (!ds_slot_wants_bytes(s)) {
		ds_op_dropped(w->write);
		return;
	}
	/* From here on a cancel may take it back from the engine. */
	pthread_mutex_lock(&pl->lock);
	w->write->is_out = true;
	pthread_mutex_unlock(&pl->lock);
	pl->engine->ops->start(pl->engine, &w->write->io);
}

void ds_window_fetch(struct ds_window *w)
{
	struct ds_slot *s = w->slot;

	w->is_touching = ds_slot_touch_begin(s);
	if (!w->is_touching) {
		ds_op_dropped(w->write);
		return;
	}
	w->device_op = (struct ds_device_op){
		.opcode = DS_DEVICE_FETCH,
		.is_whole = w->src_nbytes == s->target.nbytes,
		.target = &s->target,
		.host = w->staging,
		.host_nbytes = w->src_nbytes,
		.target_offset = w->src_offset,
		.done = fetched,
	};
	start_op(s, &w->device_op);
}

void ds_window_written(struct ds_window *w)
{
	if (w->is_touching)
		ds_pipeline_touch_end(w->slot);
	ds_window_end(w);
}

/* -------------------------------------------------------------- the target's end */

static void finished(struct ds_device_op *op, ds_result result, int32_t code)
{
	struct ds_slot *s = (struct ds_slot *)op->host;

	if (result)
		fail(s, op, result, code);
	ds_pipeline_touch_end(s);
	ds_pipeline_work_done(s);
}

bool ds_target_finish(struct ds_slot *s)
{
	if (!s->finish || s->is_finishing || !ds_slot_is_wanted(s))
		return false;
	s->is_finishing = true;
	atomic_store_explicit(&s->work, 1, memory_order_relaxed);
	if (!ds_slot_touch_begin(s))
		return false;
	*s->finish = (struct ds_device_op){
		.opcode = DS_DEVICE_FINISH,
		.is_whole = true,
		.target = &s->target,
		.host = s, /* for finished(); the device has no use for it */
		.done = finished,
	};
	start_op(s, s->finish);
	return true;
}

void ds_target_release(struct ds_pipeline *pl, struct ds_slot *s)
{
	if (s->target.state)
		pl->device->ops->release(pl->device, &s->target);
	s->target.state = NULL;
	free(s->finish);
	s->finish = NULL;
}
