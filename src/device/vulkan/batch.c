/* SPDX-License-Identifier: MIT */
/* batch.c: a command buffer full of operations: recorded, submitted, taken apart. */
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "device/vulkan/vk.h"

ds_result ds_vk_batches_init(struct ds_vk_queue *q)
{
	struct ds_vk_device *d = q->d;
	const VkCommandPoolCreateInfo info = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
		.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
		.queueFamilyIndex = q->family,
	};

	for (unsigned i = 0; i < DS_VK_NR_BATCHES; i++) {
		struct ds_vk_batch *b = &q->batches[i];
		VkCommandBufferAllocateInfo commands = {
			.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
			.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
			.commandBufferCount = 1,
		};

		b->queue = q;
		if (d->vk.CreateCommandPool(d->device, &info, NULL, &b->pool))
			return DS_ERR_NO_MEMORY;
		commands.commandPool = b->pool;
		if (d->vk.AllocateCommandBuffers(d->device, &commands, &b->commands))
			return DS_ERR_NO_MEMORY;
	}
	return DS_OK;
}

void ds_vk_batches_fini(struct ds_vk_queue *q)
{
	for (unsigned i = 0; i < DS_VK_NR_BATCHES; i++) {
		if (q->batches[i].pool)
			q->d->vk.DestroyCommandPool(q->d->device, q->batches[i].pool, NULL);
		q->batches[i].pool = NULL;
	}
}

struct ds_vk_batch *ds_vk_batch_begin(struct ds_vk_queue *q, VkResult *result)
{
	struct ds_vk_device *d = q->d;
	struct ds_vk_batch *b = &q->batches[(q->submitted + 1) % DS_VK_NR_BATCHES];
	bool is_free;

	pthread_mutex_lock(&d->lock);
	is_free = q->submitted - q->retired < q->nr_limit;
	pthread_mutex_unlock(&d->lock);
	if (!is_free)
		return NULL;
	*result = d->vk.ResetCommandPool(d->device, b->pool, 0);
	if (!*result)
		*result = ds_vk_record_begin(&b->recorder, &d->vk, b->commands);
	if (*result)
		return NULL;
	if (q->is_narrow)
		ds_vk_record_resume(&b->recorder, q->can_compute);
	b->first = NULL;
	b->end = &b->first;
	b->nr_ops = 0;
	b->nbytes = 0;
	b->nr_tiles = 0;
	b->nr_regions = 0;
	b->table_tiles = 0;
	b->decoded_nbytes = 0;
	return b;
}

static void append(struct ds_vk_batch *b, struct ds_device_op *op)
{
	op->next = NULL;
	*b->end = op;
	b->end = &op->next;
	b->nr_ops++;
}

static uint64_t staging_offset(const struct ds_vk_device *d, const struct ds_device_op *op)
{
	return (uint64_t)((unsigned char *)op->host - d->staging.mapped);
}

/* ------------------------------------------------------------------ copies */

/* Where an image's bytes are collected when they do not come at once. */
static ds_result prepare_temporary(struct ds_vk_device *d, struct ds_vk_target *t)
{
	ds_result ret;

	if (t->temporary.buffer)
		return DS_OK;
	ret = ds_vk_memory_create(d, DS_VK_MEMORY_DEVICE, t->image.nbytes, 0, &t->temporary);
	if (ret)
		return ret;
	t->buffer = t->temporary.buffer;
	t->address = t->temporary.address;
	return DS_OK;
}

static VkImage image_of(const struct ds_device_op *op)
{
	return (VkImage)(uintptr_t)op->target->object;
}

static bool is_released(const struct ds_vk_target *t)
{
	return t->release_family != DS_VULKAN_NO_FAMILY;
}

/* Whom the target's bytes are for, as far as this queue knows such stages. */
static struct ds_vk_consumer consumer_of(const struct ds_vk_queue *q, const struct ds_vk_target *t)
{
	if (is_released(t) || (t->consumer.stages & ~q->stages))
		return (struct ds_vk_consumer){ 0 };
	return t->consumer;
}

/* Bytes on their way to the target. What is collected for an image is read by copies of ours. */
static void note_consumer(struct ds_vk_batch *b, const struct ds_vk_target *t)
{
	struct ds_vk_consumer consumer = { 0 };

	if (!t->is_image)
		consumer = consumer_of(b->queue, t);
	ds_vk_record_consumer(&b->recorder, &consumer);
}

