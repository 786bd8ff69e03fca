#include "core/bridge_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/target.h"

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

struct bridge_table {
	struct bridge_table_config config;
	struct quotas quotas;
	struct parents_counts *parents;
	size_t mask;
	struct entry **by_key, **by_address;
	struct entries by_use[QUOTAS]; /* the one that has gone unused longest first */
};

/* How many addresses the net has but for its first and its last. */
static uint32_t
usable(const struct bridge_table *t)
{
	return (1U << (32 - t->config.prefix)) - 2;
}

struct bridge_table *
bridge_table_new(const struct bridge_table_config *config)
{
	struct bridge_table *t = calloc(1, sizeof(*t));
	size_t buckets = 1;

	if (t == NULL)
		return NULL;
	t->config = *config;
	if (t->config.max > usable(t))
		t->config.max = usable(t);
	while (buckets < t->config.max)
		buckets *= 2;
	t->quotas =
		(struct quotas){.max = t->config.max, .place_max = BRIDGE_TABLE_PLACE};
	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_INIT(&t->by_use[quota]);
	t->mask = buckets - 1;
	t->by_key = calloc(buckets, sizeof(t->by_key[0]));
	t->by_address = calloc(buckets, sizeof(t->by_address[0]));
	t->parents = parents_counts_new(quotas_limit(&t->quotas, QUOTA_DNS));
	if (t->by_key != NULL && t->by_address != NULL && t->parents != NULL)
		return t;
	bridge_table_free(t);
	return NULL;
}

void
bridge_table_free(struct bridge_table *t)
{
	struct entry *e;

	if (t == NULL)
		return;
	for (enum quota quota = 0; quota < QUOTAS; quota++)
		while ((e = TAILQ_FIRST(&t->by_use[quota])) != NULL) {
			TAILQ_REMOVE(&t->by_use[quota], e, by_use);
			free(e);
		}
	parents_counts_free(t->parents);
	free(t->by_key);
	free(t->by_address);
	free(t);
}

size_t
bridge_table_count(const struct bridge_table *t)
{
	const size_t *count = t->quotas.count;

	return count[QUOTA_DNS] + count[QUOTA_ONION] + count[QUOTA_MAP];
}

const struct quotas *
bridge_table_quotas(const struct bridge_table *t)
{
	return &t->quotas;
}

/* Keys: the domain, the TLS policy, and the targets as a set */

/* The same for every order of the targets. */
static uint64_t
hash_of(const struct bridge_table *t, const struct bridge_line *l)
{
	const struct siphash_key *key = &t->config.key;
	uint64_t sum = siphash13(key, l->domain.text, l->domain.len);

	sum = sum * 31 + siphash13(key, l->tls.name.text, l->tls.name.len);
	sum = sum * 31 + l->tls.level;
	sum *= 31;
	for (uint8_t i = 0; i < l->route.n; i++) {
		const struct target *target = &l->route.target[i];

		sum += siphash13(key, target->host, target->hostlen) *
		       (2 * (uint64_t)target->port + 1);
	}
	return siphash13(key, &sum, sizeof(sum));
}

static const char *
packed_set(const struct entry *e)
{
	return e->text + e->domainlen + e->namelen;
}

static bool
stands_for(const struct entry *e, const struct bridge_line *l)
{
	struct target_set set;

	if (e->level != l->tls.level || e->domainlen != l->domain.len ||
		e->namelen != l->tls.name.len ||
		memcmp(e->text, l->domain.text, e->domainlen) != 0 ||
		memcmp(e->text + e->domainlen, l->tls.name.text, e->namelen) != 0)
		return false;
	target_set_unpack(packed_set(e), &set);
	return target_set_same(&set, &l->route);
}

static struct entry *
find_key(const struct bridge_table *t, const struct bridge_line *l, uint64_t hash)
{
	struct entry *e = t->by_key[hash & t->mask];

	while (e != NULL && !(e->hash == hash && stands_for(e, l)))
		e = e->next_by_key;
	return e;
}

static struct entry *
find_address(const struct bridge_table *t, uint32_t ipv4)
{
	struct entry *e = t->by_address[ipv4 & t->mask];

	while (e != NULL && e->ipv4 != ipv4)
		e = e->next_by_address;
	return e;
}

/* Entries */

static size_t
size_of(const struct bridge_line *l)
{
	return sizeof(struct entry) + l->domain.len + l->tls.name.len +
	       target_set_packed_size(&l->route);
}

static struct entry *
make_entry(const struct bridge_line *l)
{
	const size_t size = size_of(l);
	struct entry *e = calloc(1, size);

	if (e == NULL)
		return NULL;
	e->parents = l->parents;
	e->ipv4 = l->ipv4;
	e->day = l->day;
	e->size = (uint32_t)size;
	e->quota = (uint8_t)l->quota;
	e->level = (uint8_t)l->tls.level;
	e->domainlen = l->domain.len;
	e->namelen = l->tls.name.len;
	memcpy(e->text, l->domain.text, e->domainlen);
	memcpy(e->text + e->domainlen, l->tls.name.text, e->namelen);
	target_set_pack(e->text + e->domainlen + e->namelen, &l->route);
	return e;
}

