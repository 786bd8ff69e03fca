#include "core/shares.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Shares with more places than this aren't told apart. */
#define COUNTED_MAX 512

/* A zone may hold this part of the places, whatever others want. */
#define ZONE_PART 8

TAILQ_HEAD(share_list, share);
TAILQ_HEAD(place_list, share_place);

/* What one user, client or zone holds of the second half. */
struct share {
	UT_hash_handle hh;
	TAILQ_ENTRY(share) entry; /* among those that hold as many */
	uint64_t key;
	enum share_kind kind;
	size_t n;
	struct place_list places; /* the first has waited longest */
};

struct shares {
	size_t max, taken;
	size_t first;               /* of these, held by those that came first */
	size_t margin[SHARE_KINDS]; /* how much more is too much */
	struct share *table[SHARE_KINDS];
	struct share_list by_count[SHARE_KINDS][COUNTED_MAX + 1];
	size_t most[SHARE_KINDS]; /* the last list that isn't empty, or 0 */
};

struct shares *
shares_new(size_t max)
{
	struct shares *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->max = max;
	s->margin[SHARE_USER] = s->margin[SHARE_CLIENT] = 1;
	s->margin[SHARE_ZONE] = 1 + (max - max / 2) / ZONE_PART;
	for (int kind = 0; kind < SHARE_KINDS; kind++)
		for (size_t n = 0; n <= COUNTED_MAX; n++)
			TAILQ_INIT(&s->by_count[kind][n]);
	return s;
}

bool
shares_full(const struct shares *s)
{
	return s->taken >= s->max;
}

uint64_t
shares_zone(const struct siphash_key *key, const char *name)
{
	const char *dot = strrchr(name, '.');
	const char *before =
		dot == NULL ? NULL : memrchr(name, '.', (size_t)(dot - name));

	if (before != NULL)
		name = before + 1;
	return siphash13(key, name, strlen(name));
}

/* Shares */

static struct share *
find(const struct shares *s, enum share_kind kind, uint64_t key)
{
	struct share *share;

	HASH_FIND(hh, s->table[kind], &key, sizeof(key), share);
	return share;
}

static size_t
held(const struct shares *s, enum share_kind kind, const struct share_keys *keys)
{
	const struct share *share = find(s, kind, keys->key[kind]);

	return share == NULL ? 0 : share->n;
}

static size_t
list_of(size_t n)
{
	return n < COUNTED_MAX ? n : COUNTED_MAX;
}

static void
set_count(struct shares *s, struct share *share, size_t n)
{
	struct share_list *lists = s->by_count[share->kind];
	size_t *most = &s->most[share->kind];

	if (share->n > 0)
		TAILQ_REMOVE(&lists[list_of(share->n)], share, entry);
	share->n = n;
	if (n > 0)
		TAILQ_INSERT_TAIL(&lists[list_of(n)], share, entry);
	if (*most < list_of(n))
		*most = list_of(n);
	while (*most > 0 && TAILQ_EMPTY(&lists[*most]))
		--*most;
}

static void
free_unused(struct shares *s, struct share *share)
{
	if (share == NULL || share->n > 0)
		return;
	HASH_DEL(s->table[share->kind], share);
	free(share);
}

/* NULL: out of memory. */
static struct share *
find_or_make(struct shares *s, enum share_kind kind, uint64_t key)
{
	struct share *share = find(s, kind, key);

	if (share != NULL || (share = calloc(1, sizeof(*share))) == NULL)
		return share;
	share->key = key;
	share->kind = kind;
	TAILQ_INIT(&share->places);
	HASH_ADD(hh, s->table[kind], key, sizeof(key), share);
	if (share->hh.tbl != NULL)
		return share;
	free(share); /* out of memory in uthash */
	return NULL;
}

static void
release(struct shares *s, struct share_place *place)
{
	for (int kind = 0; kind < SHARE_KINDS; kind++) {
		struct share *share = place->share[kind];

		TAILQ_REMOVE(&share->places, place, entry[kind]);
		set_count(s, share, share->n - 1);
		free_unused(s, share);
	}
}

/* Places */

bool
shares_take(struct shares *s, struct share_place *place, const struct share_keys *keys,
	struct monotime now)
{
	bool ok = true;

	*place = (struct share_place){.since = now};
	if (s->first < s->max / 2) {
		s->first++;
		s->taken++;
		return place->taken = true;
	}
	for (int kind = 0; kind < SHARE_KINDS; kind++) {
		place->share[kind] =
			find_or_make(s, (enum share_kind)kind, keys->key[kind]);
		ok &= place->share[kind] != NULL;
	}
	for (int kind = 0; kind < SHARE_KINDS; kind++) {
		struct share *share = place->share[kind];

		if (!ok) {
			free_unused(s, share);
			continue;
		}
		TAILQ_INSERT_TAIL(&share->places, place, entry[kind]);
		set_count(s, share, share->n + 1);
	}
	s->taken += ok;
	return place->taken = ok;
}

void
shares_leave(struct shares *s, struct share_place *place)
{
	if (!place->taken)
		return;
	if (place->share[0] == NULL)
		s->first--;
	else
		release(s, place);
	s->taken--;
	*place = (struct share_place){0};
}

void
shares_free(struct shares *s)
{
	struct share *share, *next;

	if (s == NULL)
		return;
	for (int kind = 0; kind < SHARE_KINDS; kind++)
		HASH_ITER(hh, s->table[kind], share, next)
		{
			HASH_DEL(s->table[kind], share);
			free(share);
		}
	free(s);
}

/* Making room */

/* NULL: nobody holds anything of the second half. */
static struct share *
biggest(const struct shares *s, int kind)
{
	return TAILQ_FIRST(&s->by_count[kind][s->most[kind]]);
}

/* Are the newcomer's shares of the kinds before this one no bigger than the place's? */
static bool
is_no_bigger(const struct shares *s, const struct share_keys *keys,
	const struct share_place *place, int kind)
{
	for (int above = 0; above < kind; above++)
		if (held(s, (enum share_kind)above, keys) > place->share[above]->n)
			return false;
	return true;
}

struct share_place *
shares_make_room(
	const struct shares *s, const struct share_keys *keys, struct monotime now)
{
	struct share_place *place;
	const struct share *top;

	for (int kind = 0; kind < SHARE_KINDS; kind++) {
		if ((top = biggest(s, kind)) == NULL)
			return NULL;
		place = TAILQ_FIRST(&top->places);
		if (held(s, (enum share_kind)kind, keys) + s->margin[kind] < top->n &&
			is_no_bigger(s, keys, place, kind))
			return place;
	}
	for (int kind = SHARE_CLIENT; kind >= SHARE_USER; kind--) {
		place = TAILQ_FIRST(&biggest(s, kind)->places);
		if (monotime_reached(
			    monotime_add_ms(place->since, SHARES_WAIT_MS), now) &&
			is_no_bigger(s, keys, place, SHARE_ZONE))
			return place;
	}
	return NULL;
}
