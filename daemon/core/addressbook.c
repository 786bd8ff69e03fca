#include "core/addressbook.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/srvpack.h"

TAILQ_HEAD(entries, entry);

struct entry {
	struct entry *next_by_key, *next_by_address; /* in the buckets */
	TAILQ_ENTRY(entry) by_use;                   /* in the quota's list */
	uint64_t hash;                               /* of the key */
	uint64_t mark;
	struct parents parents;
	uint32_t ipv4;
	uint32_t day;
	uint32_t size;
	uint8_t quota, level, domainlen, namelen;
	char text[]; /* the domain, the name for TLS, and the packed set, whose order is
			that of the route */
};

struct addressbook {
	struct addressbook_config config;
	struct quotas quotas;
	struct parent_counts *parents;
	size_t mask;
	struct entry **by_key, **by_address;
	struct entries by_use[QUOTAS]; /* the one that has gone unused longest first */
};

/* How many addresses the net has but for its first and its last. */
static uint32_t
usable(const struct addressbook *b)
{
	return (1U << (32 - b->config.prefix)) - 2;
}

struct addressbook *
addressbook_new(const struct addressbook_config *config)
{
	struct addressbook *b = calloc(1, sizeof(*b));
	size_t buckets = 1;

	if (b == NULL)
		return NULL;
	b->config = *config;
	if (b->config.max > usable(b))
		b->config.max = usable(b);
	while (buckets < b->config.max)
		buckets *= 2;
	b->quotas = (struct quotas){.max = b->config.max, .place_max = ADDRESSBOOK_PLACE};
	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_INIT(&b->by_use[quota]);
	b->mask = buckets - 1;
	b->by_key = calloc(buckets, sizeof(b->by_key[0]));
	b->by_address = calloc(buckets, sizeof(b->by_address[0]));
	b->parents = parent_counts_new(quotas_limit(&b->quotas, QUOTA_DNS));
	if (b->by_key != NULL && b->by_address != NULL && b->parents != NULL)
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
	for (enum quota quota = 0; quota < QUOTAS; quota++)
		while ((e = TAILQ_FIRST(&b->by_use[quota])) != NULL) {
			TAILQ_REMOVE(&b->by_use[quota], e, by_use);
			free(e);
		}
	parent_counts_free(b->parents);
	free(b->by_key);
	free(b->by_address);
	free(b);
}

size_t
addressbook_count(const struct addressbook *b)
{
	const size_t *count = b->quotas.count;

	return count[QUOTA_DNS] + count[QUOTA_ONION] + count[QUOTA_MAP];
}

