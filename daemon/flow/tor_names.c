#include "tor_names.h"

#include <stdlib.h>
#include <string.h>

#include "core/domain.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define NEARLY_FULL 80 /* percent */

struct tor_name {
	UT_hash_handle hh;
	uint64_t hash; /* of the name, with a secret: two names don't meet */
	uint32_t ipv4;
	bool owned;
	struct tor_asker owner;
};

struct tor_names {
	struct siphash_key key;
	struct quotas quotas; /* a name without an owner counts as the map's */
	struct parents_counts *parents;
	struct tor_name *table;
	void (*nearly_full)(void *arg, unsigned percent);
	void *arg;
	bool told;
	char any[DOMAIN_MAX + 1];
};

struct tor_names *
tor_names_new(size_t max, const struct siphash_key *key,
	void (*nearly_full)(void *arg, unsigned percent), void *arg)
{
	struct tor_names *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->key = *key;
	n->quotas = (struct quotas){.max = max, .place_max = 1};
	n->nearly_full = nearly_full;
	n->arg = arg;
	n->parents = parents_counts_new(quotas_limit(&n->quotas, QUOTA_DNS));
	if (n->parents != NULL)
		return n;
	free(n);
	return NULL;
}

static void
forget(struct tor_names *n, struct tor_name *t)
{
	quotas_remove(&n->quotas, t->owner.quota, 0);
	parents_remove(n->parents, &t->owner.parents);
	HASH_DEL(n->table, t);
	free(t);
}

static void
forget_all(struct tor_names *n)
{
	struct tor_name *t, *next;

	HASH_ITER(hh, n->table, t, next)
	{
		forget(n, t);
	}
	n->told = false;
	n->any[0] = '\0';
}

void
tor_names_free(struct tor_names *n)
{
	if (n == NULL)
		return;
	forget_all(n);
	parents_counts_free(n->parents);
	free(n);
}

static struct tor_name *
find(const struct tor_names *n, const char *name)
{
	const uint64_t hash = siphash13(&n->key, name, strlen(name));
	struct tor_name *t;

	HASH_FIND(hh, n->table, &hash, sizeof(hash), t);
	return t;
}

bool
tor_names_may_ask(
	const struct tor_names *n, const char *name, const struct tor_asker *asker)
{
	return find(n, name) != NULL ||
	       (quotas_have_room(&n->quotas, asker->quota, 0) &&
		       !parents_are_full(n->parents, &asker->parents));
}

/* Without memory for it, it isn't counted. */
static void
add(struct tor_names *n, const char *name, uint32_t ipv4)
{
	struct tor_name *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return;
	t->hash = siphash13(&n->key, name, strlen(name));
	t->ipv4 = ipv4;
	t->owner.quota = QUOTA_MAP;
	HASH_ADD(hh, n->table, hash, sizeof(t->hash), t);
	if (t->hh.tbl == NULL) { /* out of memory in uthash */
		free(t);
		return;
	}
	quotas_add(&n->quotas, QUOTA_MAP, 0);
	strcpy(n->any, name);
}

void
tor_names_answered(struct tor_names *n, const char *name, uint32_t ipv4)
{
	const struct tor_name *t = find(n, name);

	if (t != NULL && t->ipv4 == ipv4)
		return;
	if (t != NULL)
		forget_all(n);
	add(n, name, ipv4);
}

static void
watch_quota(struct tor_names *n, enum quota quota)
{
	const unsigned percent = quotas_percent(&n->quotas, quota);

	if (percent < NEARLY_FULL || n->told || n->nearly_full == NULL)
		return;
	n->told = true;
	n->nearly_full(n->arg, percent);
}

void
tor_names_own(struct tor_names *n, const char *name, const struct tor_asker *asker)
{
	struct tor_name *t = find(n, name);

	if (t == NULL || t->owned || !parents_add(n->parents, &asker->parents))
		return;
	quotas_remove(&n->quotas, t->owner.quota, 0);
	t->owner = *asker;
	t->owned = true;
	quotas_add(&n->quotas, t->owner.quota, 0);
	watch_quota(n, asker->quota);
	watch_quota(n, QUOTA_MAP);
}

const char *
tor_names_any(const struct tor_names *n)
{
	return n->any[0] == '\0' ? NULL : n->any;
}
