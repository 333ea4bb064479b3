/* SPDX-License-Identifier: MIT */
/*
 * failures.c: a queue's error record and error event.
 *
 * Both are there before a marker that follows the failure fires, because programs look right
 * after their wait for the marker.
 */
#include <string.h>

#include "core.h"
#include "file.h"
#include "log.h"
#include "queue.h"

static void show(const struct queue *q, const char *what, HRESULT hr)
{
	char line[256];

	log_warn("queue %p (%s): %s failed with %08lx\n", (const void *)q,
		 q->name[0] ? q->name : "no name", what, hr);
	if (core_debug_flags() & DSTORAGE_DEBUG_SHOW_ERRORS) {
		wsprintfA(line, "DirectStorage: queue %p: %.150s failed with 0x%08lx\n",
			  (const void *)q, what, hr);
		OutputDebugStringA(line);
	}
	/* Samples set this flag in every build: so only where somebody watches. */
	if (core_debug_flags() & DSTORAGE_DEBUG_BREAK_ON_ERROR && IsDebuggerPresent())
		DebugBreak();
}

/* Returns the record's first failure if this one is earlier than what it has. */
static DSTORAGE_ERROR_FIRST_FAILURE *count(struct queue *q, UINT64 sequence, HRESULT hr,
					   DSTORAGE_COMMAND_TYPE type)
{
	DSTORAGE_ERROR_FIRST_FAILURE *first = &q->record.FirstFailure;

	SetEvent(q->error_event);
	if (q->record.FailureCount++ && sequence > q->failure_sequence)
		return NULL;
	memset(first, 0, sizeof(*first));
	first->HResult = hr;
	first->CommandType = type;
	q->failure_sequence = sequence;
	return first;
}

void queue_note_request_failure(struct request *r, HRESULT hr)
{
	DSTORAGE_ERROR_FIRST_FAILURE *first =
		count(r->queue, r->sequence, hr, DSTORAGE_COMMAND_TYPE_REQUEST);

	show(r->queue, r->name[0] ? r->name : "a request", hr);
	if (!first)
		return;
	if (r->file)
		memcpy(first->Request.Filename, r->file->name, sizeof(r->file->name));
	memcpy(first->Request.RequestName, r->name, sizeof(r->name));
	first->Request.Request = r->desc;
}

void queue_note_marker_failure(struct queue *q, const struct marker *m, HRESULT hr)
{
	static const DSTORAGE_COMMAND_TYPE types[] = {
		[MARKER_STATUS] = DSTORAGE_COMMAND_TYPE_STATUS,
		[MARKER_SIGNAL] = DSTORAGE_COMMAND_TYPE_SIGNAL,
		[MARKER_EVENT] = DSTORAGE_COMMAND_TYPE_EVENT,
	};
	static const char *const names[] = { "EnqueueStatus", "EnqueueSignal", "EnqueueSetEvent" };
	DSTORAGE_ERROR_FIRST_FAILURE *first = count(q, m->sequence, hr, types[m->kind]);

	show(q, names[m->kind], hr);
	if (!first)
		return;
	switch (m->kind) {
	case MARKER_STATUS:
		first->Status.StatusArray = m->array_param;
		first->Status.Index = m->index;
		break;
	case MARKER_SIGNAL:
		first->Signal.Fence = m->fence;
		first->Signal.Value = m->value;
		break;
	case MARKER_EVENT:
		first->Event.Handle = m->event_param;
		break;
	}
}

void queue_reset_record(struct queue *q)
{
	memset(&q->record, 0, sizeof(q->record));
	q->record.FirstFailure.CommandType = DSTORAGE_COMMAND_TYPE_NONE;
}