static void record_image(struct ds_vk_batch *b, struct ds_device_op *op, VkBuffer buffer,
			 uint64_t offset)
{
	struct ds_vk_target *t = op->target->state;
	const struct ds_vk_handover to = {
		.from_family = b->queue->family,
		.to_family = is_released(t) ? t->release_family : b->queue->family,
		.consumer = consumer_of(b->queue, t),
	};

	ds_vk_record_image(&b->recorder, buffer, offset, image_of(op), &t->image, &to);
	t->is_placed = true;
}

static ds_result add_place(struct ds_vk_batch *b, struct ds_device_op *op)
{
	struct ds_vk_device *d = b->queue->d;
	struct ds_vk_target *t = op->target->state;
	uint64_t at = staging_offset(d, op);
	uint64_t begin = t->is_image ? 0 : op->target->offset;
	ds_result ret;

	if (t->is_image && op->is_whole && at % t->image.block_nbytes == 0 && at % 4 == 0) {
		record_image(b, op, d->staging.buffer, at);
		return DS_OK;
	}
	if (t->is_image) {
		ret = prepare_temporary(d, t);
		if (ret)
			return ret;
	}
	if (op->host_nbytes) {
		ds_vk_record_copy(&b->recorder, d->staging.buffer, at, t->buffer,
				  begin + op->target_offset, op->host_nbytes);
		note_consumer(b, t);
	}
	return DS_OK;
}

static void add_fetch(struct ds_vk_batch *b, struct ds_device_op *op)
{
	struct ds_vk_device *d = b->queue->d;
	const struct ds_vk_target *t = op->target->state;
	/* The host, and whoever gets that staging memory next. */
	const struct ds_vk_consumer everything = { 0 };

	if (!op->host_nbytes)
		return;
	ds_vk_record_copy(&b->recorder, t->buffer, op->target->offset + op->target_offset,
			  d->staging.buffer, staging_offset(d, op), op->host_nbytes);
	ds_vk_record_consumer(&b->recorder, &everything);
}

static void add_finish(struct ds_vk_batch *b, struct ds_device_op *op)
{
	const struct ds_vk_target *t = op->target->state;

	if (t->is_image && !t->is_placed)
		record_image(b, op, t->buffer, 0);
	else if (!t->is_image && is_released(t))
		ds_vk_record_release(&b->recorder, t->buffer, op->target->offset,
				     op->target->nbytes, b->queue->family, t->release_family);
}

ds_result ds_vk_batch_add(struct ds_vk_batch *b, struct ds_device_op *op)
{
	struct ds_vk_counters *n = &b->queue->d->counters;
	ds_result ret = DS_OK;

	if (op->opcode == DS_DEVICE_FINISH)
		add_finish(b, op);
	else if (op->opcode == DS_DEVICE_FETCH)
		add_fetch(b, op);
	else
		ret = add_place(b, op);
	if (ret)
		return ret;
	if (op->opcode != DS_DEVICE_FINISH) {
		b->nbytes += op->host_nbytes;
		ds_vk_count(&n->copies, 1);
		ds_vk_count(&n->copied_nbytes, op->host_nbytes);
	}
	append(b, op);
	return DS_OK;
}

/* ------------------------------------------------------------------ decode */

/*
 * Fills in the tiles of one operation, with sources relative to the operation's first byte; *nbytes
 * is how many bytes of it they lie in. Each entry of the stream's head is read once: it may lie
 * in memory that somebody is changing.
 */
static ds_result fill_tiles(struct ds_vk_device *d, const struct ds_device_op *op,
			    struct ds_vk_tile *tiles, uint64_t *nbytes)
{
	const struct ds_vk_target *t = op->target->state;
	uint64_t room = d->staging_nbytes - staging_offset(d, op);
	uint64_t end = 0;

	if (op->host_nbytes && op->host_nbytes < room)
		room = op->host_nbytes;
	for (uint32_t i = 0; i < op->nr_units; i++) {
		struct ds_codec_unit u;
		uint64_t at;

		op->codec->unit(op->head, op->all_units, op->target->nbytes, op->first_unit + i,
				&u);
		at = u.src_offset - op->stream_offset;
		if (u.src_offset < op->stream_offset || at > room || u.src_nbytes > room - at ||
		    at % 4 || u.dst_nbytes > op->target->nbytes ||
		    u.dst_offset > op->target->nbytes - u.dst_nbytes)
			return DS_ERR_CORRUPT_DATA;
		tiles[i] = (struct ds_vk_tile){
			.src = at,
			.dst = t->address + u.dst_offset,
			.src_nbytes = u.src_nbytes,
			.dst_nbytes = u.dst_nbytes,
		};
		end = ds_max_u64(end, at + u.src_nbytes);
	}
	/* The shader reads whole words. */
	*nbytes = ds_align_up(end, 4);
	return DS_OK;
}