/* Only names that anybody can make up count against their parents. */
static void
clear_parents(struct bridge_line *l)
{
	if (l->quota != QUOTA_DNS)
		l->parents = (struct parents){0};
}

/* The newest is found first. */
static bool
insert(struct bridge_table *t, const struct bridge_line *l, uint64_t hash)
{
	struct entry *e = make_entry(l);

	if (e == NULL)
		return false;
	if (!parents_add(t->parents, &e->parents)) {
		free(e);
		return false;
	}
	e->hash = hash;
	e->next_by_key = t->by_key[hash & t->mask];
	t->by_key[hash & t->mask] = e;
	e->next_by_address = t->by_address[l->ipv4 & t->mask];
	t->by_address[l->ipv4 & t->mask] = e;
	TAILQ_INSERT_TAIL(&t->by_use[e->quota], e, by_use);
	quotas_add(&t->quotas, l->quota, e->size);
	return true;
}

/* The same names take the same room. */
static void
renew_order(struct entry *e, const struct target_set *r)
{
	target_set_pack(e->text + e->domainlen + e->namelen, r);
}

static void
drop(struct bridge_table *t, struct entry *e)
{
	struct entry **p;

	for (p = &t->by_key[e->hash & t->mask]; *p != e; p = &(*p)->next_by_key)
		;
	*p = e->next_by_key;
	for (p = &t->by_address[e->ipv4 & t->mask]; *p != e; p = &(*p)->next_by_address)
		;
	*p = e->next_by_address;
	TAILQ_REMOVE(&t->by_use[e->quota], e, by_use);
	quotas_remove(&t->quotas, (enum quota)e->quota, e->size);
	parents_remove(t->parents, &e->parents);
	free(e);
}

/* A clock that was set back makes nothing older. */
static uint32_t
note_use(struct bridge_table *t, struct entry *e, uint32_t today)
{
	const uint32_t before = e->day;

	if (today > e->day)
		e->day = today;
	TAILQ_REMOVE(&t->by_use[e->quota], e, by_use);
	TAILQ_INSERT_TAIL(&t->by_use[e->quota], e, by_use);
	return before;
}

/* From the quota of strangers to that of the map. */
static void
move_to_map(struct bridge_table *t, struct entry *e)
{
	TAILQ_REMOVE(&t->by_use[e->quota], e, by_use);
	quotas_remove(&t->quotas, (enum quota)e->quota, e->size);
	parents_remove(t->parents, &e->parents);
	e->quota = QUOTA_MAP;
	e->parents = (struct parents){0};
	quotas_add(&t->quotas, QUOTA_MAP, e->size);
	TAILQ_INSERT_TAIL(&t->by_use[QUOTA_MAP], e, by_use);
}

/* Room */

static bool
has_expired(const struct bridge_table *t, const struct entry *e, uint32_t today)
{
	return today > e->day &&
	       today - e->day > t->config.reuse_days + BRIDGE_TABLE_LAG_DAYS;
}

/* Those that nobody uses any more go as others come, two of each quota: so what is full
 * gets room, and none takes long. */
static void
drop_expired(struct bridge_table *t, uint32_t today)
{
	for (enum quota quota = 0; quota < QUOTAS; quota++)
		for (int i = 0; i < 2; i++) {
			struct entry *e = TAILQ_FIRST(&t->by_use[quota]);

			if (e != NULL && has_expired(t, e, today))
				drop(t, e);
		}
}

static bool
has_room(const struct bridge_table *t, const struct bridge_line *l)
{
	return quotas_have_room(&t->quotas, l->quota, size_of(l)) &&
	       !parents_are_full(t->parents, &l->parents);
}

/* There is one as long as the table isn't full: it isn't larger than the net. */
static uint32_t
choose_address(const struct bridge_table *t, uint64_t hash)
{
	uint32_t n = usable(t), i = (uint32_t)(hash % n);

	while (find_address(t, t->config.net + 1 + i) != NULL)
		i = (i + 1) % n;
	return t->config.net + 1 + i;
}

static enum bridge_table_status
assign_new(struct bridge_table *t, struct bridge_line *l, uint64_t hash, uint32_t today)
{
	drop_expired(t, today);
	if (!has_room(t, l))
		return BRIDGE_TABLE_FULL;
	l->ipv4 = choose_address(t, hash);
	l->day = today;
	return insert(t, l, hash) ? BRIDGE_TABLE_NEW : BRIDGE_TABLE_NOMEM;
}

