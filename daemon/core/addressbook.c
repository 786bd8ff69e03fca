#include "core/addressbook.h"

#include <stdlib.h>
#include <string.h>

#include "core/siphash.h"
#include "core/srvpack.h"

struct entry {
	struct entry *next_by_key, *next_by_address; /* in the buckets */
	uint64_t hash;                               /* of the key */
	uint32_t ipv4;
	struct domain domain;
	struct tls_policy tls;
	char set[]; /* packed; its order is that of the route */
};

struct addressbook {
	struct addressbook_config config;
	size_t count, mask;
	struct entry **by_key, **by_address;
};

struct addressbook *
addressbook_new(const struct addressbook_config *config)
{
	struct addressbook *b = calloc(1, sizeof(*b));
	size_t buckets = 1;

	if (b == NULL)
		return NULL;
	while (buckets < config->max)
		buckets *= 2;
	b->config = *config;
	b->mask = buckets - 1;
	b->by_key = calloc(buckets, sizeof(b->by_key[0]));
	b->by_address = calloc(buckets, sizeof(b->by_address[0]));
	if (b->by_key != NULL && b->by_address != NULL)
		return b;
	addressbook_free(b);
	return NULL;
}

void
addressbook_free(struct addressbook *b)
{
	struct entry *e;

	if (b == NULL)
		return;
	for (size_t i = 0; b->by_key != NULL && i <= b->mask; i++)
		while ((e = b->by_key[i]) != NULL) {
			b->by_key[i] = e->next_by_key;
			free(e);
		}
	free(b->by_key);
	free(b->by_address);
	free(b);
}

size_t
addressbook_count(const struct addressbook *b)
{
	return b->count;
}

/* Keys: the domain, the TLS policy, and the targets as a set */

/* The same for every order of the targets. */
static uint64_t
hash_of(const struct addressbook *b, const struct way *w)
{
	const struct siphash_key *key = &b->config.key;
	uint64_t sum = siphash13(key, w->domain.text, w->domain.len);

	sum = sum * 31 + siphash13(key, w->tls.name.text, w->tls.name.len);
	sum = sum * 31 + w->tls.level;
	sum *= 31;
	for (uint8_t i = 0; i < w->route.n; i++) {
		const struct target *t = &w->route.target[i];

		sum += siphash13(key, t->host, t->hostlen) * (2 * (uint64_t)t->port + 1);
	}
	return siphash13(key, &sum, sizeof(sum));
}

static bool
has_target(const struct srv_set *set, const struct target *t)
{
	for (uint8_t i = 0; i < set->n; i++)
		if (set->rr[i].port == t->port && set->rr[i].hostlen == t->hostlen &&
			memcmp(set->rr[i].host, t->host, t->hostlen) == 0)
			return true;
	return false;
}

static bool
stands_for(const struct entry *e, const struct way *w)
{
	struct srv_set set;

	srvpack_get(e->set, &set);
	if (set.n != w->route.n || strcmp(e->domain.text, w->domain.text) != 0 ||
		e->tls.level != w->tls.level ||
		strcmp(e->tls.name.text, w->tls.name.text) != 0)
		return false;
	for (uint8_t i = 0; i < w->route.n; i++)
		if (!has_target(&set, &w->route.target[i]))
			return false;
	return true;
}

static struct entry *
find_key(const struct addressbook *b, const struct way *w, uint64_t hash)
{
	struct entry *e = b->by_key[hash & b->mask];

	while (e != NULL && !(e->hash == hash && stands_for(e, w)))
		e = e->next_by_key;
	return e;
}

static struct entry *
find_address(const struct addressbook *b, uint32_t ipv4)
{
	struct entry *e = b->by_address[ipv4 & b->mask];

	while (e != NULL && e->ipv4 != ipv4)
		e = e->next_by_address;
	return e;
}

/* Entries */

static void
set_of_route(struct srv_set *set, const struct route *r)
{
	set->n = r->n;
	for (uint8_t i = 0; i < r->n; i++)
		set->rr[i] = (struct srv_record){.port = r->target[i].port,
			.hostlen = r->target[i].hostlen,
			.host = r->target[i].host};
}