/* The shader wants whole words; and reads fastest what is the device's own. */
static bool needs_scratch(const struct ds_vk_device *d, const struct ds_device_op *op)
{
	return d->copies_streams || (d->staging.address + staging_offset(d, op)) % 4;
}

static bool alloc_scratch(struct ds_vk_device *d, struct ds_device_op *op, uint64_t nbytes)
{
	uint64_t offset;
	bool ok;

	op->device_data[DS_VK_OP_SCRATCH_NBYTES] = 0;
	if (!needs_scratch(d, op) || !nbytes)
		return true;
	pthread_mutex_lock(&d->lock);
	ok = ds_arena_alloc(&d->scratch_arena, nbytes, &offset);
	pthread_mutex_unlock(&d->lock);
	if (ok) {
		op->device_data[DS_VK_OP_SCRATCH] = offset;
		op->device_data[DS_VK_OP_SCRATCH_NBYTES] = nbytes;
	}
	return ok;
}

/* Room in the tables for as many operations as one batch takes. False: not now. */
static bool alloc_table(struct ds_vk_device *d, struct ds_vk_batch *b)
{
	uint32_t nr = 0;
	bool ok;

	for (struct ds_device_op *op = d->decodes; op; op = op->next) {
		if (nr && nr + op->nr_units > DS_VK_MAX_BATCH_TILES)
			break;
		nr += op->nr_units;
	}
	if (!nr)
		nr = 1;
	pthread_mutex_lock(&d->lock);
	ok = ds_arena_alloc(&d->table_arena, nr, &b->table_at);
	pthread_mutex_unlock(&d->lock);
	b->table_tiles = ok ? nr : 0;
	return ok;
}

static uint64_t source_of(struct ds_vk_device *d, struct ds_vk_batch *copies,
			  struct ds_device_op *op, uint64_t nbytes)
{
	uint64_t at = staging_offset(d, op);

	if (!op->device_data[DS_VK_OP_SCRATCH_NBYTES])
		return d->staging.address + at;
	ds_vk_record_copy(&copies->recorder, d->staging.buffer, at, d->scratch.buffer,
			  op->device_data[DS_VK_OP_SCRATCH], nbytes);
	ds_vk_count(&d->counters.copied_nbytes, nbytes);
	return d->scratch.address + op->device_data[DS_VK_OP_SCRATCH];
}

/* No tile is less than the first word of each lane. */
#define MIN_TILE_NBYTES 128

/* Whether the driver shall decode all of an operation, which its caller vouches for. */
static bool can_driver(const struct ds_vk_device *d, const struct ds_device_op *op,
		       const struct ds_vk_tile *tiles)
{
	const struct ds_vk_target *t = op->target->state;

	if (!d->regions || !t->is_trusted)
		return false;
	for (uint32_t i = 0; i < op->nr_units; i++) {
		if (tiles[i].src % 4 || tiles[i].dst % 4 || tiles[i].src_nbytes < MIN_TILE_NBYTES ||
		    !tiles[i].dst_nbytes || tiles[i].dst_nbytes > 65536)
			return false;
	}
	return true;
}

static void add_regions(struct ds_vk_batch *b, struct ds_device_op *op,
			const struct ds_vk_tile *tiles)
{
	struct ds_vk_device *d = b->queue->d;

	for (uint32_t i = 0; i < op->nr_units; i++)
		d->regions[b->nr_regions++] = (VkDecompressMemoryRegionNV){
			.srcAddress = tiles[i].src,
			.dstAddress = tiles[i].dst,
			.compressedSize = tiles[i].src_nbytes,
			.decompressedSize = tiles[i].dst_nbytes,
			.decompressionMethod = VK_MEMORY_DECOMPRESSION_METHOD_GDEFLATE_1_0_BIT_NV,
		};
	op->is_by_driver = true;
	ds_vk_count(&d->counters.driver_decodes, 1);
	ds_vk_count(&d->counters.driver_decoded_nbytes, op->decoded_nbytes);
}

/* They are in the table already: now they stay there. */
static void add_tiles(struct ds_vk_batch *b, struct ds_device_op *op)
{
	op->device_data[DS_VK_OP_TILE] = b->table_at + b->nr_tiles;
	b->nr_tiles += op->nr_units;
}

