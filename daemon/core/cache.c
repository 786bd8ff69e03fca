#include "core/cache.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/target.h"

#define BACKOFF_MAX 3 /* doublings of failure_s */

struct entry {
	struct entry *next; /* in the bucket */
	TAILQ_ENTRY(entry) used;
	struct monotime expires;
	struct monotime retry; /* while it is failing: when asking is of use again */
	uint32_t hash;
	uint32_t ttl;
	uint32_t map_generation;
	uint16_t dropped;
	uint8_t type;
	uint8_t status; /* DNS_FAILED: nothing but a failure is known */
	uint8_t reason; /* of the last failure; REASON_NONE: an answer came after it */
	uint8_t failures;
	bool ad;
	uint8_t keylen;
	char data[]; /* the key, then the set */
};

TAILQ_HEAD(entries, entry);

struct cache {
	struct cache_config config;
	size_t count, bytes;
	size_t mask;
	struct entries used; /* the most recently used first */
	struct entry *last;  /* that was looked up: its mark first, then what it knows */
	struct entry *bucket[];
};

static size_t
entry_size(const struct entry *e)
{
	struct target_set set;
	const char *end = target_set_unpack(e->data + e->keylen, &set);

	return (size_t)(end - (const char *)e);
}

struct cache *
cache_new(const struct cache_config *config)
{
	struct cache *c;
	size_t buckets = 1;

	while (buckets < config->entries)
		buckets *= 2;
	if ((c = calloc(1, sizeof(*c) + buckets * sizeof(c->bucket[0]))) == NULL)
		return NULL;
	c->config = *config;
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

size_t
cache_bytes(const struct cache *c)
{
	return c->bytes;
}

static uint32_t
hash_of(const struct cache *c, enum dns_type type, const struct domain *d)
{
	return (uint32_t)siphash13(&c->config.key, d->text, d->len) + type;
}

static bool
is_of(const struct entry *e, enum dns_type type, const struct domain *d)
{
	return e->type == type && e->keylen == d->len &&
	       memcmp(e->data, d->text, d->len) == 0;
}

/* Where the pointer to an entry is, or would be. */
static struct entry **
find(struct cache *c, enum dns_type type, const struct domain *d, uint32_t hash)
{
	struct entry **p = &c->bucket[hash & c->mask];

	while (*p != NULL && !((*p)->hash == hash && is_of(*p, type, d)))
		p = &(*p)->next;
	return p;
}

/* NULL: there is none. */
static struct entry *
look_up(struct cache *c, enum dns_type type, const struct domain *d)
{
	if (c->last == NULL || !is_of(c->last, type, d))
		c->last = *find(c, type, d, hash_of(c, type, d));
	return c->last;
}

static void
drop(struct cache *c, struct entry **p)
{
	struct entry *e = *p;

	*p = e->next;
	TAILQ_REMOVE(&c->used, e, used);
	if (c->last == e)
		c->last = NULL;
	c->count--;
	c->bytes -= entry_size(e);
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
touch(struct cache *c, struct entry *e)
{
	if (e == TAILQ_FIRST(&c->used))
		return;
	TAILQ_REMOVE(&c->used, e, used);
	TAILQ_INSERT_HEAD(&c->used, e, used);
}

static void
unpack(const struct entry *e, struct cached *out)
{
	out->ttl = e->ttl;
	out->expires = e->expires;
	out->fact.status = (enum dns_status)e->status;
	out->fact.reason = REASON_NONE;
	out->fact.ad = e->ad;
	out->fact.dropped = e->dropped;
	target_set_unpack(e->data + e->keylen, &out->fact.set);
}

static bool
is_stale(const struct cache *c, const struct entry *e, struct monotime now)
{
	return e->status == DNS_RECORDS &&
	       !monotime_reached(monotime_add_s(e->expires, c->config.stale_s), now);
}

enum cache_status
cache_get(struct cache *c, enum dns_type type, const struct domain *d,
	struct monotime now, struct cached *out)
{
	struct entry *e = look_up(c, type, d);
	enum cache_status st = CACHE_MISS;

	out->failing = REASON_NONE;
	if (e == NULL)
		return CACHE_MISS;
	if (e->reason != REASON_NONE && !monotime_reached(e->retry, now))
		out->failing = (enum reason)e->reason;
	/* What has expired stays until it is replaced or evicted: views are in use. */
	if (!monotime_reached(e->expires, now))
		st = CACHE_FRESH;
	else if (is_stale(c, e, now))
		st = CACHE_STALE;
	if (st != CACHE_MISS)
		unpack(e, out);
	if (st != CACHE_MISS || out->failing != REASON_NONE)
		touch(c, e);
	return st;
}

static struct entry *
pack(enum dns_type type, const struct domain *d, const struct dns_fact *f)
{
	struct entry *e =
		calloc(1, sizeof(*e) + d->len + target_set_packed_size(&f->set));

	if (e == NULL)
		return NULL;
	e->type = (uint8_t)type;
	e->status = (uint8_t)f->status;
	e->ad = f->ad;
	e->dropped = f->dropped;
	e->keylen = d->len;
	memcpy(e->data, d->text, d->len);
	target_set_pack(e->data + d->len, &f->set);
	return e;
}

/* Puts a new entry in, and what is too much then out. */
static unsigned
insert(struct cache *c, struct entry *e, uint32_t hash)
{
	unsigned evicted = 0;

	e->hash = hash;
	c->bytes += entry_size(e);
	while (c->count > 0 &&
		(c->count >= c->config.entries || c->bytes > c->config.bytes)) {
		drop_least_used(c);
		evicted++;
	}
	e->next = c->bucket[hash & c->mask];
	c->bucket[hash & c->mask] = e;
	TAILQ_INSERT_HEAD(&c->used, e, used);
	c->count++;
	return evicted;
}

unsigned
cache_put(struct cache *c, enum dns_type type, const struct domain *d,
	const struct dns_fact *f, uint32_t ttl, struct monotime now)
{
	uint32_t hash = hash_of(c, type, d);
	struct entry **p = find(c, type, d, hash);
	struct entry *e = ttl > 0 ? pack(type, d, f) : NULL;

	/* What is there has been overtaken by the new answer, kept or not. */
	if (*p != NULL)
		drop(c, p);
	if (e == NULL)
		return 0;
	e->ttl = ttl;
	e->expires = monotime_add_s(now, ttl);
	return insert(c, e, hash);
}

unsigned
cache_restore(struct cache *c, enum dns_type type, const struct domain *d,
	const struct cached *old, struct monotime now)
{
	uint32_t hash = hash_of(c, type, d);
	struct entry *e;

	if (*find(c, type, d, hash) != NULL || (e = pack(type, d, &old->fact)) == NULL)
		return 0;
	e->ttl = old->ttl;
	e->expires = old->expires;
	if (!monotime_reached(e->expires, now) || is_stale(c, e, now))
		return insert(c, e, hash);
	free(e);
	return 0;
}

unsigned
cache_fail(struct cache *c, enum dns_type type, const struct domain *d, enum reason why,
	struct monotime now)
{
	static const struct dns_fact nothing = {.status = DNS_FAILED};
	uint32_t hash = hash_of(c, type, d);
	struct entry *e = *find(c, type, d, hash);
	unsigned evicted = 0;
	uint32_t pause;

	if (c->config.failure_s == 0)
		return 0;
	if (e == NULL) {
		if ((e = pack(type, d, &nothing)) == NULL)
			return 0;
		evicted = insert(c, e, hash);
	}
	pause = c->config.failure_s << e->failures;
	e->reason = (uint8_t)why;
	e->retry = monotime_add_s(
		now, pause < CACHE_FAILURE_MAX ? pause : CACHE_FAILURE_MAX);
	if (e->failures < BACKOFF_MAX)
		e->failures++;
	touch(c, e);
	return evicted;
}

void
cache_set_map_generation(struct cache *c, enum dns_type type, const struct domain *d,
	uint32_t map_generation)
{
	struct entry *e = look_up(c, type, d);

	if (e != NULL)
		e->map_generation = map_generation;
}

uint32_t
cache_map_generation(struct cache *c, enum dns_type type, const struct domain *d)
{
	const struct entry *e = look_up(c, type, d);

	return e == NULL ? 0 : e->map_generation;
}

void
cache_walk(struct cache *c, cache_each *each, void *arg)
{
	struct entry *e;

	TAILQ_FOREACH_REVERSE (e, &c->used, entries, used) {
		struct cached cached = {.failing = (enum reason)e->reason};
		struct domain d = {.len = e->keylen};

		if (e->status == DNS_FAILED)
			continue;
		memcpy(d.text, e->data, e->keylen);
		unpack(e, &cached);
		each(arg, (enum dns_type)e->type, &d, &cached);
	}
}
