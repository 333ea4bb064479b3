/* SPDX-License-Identifier: MIT */
/*
 * explore.c: every interleaving, depth first.
 *
 * A state that was met before is not followed again; of each, 64 bits of a hash are kept. (Among the
 * few million states of one model, the chance that two share one is below one in a million.)
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const step_function functions[NR_STEPS] = {
#define X(name) [AT_##name] = step_##name,
	STEPS(X)
#undef X
};

static const char *const names[NR_STEPS] = {
#define X(name) [AT_##name] = #name,
	STEPS(X)
#undef X
};

struct set {
	uint64_t *slots; /* 0: empty */
	size_t nr_slots; /* a power of two */
	size_t nr_used;
};

/* A state on the path, how it was reached, and what to try next from it. */
struct node {
	struct state s;
	uint8_t by_actor;
	uint8_t by_step;
	uint8_t by_choice;
	uint8_t next_actor;
	uint8_t next_choice;
	bool has_moved;
};

struct search {
	struct model *m;
	struct set seen;
	struct node *path;
	unsigned depth;
	unsigned max_depth;
	size_t state_nbytes;
	struct result result;
};

static void *checked_alloc(void *p)
{
	if (!p) {
		fprintf(stderr, "request_model: out of memory\n");
		exit(1);
	}
	return p;
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	return h;
}

static uint64_t hash_state(const struct search *x, const struct state *s)
{
	const unsigned char *p = (const unsigned char *)s;
	uint64_t h = UINT64_C(0x9e3779b97f4a7c15), word;

	for (size_t i = 0; i < x->state_nbytes; i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		h = mix(h ^ word);
	}
	h = mix(h);
	return h ? h : 1;
}

static uint64_t *find(struct set *set, uint64_t h)
{
	size_t i = h & (set->nr_slots - 1);

	while (set->slots[i] && set->slots[i] != h)
		i = (i + 1) & (set->nr_slots - 1);
	return &set->slots[i];
}

static void grow(struct set *set)
{
	struct set old = *set;

	set->nr_slots = old.nr_slots ? old.nr_slots * 2 : 1 << 12;
	set->slots = checked_alloc(calloc(set->nr_slots, sizeof(*set->slots)));
	for (size_t i = 0; i < old.nr_slots; i++) {
		if (old.slots[i])
			*find(set, old.slots[i]) = old.slots[i];
	}
	free(old.slots);
}

/* True: it was not there. */
static bool add(struct set *set, uint64_t h)
{
	uint64_t *slot;

	if (set->nr_used * 3 >= set->nr_slots * 2)
		grow(set);
	slot = find(set, h);
	if (*slot)
		return false;
	*slot = h;
	set->nr_used++;
	return true;
}

/* Lets a thread make its next step in *s. False: it cannot. */
static bool move(struct search *x, struct state *s, unsigned index, unsigned choice)
{
	struct actor_state *t = &s->actors[index];
	struct actor a = { x->m, s, t, index, choice };
	struct frame f = t->frames[t->depth - 1];

	t->frames[--t->depth] = (struct frame){ 0, 0, 0 };
	if (!functions[f.at](&a, f))
		return false;
	if (x->path[x->depth - 1].s.is_freed && f.at != AT_scheduler_run && f.at != AT_expire_lock)
		violate(x->m, "the queue is used after it was freed");
	return true;
}

static bool has_choices(uint8_t at)
{
	return at == AT_op_done || at == AT_head_done || at == AT_worker_join ||
	       at == AT_run_window || at == AT_units_decode;
}

static void print_state(const struct state *s)
{
	static const char *const states[16] = {
		[DS_STATE_FREE] = "FREE",	    [DS_STATE_PENDING] = "PENDING",
		[DS_STATE_SUBMITTED] = "SUBMITTED", [DS_STATE_RUNNING] = "RUNNING",
		[DS_STATE_COMPLETE] = "COMPLETE",   [DS_STATE_FAILED] = "FAILED",
		[DS_STATE_CANCELLED] = "CANCELLED", [DS_STATE_CANCELLING] = "CANCELLING",
	};

	printf("%s life %u touchers %u work %u holds %u live %u", states[state_of(s)],
	       life_of(s) + 1, touchers_of(s), s->work, s->holds, s->live);
}

static void print_trace(const struct search *x, unsigned depth)
{
	for (unsigned i = 1; i < depth; i++) {
		const struct node *n = &x->path[i];

		printf("  %3u  %-18s %-20s", i, role_name(x->m->roles[n->by_actor]),
		       names[n->by_step]);
		if (n->by_choice)
			printf(" (outcome %u)", n->by_choice);
		printf("  -> ");
		print_state(&n->s);
		printf("\n");
	}
	for (unsigned i = 0; i < x->m->nr_actors; i++) {
		const struct actor_state *t = &x->path[depth - 1].s.actors[i];

		if (!is_idle(x->m, &x->path[depth - 1].s, i))
			printf("       %s is left at %s\n", role_name(x->m->roles[i]),
			       names[t->frames[t->depth - 1].at]);
	}
}

/* Makes room for one more on the path, and returns it. */
static struct node *reserve_node(struct search *x)
{
	if (x->depth == x->max_depth) {
		x->max_depth = x->max_depth ? x->max_depth * 2 : 256;
		x->path = checked_alloc(realloc(x->path, x->max_depth * sizeof(*x->path)));
	}
	return &x->path[x->depth];
}

static void enter(struct search *x)
{
	x->depth++;
	if (x->depth > x->result.depth)
		x->result.depth = x->depth;
}

/* Tries the next move of the topmost state. False: there was none left. */
static bool advance(struct search *x)
{
	struct node *next = reserve_node(x);
	struct node *top = next - 1;
	const struct actor_state *t;
	bool moved;

	if (top->next_actor == x->m->nr_actors)
		return false;
	t = &top->s.actors[top->next_actor];
	if (!t->depth) {
		top->next_actor++;
		return true;
	}
	*next = (struct node){ .by_actor = top->next_actor,
			       .by_step = t->frames[t->depth - 1].at,
			       .by_choice = top->next_choice };
	memcpy(&next->s, &top->s, sizeof(next->s));
	moved = move(x, &next->s, top->next_actor, top->next_choice);
	top->has_moved |= moved;
	if (moved && has_choices(next->by_step)) {
		top->next_choice++;
	} else {
		top->next_actor++;
		top->next_choice = 0;
	}
	if (!moved)
		return true;
	x->result.nr_steps++;
	if (add(&x->seen, hash_state(x, &next->s))) {
		check_state(x->m, &next->s);
		enter(x);
	} else if (x->m->violation) {
		enter(x);
	}
	return true;
}

struct result explore(struct model *m, bool trace)
{
	struct search x = { .m = m };
	struct node *first = reserve_node(&x);

	m->violation = NULL;
	memset(first, 0, sizeof(*first));
	start_state(m, &first->s);
	x.state_nbytes =
		(offsetof(struct state, actors) + m->nr_actors * sizeof(struct actor_state) + 7) &
		~(size_t)7;
	add(&x.seen, hash_state(&x, &first->s));
	enter(&x);
	while (x.depth && !m->violation) {
		if (advance(&x))
			continue;
		if (!x.path[x.depth - 1].has_moved)
			check_end(m, &x.path[x.depth - 1].s);
		if (!m->violation)
			x.depth--;
	}
	if (m->violation && trace)
		print_trace(&x, x.depth);
	x.result.nr_states = x.seen.nr_used;
	free(x.seen.slots);
	free(x.path);
	return x.result;
}
