/* SPDX-License-Identifier: MIT */
/* memory.c: see memory.h. */
#include "memory.h"

#define WRITABLE (PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY)
#define READABLE (WRITABLE | PAGE_READONLY | PAGE_EXECUTE_READ)

static bool has_protection(const void *data, UINT64 nbytes, DWORD wanted)
{
	const char *at = data, *end = at + nbytes;
	MEMORY_BASIC_INFORMATION info;

	if (end < at)
		return false;
	while (at < end) {
		if (VirtualQuery(at, &info, sizeof(info)) != sizeof(info) ||
		    info.State != MEM_COMMIT || info.Protect & PAGE_GUARD ||
		    !(info.Protect & wanted))
			return false;
		at = (const char *)info.BaseAddress + info.RegionSize;
	}
	return true;
}

bool memory_is_readable(const void *data, UINT64 nbytes)
{
	return has_protection(data, nbytes, READABLE);
}

/* A range is watched as a whole or not at all: watching is a property of an allocation. */
static bool is_watched(void *data)
{
	void *page;
	ULONG_PTR nr = 1;
	ULONG granularity;

	return !GetWriteWatch(0, data, 1, &page, &nr, &granularity);
}

enum memory_kind memory_writable_kind(void *data, UINT64 nbytes)
{
	if (!has_protection(data, nbytes, WRITABLE))
		return MEMORY_BAD;
	return is_watched(data) ? MEMORY_WATCHED : MEMORY_PLAIN;
}

bool memory_touch(void *data, UINT64 nbytes)
{
	return !IsBadWritePtr(data, (UINT_PTR)nbytes);
}
