/* SPDX-License-Identifier: MIT */
/* crew.c: threads that do the parts of a task together; started when there is a first one. */
#include <signal.h>
#include <stdlib.h>

#include "gds/internal.h"

void ds_crew_init(struct ds_crew *c, unsigned nr_threads)
{
	c->nr_wanted = nr_threads;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	pthread_cond_init(&c->left, NULL);
}

static void run_parts(struct ds_crew_task *t)
{
	for (;;) {
		uint32_t part = atomic_fetch_add_explicit(&t->next_part, 1, memory_order_relaxed);

		if (part >= t->nr_parts)
			return;
		t->run(t->arg, part);
	}
}

/* A task with parts left; with the lock. */
static struct ds_crew_task *find_task(struct ds_crew *c)
{
	struct ds_crew_task *t = c->tasks;

	while (t && atomic_load_explicit(&t->next_part, memory_order_relaxed) >= t->nr_parts)
		t = t->next;
	return t;
}

static void *crew_main(void *arg)
{
	struct ds_crew *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct ds_crew_task *t = find_task(c);

		if (!t) {
			if (c->is_stopping)
				break;
			pthread_cond_wait(&c->wake, &c->lock);
			continue;
		}
		t->nr_inside++;
		pthread_mutex_unlock(&c->lock);
		run_parts(t);
		pthread_mutex_lock(&c->lock);
		if (!--t->nr_inside)
			pthread_cond_broadcast(&c->left);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* As many as can be had; the caller works too. With the lock. */
static void start_threads(struct ds_crew *c)
{
	sigset_t all, old;

	if (c->threads || !c->nr_wanted)
		return;
	c->threads = calloc(c->nr_wanted, sizeof(*c->threads));
	if (!c->threads)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (c->nr < c->nr_wanted && !pthread_create(&c->threads[c->nr], NULL, crew_main, c))
		c->nr++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void ds_crew_begin(struct ds_crew *c, struct ds_crew_task *t)
{
	atomic_init(&t->next_part, 0);
	t->nr_inside = 0;
	pthread_mutex_lock(&c->lock);
	/* A single part is the caller's. */
	if (t->nr_parts > 1)
		start_threads(c);
	t->next = c->tasks;
	c->tasks = t;
	if (t->nr_parts > 1)
		pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

void ds_crew_finish(struct ds_crew *c, struct ds_crew_task *t)
{
	struct ds_crew_task **at;

	run_parts(t);
	pthread_mutex_lock(&c->lock);
	while (t->nr_inside)
		pthread_cond_wait(&c->left, &c->lock);
	for (at = &c->tasks; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	pthread_mutex_unlock(&c->lock);
}

void ds_crew_fini(struct ds_crew *c)
{
	pthread_mutex_lock(&c->lock);
	c->is_stopping = true;
	pthread_cond_broadcast(&c->wake);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->nr; i++)
		pthread_join(c->threads[i], NULL);
	free(c->threads);
	pthread_cond_destroy(&c->left);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
}