enum bridge_table_status
bridge_table_assign(struct bridge_table *t, struct bridge_line *l, uint32_t today)
{
	struct entry *e;
	uint64_t hash;

	bridge_line_make_plain(l);
	clear_parents(l);
	hash = hash_of(t, l);
	if ((e = find_key(t, l, hash)) == NULL)
		return assign_new(t, l, hash, today);
	renew_order(e, &l->route);
	l->ipv4 = e->ipv4;
	l->day = note_use(t, e, today);
	if (l->quota != QUOTA_MAP || e->quota == QUOTA_MAP)
		return BRIDGE_TABLE_FOUND;
	move_to_map(t, e);
	return BRIDGE_TABLE_MOVED;
}

void
bridge_table_forget(struct bridge_table *t, uint32_t ipv4)
{
	struct entry *e = find_address(t, ipv4);

	if (e != NULL)
		drop(t, e);
}

uint32_t
bridge_table_use(struct bridge_table *t, uint32_t ipv4, uint32_t today)
{
	return note_use(t, find_address(t, ipv4), today);
}

void
bridge_table_use_all(struct bridge_table *t, uint32_t day)
{
	struct entry *e;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_FOREACH (e, &t->by_use[quota], by_use)
			if (e->day < day)
				e->day = day;
}

uint32_t
bridge_table_newest(const struct bridge_table *t)
{
	const struct entry *e;
	uint32_t newest = 0;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_FOREACH (e, &t->by_use[quota], by_use)
			if (e->day > newest)
				newest = e->day;
	return newest;
}

uint64_t *
bridge_table_mark(struct bridge_table *t, uint32_t ipv4)
{
	return &find_address(t, ipv4)->mark;
}

static void
read_entry(const struct entry *e, struct bridge_line *l)
{
	*l = (struct bridge_line){.ipv4 = e->ipv4,
		.day = e->day,
		.quota = (enum quota)e->quota,
		.parents = e->parents,
		.domain.len = e->domainlen,
		.tls = {.level = (enum tls_level)e->level, .name.len = e->namelen}};
	memcpy(l->domain.text, e->text, e->domainlen);
	memcpy(l->tls.name.text, e->text + e->domainlen, e->namelen);
	target_set_unpack(packed_set(e), &l->route);
}

bool
bridge_table_get(const struct bridge_table *t, uint32_t ipv4, struct bridge_line *l)
{
	const struct entry *e = find_address(t, ipv4);

	if (e == NULL)
		return false;
	read_entry(e, l);
	return true;
}

void
bridge_table_walk(const struct bridge_table *t,
	void (*each)(void *arg, const struct bridge_line *), void *arg)
{
	const struct entry *e;

	for (enum quota quota = 0; quota < QUOTAS; quota++)
		TAILQ_FOREACH (e, &t->by_use[quota], by_use) {
			struct bridge_line l;

			read_entry(e, &l);
			each(arg, &l);
		}
}

/* Disk */

static bool
is_in_net(const struct bridge_table *t, uint32_t ipv4)
{
	const uint32_t offset = ipv4 - t->config.net;

	return offset >= 1 && offset <= usable(t);
}

/* More than max may be there: all that was given out leads on. */
static enum bridge_table_loaded
load_address(struct bridge_table *t, struct bridge_line *l, bool is_old, uint32_t today)
{
	struct entry *e = find_address(t, l->ipv4);

	if (!is_in_net(t, l->ipv4) || (is_old && e != NULL))
		return BRIDGE_TABLE_OUTSIDE;
	if (e != NULL)
		drop(t, e);
	bridge_line_make_plain(l);
	clear_parents(l);
	if (l->day > today)
		l->day = today;
	if (!insert(t, l, hash_of(t, l)))
		return BRIDGE_TABLE_LOST;
	return l->day == 0 ? BRIDGE_TABLE_LOADED_OLD : BRIDGE_TABLE_LOADED;
}

enum bridge_table_loaded
bridge_table_load(struct bridge_table *t, const char *line, size_t len, uint32_t today)
{
	struct entry *e;
	struct bridge_line l;
	enum bridge_line_kind kind = bridge_line_read(line, len, &l);

	switch (kind) {
	case BRIDGE_LINE_DAMAGED:
		break;
	case BRIDGE_LINE_ADDRESS:
	case BRIDGE_LINE_OLD:
		return load_address(t, &l, kind == BRIDGE_LINE_OLD, today);
	case BRIDGE_LINE_USED:
		if ((e = find_address(t, l.ipv4)) == NULL)
			return BRIDGE_TABLE_OUTSIDE;
		note_use(t, e, l.day < today ? l.day : today);
		return BRIDGE_TABLE_LOADED;
	case BRIDGE_LINE_ALL_USED:
		bridge_table_use_all(t, l.day < today ? l.day : today);
		return BRIDGE_TABLE_LOADED;
	}
	return BRIDGE_TABLE_DAMAGED;
}
