#include "core/quotas.h"

#include <stdlib.h>
#include <string.h>

/* A tiny table has at least one place for each. */
static size_t
part(size_t max, size_t parts)
{
	return max / parts > 0 ? max / parts : 1;
}

size_t
quotas_limit(const struct quotas *s, enum quota quota)
{
	switch (quota) {
	case QUOTA_DNS:
		return part(s->max, 2);
	case QUOTA_ONION:
		return part(s->max, 4);
	default:
		return part(s->max, 1);
	}
}

static size_t
total(const size_t of[QUOTAS])
{
	size_t sum = 0;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		sum += of[quota];
	return sum;
}

bool
quotas_have_room(const struct quotas *s, enum quota quota, size_t size)
{
	const size_t limit = quotas_limit(s, quota);

	return s->count[quota] < limit && total(s->count) < s->max &&
	       s->bytes[quota] + size <= limit * s->place_max &&
	       total(s->bytes) + size <= s->max * s->place_max;
}

void
quotas_add(struct quotas *s, enum quota quota, size_t size)
{
	s->count[quota]++;
	s->bytes[quota] += size;
}

void
quotas_remove(struct quotas *s, enum quota quota, size_t size)
{
	s->count[quota]--;
	s->bytes[quota] -= size;
}

unsigned
quotas_percent(const struct quotas *s, enum quota quota)
{
	const size_t limit = quotas_limit(s, quota);
	const size_t count = quota == QUOTA_MAP ? total(s->count) : s->count[quota];
	const size_t bytes = quota == QUOTA_MAP ? total(s->bytes) : s->bytes[quota];
	const size_t by_count = 100 * count / limit;
	const size_t by_bytes = 100 * bytes / (limit * s->place_max);

	return (unsigned)(by_count > by_bytes ? by_count : by_bytes);
}

/* Parents */

struct parent {
	struct parent *next; /* in the bucket */
	uint64_t name;       /* hashed with a secret: two names don't meet */
	size_t count;
};

struct parent_counts {
	size_t max, mask;
	struct parent *bucket[];
};

struct parent_counts *
parent_counts_new(size_t max)
{
	struct parent_counts *c;
	size_t buckets = 1;

	while (buckets < max)
		buckets *= 2;
	if ((c = calloc(1, sizeof(*c) + buckets * sizeof(c->bucket[0]))) == NULL)
		return NULL;
	c->max = max;
	c->mask = buckets - 1;
	return c;
}

void
parent_counts_free(struct parent_counts *c)
{
	struct parent *p;

	if (c == NULL)
		return;
	for (size_t i = 0; i <= c->mask; i++)
		while ((p = c->bucket[i]) != NULL) {
			c->bucket[i] = p->next;
			free(p);
		}
	free(c);
}

/* Where the label before this one begins; NULL: there is none. */
static const char *
label_before(const char *name, const char *label)
{
	const char *dot;

	if (label == NULL || label <= name)
		return NULL;
	dot = memrchr(name, '.', (size_t)(label - name - 1));
	return dot == NULL ? name : dot + 1;
}

static uint64_t
hash_from(const struct siphash_key *key, const char *label, const char *end)
{
	uint64_t hash;

	if (label == NULL)
		return 0;
	hash = siphash13(key, label, (size_t)(end - label));
	return hash != 0 ? hash : 1;
}

struct parents
parents_of(const struct siphash_key *key, const char *name, size_t len)
{
	const char *end = name + len;
	const char *one = label_before(name, end + 1);
	const char *two = label_before(name, one);
	const char *three = label_before(name, two);

	return (struct parents){hash_from(key, two, end), hash_from(key, three, end)};
}

static struct parent **
find(struct parent_counts *c, uint64_t name)
{
	struct parent **at = &c->bucket[name & c->mask];

	while (*at != NULL && (*at)->name != name)
		at = &(*at)->next;
	return at;
}

static size_t
count_of(const struct parent_counts *c, uint64_t name)
{
	const struct parent *p = c->bucket[name & c->mask];

	while (p != NULL && p->name != name)
		p = p->next;
	return p == NULL ? 0 : p->count;
}

bool
parents_are_full(const struct parent_counts *c, const struct parents *p)
{
	return (p->two != 0 && count_of(c, p->two) >= part(c->max, 4)) ||
	       (p->three != 0 && count_of(c, p->three) >= part(c->max, 16));
}

static bool
count_one(struct parent_counts *c, uint64_t name)
{
	struct parent **at = find(c, name);

	if (name == 0)
		return true;
	if (*at == NULL && (*at = calloc(1, sizeof(**at))) == NULL)
		return false;
	(*at)->name = name;
	(*at)->count++;
	return true;
}

static void
discount_one(struct parent_counts *c, uint64_t name)
{
	struct parent **at = find(c, name), *p = *at;

	if (name == 0 || p == NULL || --p->count > 0)
		return;
	*at = p->next;
	free(p);
}

bool
parents_add(struct parent_counts *c, const struct parents *p)
{
	if (!count_one(c, p->two))
		return false;
	if (count_one(c, p->three))
		return true;
	discount_one(c, p->two);
	return false;
}

void
parents_remove(struct parent_counts *c, const struct parents *p)
{
	discount_one(c, p->two);
	discount_one(c, p->three);
}
