/* SPDX-License-Identifier: MIT */
/* share_none.c: share.h, built without Vulkan's headers. */
#include "share.h"

struct share *share_create(ID3D12Device *device)
{
	(void)device;
	return NULL;
}

void share_destroy(struct share *s)
{
	(void)s;
}

uint64_t share_handle(const struct share *s)
{
	(void)s;
	return 0;
}

bool share_decodes(const struct share *s)
{
	(void)s;
	return false;
}

bool share_takes(const struct share *s, struct request *r)
{
	(void)s;
	(void)r;
	return false;
}

bool share_is_settled(ID3D12Resource *resource)
{
	(void)resource;
	return true;
}

void share_note_settled(ID3D12Resource *resource)
{
	(void)resource;
}