const struct quotas *
addressbook_quotas(const struct addressbook *b)
{
	return &b->quotas;
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

static const char *
packed_set(const struct entry *e)
{
	return e->text + e->domainlen + e->namelen;
}

static bool
stands_for(const struct entry *e, const struct way *w)
{
	struct srv_set set;

	srvpack_get(packed_set(e), &set);
	if (set.n != w->route.n || e->level != w->tls.level ||
		e->domainlen != w->domain.len || e->namelen != w->tls.name.len ||
		memcmp(e->text, w->domain.text, e->domainlen) != 0 ||
		memcmp(e->text + e->domainlen, w->tls.name.text, e->namelen) != 0)
		return false;
	for (uint8_t i = 0; i < w->route.n; i++)
		if (!srv_set_has(&set, &w->route.target[i]))
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

static size_t
size_of(const struct way *w, const struct srv_set *set)
{
	return sizeof(struct entry) + w->domain.len + w->tls.name.len + srvpack_size(set);
}

static struct entry *
make_entry(const struct way *w, const struct srv_set *set, size_t size)
{
	struct entry *e = calloc(1, size);

	if (e == NULL)
		return NULL;
	e->parents = w->parents;
	e->ipv4 = w->ipv4;
	e->day = w->day;
	e->size = (uint32_t)size;
	e->quota = (uint8_t)w->quota;
	e->level = (uint8_t)w->tls.level;
	e->domainlen = w->domain.len;
	e->namelen = w->tls.name.len;
	memcpy(e->text, w->domain.text, e->domainlen);
	memcpy(e->text + e->domainlen, w->tls.name.text, e->namelen);
	srvpack_put(e->text + e->domainlen + e->namelen, set);
	return e;
}

/* Only names that anybody can make up count against their parents. */
static void
clear_parents(struct way *w)
{
	if (w->quota != QUOTA_DNS)
		w->parents = (struct parents){0};
}

/* The newest is found first. */
static bool
insert(struct addressbook *b, const struct way *w, uint64_t hash)
{
	struct srv_set set;
	struct entry *e;

	srv_set_of_route(&set, &w->route);
	if ((e = make_entry(w, &set, size_of(w, &set))) == NULL)
		return false;
	if (!parents_add(b->parents, &e->parents)) {
		free(e);
		return false;
	}
	e->hash = hash;
	e->next_by_key = b->by_key[hash & b->mask];
	b->by_key[hash & b->mask] = e;
	e->next_by_address = b->by_address[w->ipv4 & b->mask];
	b->by_address[w->ipv4 & b->mask] = e;
	TAILQ_INSERT_TAIL(&b->by_use[e->quota], e, by_use);
	quotas_add(&b->quotas, w->quota, e->size);
	return true;
}

static void
renew_order(struct entry *e, const struct route *r)
{
	struct srv_set set;

	srv_set_of_route(&set, r); /* the same names, so it takes the same room */
	srvpack_put(e->text + e->domainlen + e->namelen, &set);
}

static void
drop(struct addressbook *b, struct entry *e)
{
	struct entry **p;

	for (p = &b->by_key[e->hash & b->mask]; *p != e; p = &(*p)->next_by_key)
		;
	*p = e->next_by_key;
	for (p = &b->by_address[e->ipv4 & b->mask]; *p != e; p = &(*p)->next_by_address)
		;
	*p = e->next_by_address;
	TAILQ_REMOVE(&b->by_use[e->quota], e, by_use);
	quotas_remove(&b->quotas, (enum quota)e->quota, e->size);
	parents_remove(b->parents, &e->parents);
	free(e);
}

/* A clock that was set back makes nothing older. */
static uint32_t
note_use(struct addressbook *b, struct entry *e, uint32_t today)
{
	const uint32_t before = e->day;

	if (today > e->day)
		e->day = today;
	TAILQ_REMOVE(&b->by_use[e->quota], e, by_use);
	TAILQ_INSERT_TAIL(&b->by_use[e->quota], e, by_use);
	return before;
}

/* From the quota of strangers to that of the map. */
static void
move_to_map(struct addressbook *b, struct entry *e)
{
	TAILQ_REMOVE(&b->by_use[e->quota], e, by_use);
	quotas_remove(&b->quotas, (enum quota)e->quota, e->size);
	parents_remove(b->parents, &e->parents);
	e->quota = QUOTA_MAP;
	e->parents = (struct parents){0};
	quotas_add(&b->quotas, QUOTA_MAP, e->size);
	TAILQ_INSERT_TAIL(&b->by_use[QUOTA_MAP], e, by_use);
}

/* Room */

static bool
has_expired(const struct addressbook *b, const struct entry *e, uint32_t today)
{
	return today > e->day &&
	       today - e->day > b->config.reuse_days + ADDRESSBOOK_LAG_DAYS;
}

/* Those that nobody uses any more go as others come, two of each quota: so what is full
 * gets room, and none takes long. */
static void
drop_expired(struct addressbook *b, uint32_t today)
{
	for (enum quota quota = 0; quota < QUOTAS; quota++)
		for (int i = 0; i < 2; i++) {
			struct entry *e = TAILQ_FIRST(&b->by_use[quota]);

			if (e != NULL && has_expired(b, e, today))
				drop(b, e);
		}
}

static bool
has_room(const struct addressbook *b, const struct way *w)
{
	struct srv_set set;

	srv_set_of_route(&set, &w->route);
	return quotas_have_room(&b->quotas, w->quota, size_of(w, &set)) &&
	       !parents_are_full(b->parents, &w->parents);
}

/* There is one as long as the table isn't full: it isn't larger than the net. */
static uint32_t
choose_address(const struct addressbook *b, uint64_t hash)
{
	uint32_t n = usable(b), i = (uint32_t)(hash % n);

	while (find_address(b, b->config.net + 1 + i) != NULL)
		i = (i + 1) % n;
	return b->config.net + 1 + i;
}

static enum addressbook_status
assign_new(struct addressbook *b, struct way *w, uint64_t hash, uint32_t today)
{
	drop_expired(b, today);
	if (!has_room(b, w))
		return ADDRESSBOOK_FULL;
	w->ipv4 = choose_address(b, hash);
	w->day = today;
	return insert(b, w, hash) ? ADDRESSBOOK_NEW : ADDRESSBOOK_NOMEM;
}

enum addressbook_status
addressbook_assign(struct addressbook *b, struct way *w, uint32_t today)
{
	struct entry *e;
	uint64_t hash;

	way_make_plain(w);
	clear_parents(w);
	hash = hash_of(b, w);
	if ((e = find_key(b, w, hash)) == NULL)
		return assign_new(b, w, hash, today);
	renew_order(e, &w->route);
	w->ipv4 = e->ipv4;
	w->day = note_use(b, e, today);
	if (w->quota != QUOTA_MAP || e->quota == QUOTA_MAP)
		return ADDRESSBOOK_FOUND;
	move_to_map(b, e);
	return ADDRESSBOOK_MOVED;
}

void
addressbook_forget(struct addressbook *b, uint32_t ipv4)
{
	struct entry *e = find_address(b, ipv4);

	if (e != NULL)
		drop(b, e);
}

uint32_t
addressbook_use(struct addressbook *b, uint32_t ipv4, uint32_t today)
{
	return note_use(b, find_address(b, ipv4), today);
}

void
addressbook_use_all(struct addressbook *b, uint32_t day)
{
	struct entry *e;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_FOREACH (e, &b->by_use[quota], by_use)
			if (e->day < day)
				e->day = day;
}

uint32_t
addressbook_newest(const struct addressbook *b)
{
	const struct entry *e;
	uint32_t newest = 0;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_FOREACH (e, &b->by_use[quota], by_use)
			if (e->day > newest)
				newest = e->day;
	return newest;
}

uint64_t *
addressbook_mark(struct addressbook *b, uint32_t ipv4)
{
	return &find_address(b, ipv4)->mark;
}

static void
read_entry(const struct entry *e, struct way *w)
{
	struct srv_set set;

	*w = (struct way){.ipv4 = e->ipv4,
		.day = e->day,
		.quota = (enum quota)e->quota,
		.parents = e->parents,
		.domain.len = e->domainlen,
		.tls = {.level = (enum tls_level)e->level, .name.len = e->namelen}};
	memcpy(w->domain.text, e->text, e->domainlen);
	memcpy(w->tls.name.text, e->text + e->domainlen, e->namelen);
	srvpack_get(packed_set(e), &set);
	srv_set_route(&set, &w->route);
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
	const struct entry *e;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_FOREACH (e, &b->by_use[quota], by_use) {
			struct way w;

			read_entry(e, &w);
			each(arg, &w);
		}
}

/* Disk */

static bool
is_in_net(const struct addressbook *b, uint32_t ipv4)
{
	const uint32_t offset = ipv4 - b->config.net;

	return offset >= 1 && offset <= usable(b);
}

/* More than max may be there: all that was given out leads on. */
static enum addressbook_loaded
load_way(struct addressbook *b, struct way *w, bool is_old, uint32_t today)
{
	struct entry *e = find_address(b, w->ipv4);

	if (!is_in_net(b, w->ipv4) || (is_old && e != NULL))
		return ADDRESSBOOK_OUTSIDE;
	if (e != NULL)
		drop(b, e);
	way_make_plain(w);
	clear_parents(w);
	if (w->day > today)
		w->day = today;
	if (!insert(b, w, hash_of(b, w)))
		return ADDRESSBOOK_LOST;
	return w->day == 0 ? ADDRESSBOOK_LOADED_OLD : ADDRESSBOOK_LOADED;
}

enum addressbook_loaded
addressbook_load(struct addressbook *b, const char *line, size_t len, uint32_t today)
{
	struct entry *e;
	struct way w;
	enum way_line kind = way_read(line, len, &w);

	switch (kind) {
	case WAY_DAMAGED:
		break;
	case WAY_ADDRESS:
	case WAY_OLD:
		return load_way(b, &w, kind == WAY_OLD, today);
	case WAY_USED:
		if ((e = find_address(b, w.ipv4)) == NULL)
			return ADDRESSBOOK_OUTSIDE;
		note_use(b, e, w.day < today ? w.day : today);
		return ADDRESSBOOK_LOADED;
	case WAY_ALL_USED:
		addressbook_use_all(b, w.day < today ? w.day : today);
		return ADDRESSBOOK_LOADED;
	}
	return ADDRESSBOOK_DAMAGED;
}
