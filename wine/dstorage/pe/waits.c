/* SPDX-License-Identifier: MIT */
/*
 * waits.c: see waits.h.
 *
 * One auto-reset event serves all fences: it says that some fence moved, and the thread asks
 * each one how far it is. So there is no limit on how many are waited for.
 */
#include "waits.h"

#include "base/list.h"
#include "core.h"
#include "errors.h"
#include "gpu.h"

struct fence_wait {
	struct ds_list link; /* of waits, until it is over */
	LONG refs;	     /* one of the list, one of each request */
	LONG is_over;
	ID3D12Fence *fence;
	UINT64 value;
};

static SRWLOCK waits_lock = SRWLOCK_INIT; /* guards the list */
static struct ds_list waits = { &waits, &waits };
static HANDLE moved;

/* True if at least one is over now. */
static bool look(void)
{
	struct ds_list over;
	bool any = false;

	ds_list_init(&over);
	AcquireSRWLockExclusive(&waits_lock);
	for (struct ds_list *at = waits.next, *next; at != &waits; at = next) {
		struct fence_wait *w = ds_list_entry(at, struct fence_wait, link);

		next = at->next;
		if (ID3D12Fence_GetCompletedValue(w->fence) < w->value)
			continue;
		InterlockedExchange(&w->is_over, 1);
		ds_list_remove(at);
		ds_list_push_back(&over, at);
		any = true;
	}
	ReleaseSRWLockExclusive(&waits_lock);
	while (!ds_list_is_empty(&over))
		wait_unref(ds_list_entry(ds_list_pop_front(&over), struct fence_wait, link));
	return any;
}

static DWORD WINAPI watch(void *arg)
{
	(void)arg;
	for (;;) {
		WaitForSingleObject(moved, INFINITE);
		if (look())
			core_note_space();
		gpu_retire_all();
		core_kick();
	}
	return 0;
}

HRESULT waits_start(void)
{
	HANDLE thread;

	if (moved)
		return S_OK;
	moved = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (!moved)
		return hresult_of_last_error();
	thread = CreateThread(NULL, 0, watch, NULL, 0, NULL);
	if (!thread) {
		CloseHandle(moved);
		moved = NULL;
		return hresult_of_last_error();
	}
	CloseHandle(thread);
	return S_OK;
}

HANDLE waits_event(void)
{
	return moved;
}

HRESULT wait_create(ID3D12Fence *fence, UINT64 value, struct fence_wait **out)
{
	struct fence_wait *w = core_alloc(sizeof(*w));
	HRESULT hr;

	if (!w)
		return E_OUTOFMEMORY;
	ID3D12Fence_AddRef(fence);
	w->fence = fence;
	w->value = value;
	w->refs = 2;
	AcquireSRWLockExclusive(&waits_lock);
	ds_list_push_back(&waits, &w->link);
	ReleaseSRWLockExclusive(&waits_lock);
	hr = ID3D12Fence_SetEventOnCompletion(fence, value, moved);
	if (FAILED(hr)) {
		AcquireSRWLockExclusive(&waits_lock);
		if (ds_list_is_linked(&w->link) && !w->is_over) {
			ds_list_remove(&w->link);
			wait_unref(w);
		}
		ReleaseSRWLockExclusive(&waits_lock);
		wait_unref(w);
		return E_DSTORAGE_INVALID_FENCE;
	}
	*out = w;
	return S_OK;
}

void wait_ref(struct fence_wait *w)
{
	InterlockedIncrement(&w->refs);
}

void wait_unref(struct fence_wait *w)
{
	if (InterlockedDecrement(&w->refs))
		return;
	ID3D12Fence_Release(w->fence);
	core_free(w);
}

bool wait_is_over(const struct fence_wait *w)
{
	return w->is_over || ID3D12Fence_GetCompletedValue(w->fence) >= w->value;
}
