#include "core/srv.h"

#include <string.h>

struct target *
srv_place(struct target_set *set, const struct target *new)
{
	struct target *worst = &set->target[0];

	for (uint8_t i = 0; i < set->n; i++) {
		struct target *old = &set->target[i];

		if (target_is(old, new))
			return new->priority < old->priority ? old : NULL;
		if (old->priority > worst->priority)
			worst = old;
	}
	if (set->n < TARGETS_MAX)
		return &set->target[set->n++];
	return new->priority < worst->priority ? worst : NULL;
}

/* splitmix64: a good 64-bit mix of a counter; the seed brings the randomness. */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* Uniform in 0..max, max included. */
static uint32_t
random_upto(uint64_t *state, uint32_t max)
{
	return (uint32_t)(((next_random(state) >> 32) * ((uint64_t)max + 1)) >> 32);
}

/* Records of the most preferred priority among those left; weight 0 first, as
 * RFC 2782 wants them in the running sum. Returns how many. */
static uint8_t
next_group(const struct target *left[], uint8_t n, const struct target *group[])
{
	uint16_t priority = UINT16_MAX;
	uint8_t size = 0;

	for (uint8_t i = 0; i < n; i++)
		if (left[i]->priority < priority)
			priority = left[i]->priority;
	for (uint8_t i = 0; i < n; i++)
		if (left[i]->priority == priority && left[i]->weight == 0)
			group[size++] = left[i];
	for (uint8_t i = 0; i < n; i++)
		if (left[i]->priority == priority && left[i]->weight != 0)
			group[size++] = left[i];
	return size;
}

static uint8_t
choose(const struct target *group[], uint8_t n, uint64_t *state)
{
	uint32_t sum = 0, pick;
	uint8_t i;

	for (i = 0; i < n; i++)
		sum += group[i]->weight;
	if (sum == 0) /* nothing to choose by: each is as good */
		return (uint8_t)random_upto(state, n - 1U);
	pick = random_upto(state, sum);
	for (i = 0, sum = 0; i < n - 1; i++)
		if ((sum += group[i]->weight) >= pick)
			break;
	return i;
}

/* Takes element i out of the list, keeping the order of the others. */
static void
take_out(const struct target *list[], uint8_t n, uint8_t i)
{
	memmove(&list[i], &list[i + 1], (size_t)(n - i - 1) * sizeof(list[0]));
}

static void
append_group(
	struct target_set *r, const struct target *group[], uint8_t n, uint64_t *state)
{
	for (; n > 0; n--) {
		uint8_t i = n == 1 ? 0 : choose(group, n, state);

		r->target[r->n++] = *group[i];
		take_out(group, n, i);
	}
}

void
srv_order(const struct target_set *set, uint64_t seed, struct target_set *route)
{
	const struct target *left[TARGETS_MAX], *group[TARGETS_MAX];
	uint8_t n = set->n;

	if (n == 1) {
		target_set_copy(route, set);
		return;
	}
	route->n = 0;
	for (uint8_t i = 0; i < n; i++)
		left[i] = &set->target[i];
	while (n > 0) {
		uint8_t size = next_group(left, n, group), kept = 0;
		uint16_t priority = group[0]->priority;

		append_group(route, group, size, &seed);
		for (uint8_t i = 0; i < n; i++)
			if (left[i]->priority != priority)
				left[kept++] = left[i];
		n = kept;
	}
}