static ds_result take_decode(struct ds_vk_batch *b, struct ds_vk_batch *copies,
			     struct ds_device_op *op, bool *has_room)
{
	struct ds_vk_device *d = b->queue->d;
	struct ds_vk_target *t = op->target->state;
	struct ds_vk_tile *tiles = d->tiles + b->nr_tiles;
	uint64_t nbytes, source;
	ds_result ret;

	ret = t->is_image ? prepare_temporary(d, t) : DS_OK;
	if (!ret)
		ret = fill_tiles(d, op, tiles, &nbytes);
	if (!ret && needs_scratch(d, op) && nbytes > d->scratch.nbytes)
		ret = DS_ERR_STAGING_TOO_SMALL;
	if (ret)
		return ret;
	*has_room = alloc_scratch(d, op, nbytes);
	if (!*has_room)
		return DS_OK;
	source = source_of(d, copies, op, nbytes);
	for (uint32_t i = 0; i < op->nr_units; i++)
		tiles[i].src += source;
	note_consumer(b, t);
	if (can_driver(d, op, tiles))
		add_regions(b, op, tiles);
	else
		add_tiles(b, op);
	b->decoded_nbytes += op->decoded_nbytes;
	ds_vk_count(&d->counters.decodes, 1);
	ds_vk_count(&d->counters.decoded_nbytes, op->decoded_nbytes);
	ds_vk_count(&d->counters.tiles, op->nr_units);
	return DS_OK;
}

static struct ds_device_op *pop_decode(struct ds_vk_device *d)
{
	struct ds_device_op *op = d->decodes;

	d->decodes = op->next;
	if (!d->decodes)
		d->decodes_end = &d->decodes;
	return op;
}

void ds_vk_batch_take_decodes(struct ds_vk_batch *b, struct ds_vk_batch *copies,
			      struct ds_device_op **failed)
{
	struct ds_vk_device *d = b->queue->d;
	bool has_room = true;

	if (!alloc_table(d, b))
		return;
	while (d->decodes && b->nr_ops < DS_VK_MAX_BATCH_OPS &&
	       b->nr_tiles + b->nr_regions + d->decodes->nr_units <= b->table_tiles) {
		ds_result ret = take_decode(b, copies, d->decodes, &has_room);
		struct ds_device_op *op;

		if (!has_room)
			break;
		op = pop_decode(d);
		if (ret) {
			op->device_data[DS_VK_OP_RESULT] = (uintptr_t)-ret;
			op->next = *failed;
			*failed = op;
		} else {
			append(b, op);
		}
	}
}

void ds_vk_batch_dispatch(struct ds_vk_batch *b)
{
	struct ds_vk_device *d = b->queue->d;
	const struct ds_vk_dispatch dispatch = {
		.tiles = d->table.address + b->table_at * sizeof(struct ds_vk_tile),
		.status = d->status.address + b->table_at * sizeof(uint32_t),
		.nr_tiles = b->nr_tiles,
	};
	const struct ds_vk_decoder *decoder;

	if (b->nr_tiles || b->nr_regions)
		ds_vk_record_copied(&b->recorder);
	if (b->nr_regions)
		ds_vk_record_decompress(&b->recorder, d->regions, b->nr_regions);
	if (!b->nr_tiles)
		return;
	memcpy(d->table.mapped + b->table_at * sizeof(struct ds_vk_tile), d->tiles,
	       b->nr_tiles * sizeof(struct ds_vk_tile));
	/* A tile that nobody got to must not look decoded. */
	memset(d->status.mapped + b->table_at * sizeof(uint32_t), 0xff,
	       b->nr_tiles * sizeof(uint32_t));
	decoder = ds_vk_pipelines_choose(&d->pipelines, b->nr_tiles);
	b->is_few = decoder == &d->pipelines.few;
	ds_vk_record_decode(&b->recorder, decoder, &dispatch);
	ds_vk_count(b->is_few ? &d->counters.few : &d->counters.many, 1);
}

/* ------------------------------------------------------------------ submit */

static void lock_queue(struct ds_vk_device *d, VkQueue queue)
{
	if (d->is_own)
		pthread_mutex_lock(&d->queue_lock);
	else if (d->cfg.lock_queue)
		d->cfg.lock_queue(d->cfg.lock_user_data, queue);
}

static void unlock_queue(struct ds_vk_device *d, VkQueue queue)
{
	if (d->is_own)
		pthread_mutex_unlock(&d->queue_lock);
	else if (d->cfg.unlock_queue)
		d->cfg.unlock_queue(d->cfg.lock_user_data, queue);
}

