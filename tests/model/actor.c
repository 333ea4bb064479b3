/* SPDX-License-Identifier: MIT */
/* actor.c: what steps are made of: the stack of a thread, and the slot's word. */
#include "model.h"

void violate(struct model *m, const char *what)
{
	if (!m->violation)
		m->violation = what;
}

bool is_broken(const struct actor *a, enum broken how)
{
	return a->m->broken == how;
}

void push(struct actor *a, enum step at, unsigned life, unsigned arg)
{
	struct actor_state *t = a->self;

	if (t->depth == MAX_FRAMES) {
		violate(a->m, "the model's stack is too small");
		return;
	}
	t->frames[t->depth++] = (struct frame){ (uint8_t)at, life & 1, arg & 0x7f };
}

static unsigned life_of_word(uint64_t word)
{
	uint32_t generation = DS_WORD_GENERATION(word);

	return generation == GENERATION ? 0 : generation == 1 ? 1 : 2;
}

unsigned life_of(const struct state *s)
{
	return life_of_word(s->word);
}

enum ds_state state_of(const struct state *s)
{
	return DS_WORD_STATE(s->word);
}

unsigned touchers_of(const struct state *s)
{
	return (unsigned)((s->word & DS_WORD_TOUCH_MASK) / DS_WORD_TOUCH_ONE);
}

struct ds_slot *slot_load(const struct state *s)
{
	static struct ds_slot slot;

	atomic_store_explicit(&slot.word, s->word, memory_order_relaxed);
	atomic_store_explicit(&slot.error, s->error, memory_order_relaxed);
	return &slot;
}

void slot_store(struct state *s, const struct ds_slot *slot)
{
	s->word = atomic_load_explicit(&slot->word, memory_order_relaxed);
}

bool is_wanted(const struct state *s)
{
	return ds_slot_is_wanted(slot_load(s));
}

bool touch_begin(struct actor *a)
{
	struct ds_slot *slot = slot_load(a->s);

	if (!ds_slot_touch_begin(slot))
		return false;
	if (state_of(a->s) != DS_STATE_RUNNING)
		violate(a->m, "a touch begins that is not in RUNNING");
	slot_store(a->s, slot);
	return true;
}

void uses_slot(struct actor *a, struct frame f)
{
	if (life_of(a->s) != f.life || state_of(a->s) == DS_STATE_FREE || !a->s->holds)
		violate(a->m, "a slot is used after it was given back");
}