static void
route_of_set(struct route *r, const struct srv_set *set)
{
	r->n = set->n;
	for (uint8_t i = 0; i < set->n; i++)
		r->target[i] = (struct target){.host = set->rr[i].host,
			.hostlen = set->rr[i].hostlen,
			.port = set->rr[i].port};
}

static bool
insert(struct addressbook *b, const struct way *w, uint64_t hash)
{
	struct srv_set set;
	struct entry *e;

	set_of_route(&set, &w->route);
	if ((e = calloc(1, sizeof(*e) + srvpack_size(&set))) == NULL)
		return false;
	e->hash = hash;
	e->ipv4 = w->ipv4;
	e->domain = w->domain;
	e->tls = w->tls;
	srvpack_put(e->set, &set);
	e->next_by_key = b->by_key[hash & b->mask];
	b->by_key[hash & b->mask] = e;
	e->next_by_address = b->by_address[w->ipv4 & b->mask];
	b->by_address[w->ipv4 & b->mask] = e;
	b->count++;
	return true;
}

static void
renew_order(struct entry *e, const struct route *r)
{
	struct srv_set set;

	set_of_route(&set, r); /* the same names, so it takes the same room */
	srvpack_put(e->set, &set);
}

/* How many addresses the net has but for its first and its last. */
static uint32_t
usable(const struct addressbook *b)
{
	return (1U << (32 - b->config.prefix)) - 2;
}

static bool
choose_address(const struct addressbook *b, uint64_t hash, uint32_t *ipv4)
{
	uint32_t n = usable(b), first = (uint32_t)(hash % n);

	if (b->count >= b->config.max || b->count >= n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		*ipv4 = b->config.net + 1 + (first + i) % n;
		if (find_address(b, *ipv4) == NULL)
			return true;
	}
	return false;
}

enum addressbook_status
addressbook_assign(struct addressbook *b, struct way *w)
{
	uint64_t hash = hash_of(b, w);
	struct entry *e = find_key(b, w, hash);

	if (e != NULL) {
		renew_order(e, &w->route);
		w->ipv4 = e->ipv4;
		return ADDRESSBOOK_FOUND;
	}
	if (!choose_address(b, hash, &w->ipv4))
		return ADDRESSBOOK_FULL;
	return insert(b, w, hash) ? ADDRESSBOOK_NEW : ADDRESSBOOK_NOMEM;
}

void
addressbook_forget(struct addressbook *b, uint32_t ipv4)
{
	struct entry *e = find_address(b, ipv4), **p;

	if (e == NULL)
		return;
	for (p = &b->by_key[e->hash & b->mask]; *p != e; p = &(*p)->next_by_key)
		;
	*p = e->next_by_key;
	for (p = &b->by_address[ipv4 & b->mask]; *p != e; p = &(*p)->next_by_address)
		;
	*p = e->next_by_address;
	b->count--;
	free(e);
}

static void
read_entry(const struct entry *e, struct way *w)
{
	struct srv_set set;

	srvpack_get(e->set, &set);
	w->ipv4 = e->ipv4;
	w->domain = e->domain;
	w->tls = e->tls;
	route_of_set(&w->route, &set);
}

bool
addressbook_get(const struct addressbook *b, uint32_t ipv4, struct way *w)
{
	const struct entry *e = find_address(b, ipv4);

	if (e == NULL)
		return false;
	read_entry(e, w);
	return true;
}

void
addressbook_walk(const struct addressbook *b, void (*each)(void *arg, const struct way *),
	void *arg)
{
	for (size_t i = 0; i <= b->mask; i++)
		for (const struct entry *e = b->by_key[i]; e != NULL;
			e = e->next_by_key) {
			struct way w;

			read_entry(e, &w);
			each(arg, &w);
		}
}

bool
addressbook_load(struct addressbook *b, const struct way *w)
{
	uint32_t n = usable(b), offset = w->ipv4 - b->config.net;
	uint64_t hash = hash_of(b, w);

	if (offset < 1 || offset > n || b->count >= b->config.max ||
		find_address(b, w->ipv4) != NULL || find_key(b, w, hash) != NULL)
		return false;
	return insert(b, w, hash);
}