void ds_vk_lock(struct ds_vk_device *d)
{
	lock_queue(d, d->queues[0].queue);
}

void ds_vk_unlock(struct ds_vk_device *d)
{
	unlock_queue(d, d->queues[0].queue);
}

/*
 * What other queues have written and the host has seen done may be read or written again by this
 * one. Their semaphores have those values already: waiting costs nothing, and makes memory visible.
 */
static uint32_t make_waits(struct ds_vk_queue *q, const struct ds_vk_queue *after,
			   VkSemaphoreSubmitInfo *waits, uint64_t *waited)
{
	struct ds_vk_device *d = q->d;
	uint32_t nr = 0;

	memcpy(waited, q->waited, sizeof(q->waited));
	for (unsigned i = 0; i < d->nr_queues; i++) {
		const struct ds_vk_queue *other = &d->queues[i];
		uint64_t value =
			other == after ? other->submitted
				       : atomic_load_explicit((_Atomic uint64_t *)&other->completed,
							      memory_order_relaxed);

		if (other == q || value <= q->waited[i])
			continue;
		waited[i] = value;
		waits[nr++] = (VkSemaphoreSubmitInfo){
			.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
			.semaphore = other->timeline,
			.value = value,
			.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
		};
	}
	return nr;
}

VkResult ds_vk_batch_submit(struct ds_vk_batch *b, const struct ds_vk_queue *after)
{
	struct ds_vk_queue *q = b->queue;
	struct ds_vk_device *d = q->d;
	VkSemaphoreSubmitInfo waits[DS_VK_MAX_QUEUES];
	uint64_t waited[DS_VK_MAX_QUEUES];
	const VkSemaphoreSubmitInfo signal = {
		.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SUBMIT_INFO,
		.semaphore = q->timeline,
		.value = q->submitted + 1,
		.stageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT,
	};
	const VkCommandBufferSubmitInfo commands = {
		.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO,
		.commandBuffer = b->commands,
	};
	const VkSubmitInfo2 info = {
		.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO_2,
		.waitSemaphoreInfoCount = make_waits(q, after, waits, waited),
		.pWaitSemaphoreInfos = waits,
		.commandBufferInfoCount = 1,
		.pCommandBufferInfos = &commands,
		.signalSemaphoreInfoCount = 1,
		.pSignalSemaphoreInfos = &signal,
	};
	VkResult result = ds_vk_record_end(&b->recorder);

	if (result)
		return result;
	b->submit_ns = ds_now_ns();
	lock_queue(d, q->queue);
	result = d->vk.QueueSubmit2(q->queue, 1, &info, VK_NULL_HANDLE);
	unlock_queue(d, q->queue);
	if (result)
		return result;
	memcpy(q->waited, waited, sizeof(q->waited));
	q->is_narrow = ds_vk_record_is_narrow(&b->recorder);
	ds_vk_count(&d->counters.submits, 1);
	pthread_mutex_lock(&d->lock);
	q->submitted++;
	pthread_cond_signal(&q->submitted_more);
	pthread_mutex_unlock(&d->lock);
	return VK_SUCCESS;
}

/* ------------------------------------------------------------------ retire */

static bool is_decoded(const struct ds_vk_device *d, const struct ds_device_op *op)
{
	const uint32_t *status =
		(const uint32_t *)(const void *)d->status.mapped + op->device_data[DS_VK_OP_TILE];

	for (uint32_t i = 0; i < op->nr_units; i++) {
		if (status[i])
			return false;
	}
	return true;
}

struct ds_device_op *ds_vk_batch_retire(struct ds_vk_batch *b, bool check_status)
{
	struct ds_vk_device *d = b->queue->d;
	struct ds_device_op *list = b->first;

	for (struct ds_device_op *op = list; op; op = op->next) {
		if (op->opcode != DS_DEVICE_DECODE)
			continue;
		if (check_status && !op->is_by_driver && !is_decoded(d, op))
			op->device_data[DS_VK_OP_RESULT] = (uintptr_t)-DS_ERR_CORRUPT_DATA;
		if (op->device_data[DS_VK_OP_SCRATCH_NBYTES])
			ds_arena_free(&d->scratch_arena, op->device_data[DS_VK_OP_SCRATCH],
				      op->device_data[DS_VK_OP_SCRATCH_NBYTES]);
	}
	if (b->table_tiles)
		ds_arena_free(&d->table_arena, b->table_at, b->table_tiles);
	b->table_tiles = 0;
	b->first = NULL;
	return list;
}
