/* SPDX-License-Identifier: MIT */
/*
 * choose.c: which queue others get: one more of a family that the program uses, else one of its own.
 *
 * Only families that the program uses itself are looked at: buffers that are shared between its
 * families are shared with the added queue too.
 */
#include <stdlib.h>
#include <string.h>

#include "layer.h"

#define MAX_FAMILIES 32

/* As good a default as any: the program's queues may have more, or less. */
#define OWN_PRIORITY 0.5f

struct families {
	VkQueueFamilyProperties all[MAX_FAMILIES];
	uint32_t asked[MAX_FAMILIES]; /* queues of each that the device is made with */
	uint32_t nr;
};

static void look(struct families *f, const struct layer_instance *instance,
		 VkPhysicalDevice physical, const VkDeviceCreateInfo *info)
{
	memset(f, 0, sizeof(*f));
	f->nr = MAX_FAMILIES;
	instance->GetPhysicalDeviceQueueFamilyProperties(physical, &f->nr, f->all);
	for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
		const VkDeviceQueueCreateInfo *q = &info->pQueueCreateInfos[i];

		if (q->queueFamilyIndex < f->nr)
			f->asked[q->queueFamilyIndex] += q->queueCount;
	}
}

static bool has_spare(const struct families *f, const VkDeviceQueueCreateInfo *q)
{
	return f->asked[q->queueFamilyIndex] < f->all[q->queueFamilyIndex].queueCount;
}

/* 0: it will not do. A queue to itself is worth more than one without graphics on it. */
static unsigned worth_for_compute(const struct families *f, const VkDeviceQueueCreateInfo *q)
{
	VkQueueFlags flags;

	/* Protected queues take protected work. */
	if (q->flags || !q->queueCount || q->queueFamilyIndex >= f->nr)
		return 0;
	flags = f->all[q->queueFamilyIndex].queueFlags;
	if (!(flags & VK_QUEUE_COMPUTE_BIT))
		return 0;
	return 1u + (has_spare(f, q) ? 2u : 0u) + (flags & VK_QUEUE_GRAPHICS_BIT ? 0u : 1u);
}

/* Only one of its own is of use: copies can go through the other queue. */
static unsigned worth_for_transfer(const struct families *f, const VkDeviceQueueCreateInfo *q)
{
	VkQueueFlags flags;

	if (q->flags || !q->queueCount || q->queueFamilyIndex >= f->nr)
		return 0;
	flags = f->all[q->queueFamilyIndex].queueFlags;
	return (flags & VK_QUEUE_TRANSFER_BIT) &&
	       !(flags & (VK_QUEUE_COMPUTE_BIT | VK_QUEUE_GRAPHICS_BIT)) && has_spare(f, q);
}

static uint32_t best(const struct families *f, const VkDeviceCreateInfo *info,
		     unsigned (*worth)(const struct families *, const VkDeviceQueueCreateInfo *))
{
	uint32_t found = LAYER_NO_QUEUE;
	unsigned most = 0;

	for (uint32_t i = 0; i < info->queueCreateInfoCount; i++) {
		unsigned w = worth(f, &info->pQueueCreateInfos[i]);

		if (w > most) {
			most = w;
			found = i;
		}
	}
	return found;
}

/* One more queue in this info; its priorities are moved to where there is room. */
static void add_queue(struct layer_choice *c, uint32_t i, float *room)
{
	VkDeviceQueueCreateInfo *q = &c->infos[i];

	memcpy(room, q->pQueuePriorities, q->queueCount * sizeof(*room));
	room[q->queueCount++] = OWN_PRIORITY;
	q->pQueuePriorities = room;
}

static bool copy_infos(struct layer_choice *c, const VkDeviceCreateInfo *info)
{
	uint32_t nr_queues = 2;

	c->nr_infos = info->queueCreateInfoCount;
	for (uint32_t i = 0; i < c->nr_infos; i++)
		nr_queues += info->pQueueCreateInfos[i].queueCount;
	c->infos = calloc(c->nr_infos + 1, sizeof(*c->infos));
	c->priorities = calloc(nr_queues, sizeof(*c->priorities));
	if (!c->infos || !c->priorities)
		return false;
	if (c->nr_infos)
		memcpy(c->infos, info->pQueueCreateInfos, c->nr_infos * sizeof(*c->infos));
	return true;
}

bool layer_choice_init(struct layer_choice *c, const struct layer_instance *instance,
		       VkPhysicalDevice physical, const VkDeviceCreateInfo *info)
{
	struct families f;

	memset(c, 0, sizeof(*c));
	if (!copy_infos(c, info)) {
		layer_choice_fini(c);
		return false;
	}
	look(&f, instance, physical, info);
	c->compute = best(&f, info, worth_for_compute);
	c->transfer = best(&f, info, worth_for_transfer);
	c->adds_compute =
		c->compute != LAYER_NO_QUEUE && has_spare(&f, &info->pQueueCreateInfos[c->compute]);
	/* A queue for copies beside a shared one would still leave decoding in the program's way. */
	if (!c->adds_compute)
		c->transfer = LAYER_NO_QUEUE;
	c->adds_transfer = c->transfer != LAYER_NO_QUEUE;
	if (c->adds_compute)
		add_queue(c, c->compute, c->priorities);
	if (c->adds_transfer)
		add_queue(c, c->transfer, c->priorities + c->infos[c->compute].queueCount);
	return true;
}

void layer_choice_fini(struct layer_choice *c)
{
	free(c->infos);
	free(c->priorities);
}
