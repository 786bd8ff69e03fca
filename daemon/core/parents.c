#include "core/parents.h"

#include <stdlib.h>
#include <string.h>

struct parent {
	struct parent *next; /* in the bucket */
	uint64_t name;       /* hashed with a secret: two names don't meet */
	size_t count;
};

struct parents_counts {
	size_t two_max, three_max; /* places that the names below one may have */
	size_t mask;
	struct parent *bucket[];
};

struct parents_counts *
parents_counts_new(size_t max)
{
	struct parents_counts *c;
	size_t buckets = 1;

	while (buckets < max)
		buckets *= 2;
	if ((c = calloc(1, sizeof(*c) + buckets * sizeof(c->bucket[0]))) == NULL)
		return NULL;
	c->two_max = max / 4 > 0 ? max / 4 : 1;
	c->three_max = max / 16 > 0 ? max / 16 : 1;
	c->mask = buckets - 1;
	return c;
}

void
parents_counts_free(struct parents_counts *c)
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
find(struct parents_counts *c, uint64_t name)
{
	struct parent **at = &c->bucket[name & c->mask];

	while (*at != NULL && (*at)->name != name)
		at = &(*at)->next;
	return at;
}

static size_t
count_of(const struct parents_counts *c, uint64_t name)
{
	const struct parent *p = c->bucket[name & c->mask];

	while (p != NULL && p->name != name)
		p = p->next;
	return p == NULL ? 0 : p->count;
}

bool
parents_are_full(const struct parents_counts *c, const struct parents *p)
{
	return (p->two != 0 && count_of(c, p->two) >= c->two_max) ||
	       (p->three != 0 && count_of(c, p->three) >= c->three_max);
}

static bool
count_one(struct parents_counts *c, uint64_t name)
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
discount_one(struct parents_counts *c, uint64_t name)
{
	struct parent **at = find(c, name), *p = *at;

	if (name == 0 || p == NULL || --p->count > 0)
		return;
	*at = p->next;
	free(p);
}

bool
parents_add(struct parents_counts *c, const struct parents *p)
{
	if (!count_one(c, p->two))
		return false;
	if (count_one(c, p->three))
		return true;
	discount_one(c, p->two);
	return false;
}

void
parents_remove(struct parents_counts *c, const struct parents *p)
{
	discount_one(c, p->two);
	discount_one(c, p->three);
}
