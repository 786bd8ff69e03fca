#include "core/cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* A record as it is kept: its name stands in the entry's text, after those of the
 * records before it. */
struct packed {
	uint16_t priority, weight, port;
	uint8_t hostlen;
};

struct entry {
	struct entry *next; /* in the bucket */
	TAILQ_ENTRY(entry) used;
	struct monotime expires;
	uint32_t hash;
	uint8_t keylen;
	uint8_t n;
	struct packed rr[]; /* n of them, then the key and the names, without NULs */
};

TAILQ_HEAD(entries, entry);

struct cache {
	struct siphash_key key;
	size_t count, capacity;
	size_t mask;
	struct entries used; /* the most recently used first */
	struct entry *bucket[];
};

static char *
entry_text(struct entry *e)
{
	return (char *)&e->rr[e->n];
}

struct cache *
cache_new(size_t capacity, struct siphash_key key)
{
	struct cache *c;
	size_t buckets = 1;

	while (buckets < capacity)
		buckets *= 2;
	if ((c = calloc(1, sizeof(*c) + buckets * sizeof(c->bucket[0]))) == NULL)
		return NULL;
	c->key = key;
	c->capacity = capacity;
	c->mask = buckets - 1;
	TAILQ_INIT(&c->used);
	return c;
}

void
cache_free(struct cache *c)
{
	struct entry *e;

	if (c == NULL)
		return;
	while ((e = TAILQ_FIRST(&c->used)) != NULL) {
		TAILQ_REMOVE(&c->used, e, used);
		free(e);
	}
	free(c);
}

size_t
cache_entries(const struct cache *c)
{
	return c->count;
}

/* Where the pointer to the domain's entry is, or would be. */
static struct entry **
find(struct cache *c, const struct domain *d, uint32_t hash)
{
	struct entry **p = &c->bucket[hash & c->mask];

	for (; *p != NULL; p = &(*p)->next)
		if ((*p)->hash == hash && (*p)->keylen == d->len &&
			memcmp(entry_text(*p), d->text, d->len) == 0)
			break;
	return p;
}

static uint32_t
hash_of(const struct cache *c, const struct domain *d)
{
	return (uint32_t)siphash13(&c->key, d->text, d->len);
}

static void
drop(struct cache *c, struct entry **p)
{
	struct entry *e = *p;

	*p = e->next;
	TAILQ_REMOVE(&c->used, e, used);
	c->count--;
	free(e);
}

static void
drop_least_used(struct cache *c)
{
	struct entry *e = TAILQ_LAST(&c->used, entries);
	struct entry **p = &c->bucket[e->hash & c->mask];

	while (*p != e)
		p = &(*p)->next;
	drop(c, p);
}

static void
unpack(struct entry *e, struct srv_set *set)
{
	const char *name = entry_text(e) + e->keylen;

	set->n = e->n;
	for (uint8_t i = 0; i < e->n; i++) {
		const struct packed *p = &e->rr[i];

		set->rr[i] = (struct srv_record){.priority = p->priority,
			.weight = p->weight,
			.port = p->port,
			.hostlen = p->hostlen,
			.host = name};
		name += p->hostlen;
	}
}

enum cache_status
cache_get(
	struct cache *c, const struct domain *d, struct monotime now, struct srv_set *set)
{
	struct entry *e = *find(c, d, hash_of(c, d));

	/* What has expired stays until it is replaced or evicted: views are in use. */
	if (e == NULL || monotime_reached(e->expires, now))
		return CACHE_MISS;
	if (e != TAILQ_FIRST(&c->used)) {
		TAILQ_REMOVE(&c->used, e, used);
		TAILQ_INSERT_HEAD(&c->used, e, used);
	}
	unpack(e, set);
	return CACHE_HIT;
}

static struct entry *
pack(const struct domain *d, const struct srv_set *set)
{
	size_t size = sizeof(struct entry) + set->n * sizeof(struct packed) + d->len;
	struct entry *e;
	char *text;

	for (uint8_t i = 0; i < set->n; i++)
		size += set->rr[i].hostlen;
	if ((e = malloc(size)) == NULL)
		return NULL;
	e->keylen = d->len;
	e->n = set->n;
	text = entry_text(e);
	memcpy(text, d->text, d->len);
	text += d->len;
	for (uint8_t i = 0; i < set->n; i++) {
		const struct srv_record *rr = &set->rr[i];

		e->rr[i] =
			(struct packed){rr->priority, rr->weight, rr->port, rr->hostlen};
		memcpy(text, rr->host, rr->hostlen);
		text += rr->hostlen;
	}
	return e;
}

bool
cache_put(struct cache *c, const struct domain *d, const struct srv_set *set,
	struct monotime expires)
{
	uint32_t hash = hash_of(c, d);
	struct entry **p = find(c, d, hash), *e = pack(d, set);
	bool evicted = false;

	/* What is there has been overtaken by the new answer, kept or not. */
	if (*p != NULL)
		drop(c, p);
	if (e == NULL)
		return false;
	if (c->count == c->capacity) {
		drop_least_used(c);
		evicted = true;
	}
	e->hash = hash;
	e->expires = expires;
	e->next = c->bucket[hash & c->mask];
	c->bucket[hash & c->mask] = e;
	TAILQ_INSERT_HEAD(&c->used, e, used);
	c->count++;
	return evicted;
}
