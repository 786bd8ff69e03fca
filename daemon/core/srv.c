#include "core/srv.h"

#include <string.h>

static bool
same_target(const struct srv_record *a, const struct srv_record *b)
{
	return a->port == b->port && a->hostlen == b->hostlen &&
	       memcmp(a->host, b->host, a->hostlen) == 0;
}

struct srv_record *
srv_set_place(struct srv_set *set, const struct srv_record *new)
{
	struct srv_record *worst = &set->rr[0];

	for (uint8_t i = 0; i < set->n; i++) {
		struct srv_record *old = &set->rr[i];

		if (same_target(old, new))
			return new->priority < old->priority ? old : NULL;
		if (old->priority > worst->priority)
			worst = old;
	}
	if (set->n < ROUTE_MAX)
		return &set->rr[set->n++];
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
next_group(const struct srv_record *left[], uint8_t n, const struct srv_record *group[])
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
choose(const struct srv_record *group[], uint8_t n, uint64_t *state)
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
take_out(const struct srv_record *list[], uint8_t n, uint8_t i)
{
	memmove(&list[i], &list[i + 1], (size_t)(n - i - 1) * sizeof(list[0]));
}

static void
append(struct route *r, const struct srv_record *rr)
{
	r->target[r->n++] = (struct target){
		.host = rr->host, .hostlen = rr->hostlen, .port = rr->port};
}

static void
append_group(
	struct route *r, const struct srv_record *group[], uint8_t n, uint64_t *state)
{
	for (; n > 0; n--) {
		uint8_t i = n == 1 ? 0 : choose(group, n, state);

		append(r, group[i]);
		take_out(group, n, i);
	}
}

void
srv_order(const struct srv_set *set, uint64_t seed, struct route *route)
{
	const struct srv_record *left[ROUTE_MAX], *group[ROUTE_MAX];
	uint8_t n = set->n;

	route->n = 0;
	if (n == 1) {
		append(route, &set->rr[0]);
		return;
	}
	for (uint8_t i = 0; i < n; i++)
		left[i] = &set->rr[i];
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

bool
srv_set_has(const struct srv_set *set, const struct target *t)
{
	for (uint8_t i = 0; i < set->n; i++)
		if (set->rr[i].port == t->port && set->rr[i].hostlen == t->hostlen &&
			memcmp(set->rr[i].host, t->host, t->hostlen) == 0)
			return true;
	return false;
}

void
srv_set_of_route(struct srv_set *set, const struct route *r)
{
	set->n = r->n;
	for (uint8_t i = 0; i < r->n; i++)
		set->rr[i] = (struct srv_record){.port = r->target[i].port,
			.hostlen = r->target[i].hostlen,
			.host = r->target[i].host};
}

void
srv_set_route(const struct srv_set *set, struct route *r)
{
	r->n = 0;
	for (uint8_t i = 0; i < set->n; i++)
		append(r, &set->rr[i]);
}
