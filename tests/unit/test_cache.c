#include "unit.h"

#include <malloc.h>

#include "core/cache.h"

static const struct monotime now = {1000000000};

#define STALE 1000 /* seconds */
#define FAILURE 5

static struct cache *
new_cache(size_t entries)
{
	const struct cache_config config = {.entries = entries,
		.bytes = 1000000,
		.stale_s = STALE,
		.failure_s = FAILURE,
		.key = {1, 2}};
	struct cache *c = cache_new(&config);

	assert_non_null(c);
	return c;
}

/* A set of n targets that can be told from that of another seed. */
static struct target_set
make_set(unsigned seed, uint8_t n)
{
	static char host[TARGETS_MAX][ONION_LEN + 1];
	struct target_set set = {.n = n};

	for (uint8_t i = 0; i < n; i++) {
		unit_onion(host[i], seed + i);
		set.target[i] = (struct target){.priority = (uint16_t)(seed + i),
			.weight = (uint16_t)(65535 - i),
			.port = (uint16_t)(i + 1),
			.hostlen = ONION_LEN,
			.host = host[i]};
	}
	return set;
}

static bool
same_set(const struct target_set *a, const struct target_set *b)
{
	if (a->n != b->n)
		return false;
	for (uint8_t i = 0; i < a->n; i++) {
		const struct target *x = &a->target[i], *y = &b->target[i];

		if (x->priority != y->priority || x->weight != y->weight ||
			x->port != y->port || x->hostlen != y->hostlen ||
			memcmp(x->host, y->host, x->hostlen) != 0)
			return false;
	}
	return true;
}

/* An empty set is an absence. */
static struct dns_fact
make_fact(const struct target_set *set)
{
	return (struct dns_fact){
		.status = set->n > 0 ? DNS_RECORDS : DNS_NONE, .set = *set};
}

static unsigned
put_set(struct cache *c, const struct domain *d, const struct target_set *set,
	int64_t ttl)
{
	struct dns_fact f = make_fact(set);

	return cache_put(c, DNS_TYPE_SRV, d, &f, (uint32_t)ttl, now);
}

static unsigned
put(struct cache *c, const char *name, unsigned seed, uint8_t n, int64_t ttl)
{
	struct domain d = unit_domain(name);
	struct target_set set = make_set(seed, n);

	return put_set(c, &d, &set, ttl);
}

static enum cache_status
get(struct cache *c, const struct domain *d, struct monotime at, struct target_set *set)
{
	struct cached cached;
	enum cache_status st = cache_get(c, DNS_TYPE_SRV, d, at, &cached);

	if (st != CACHE_MISS)
		*set = cached.fact.set;
	return st;
}

static bool
has(struct cache *c, const char *name, unsigned seed, uint8_t n)
{
	struct domain d = unit_domain(name);
	struct target_set got, want = make_set(seed, n);

	return get(c, &d, now, &got) == CACHE_FRESH && same_set(&got, &want);
}

static bool
misses(struct cache *c, const char *name)
{
	struct domain d = unit_domain(name);
	struct target_set got;

	return get(c, &d, now, &got) == CACHE_MISS;
}

static void
test_put_and_get(void **state)
{
	struct cache *c = new_cache(10);

	(void)state;
	assert_int_equal(cache_entries(c), 0);
	assert_true(misses(c, "example.org"));
	assert_int_equal(put(c, "example.org", 1, 2, 60), 0);
	assert_int_equal(put(c, "example.net", 9, TARGETS_MAX, 60), 0);
	assert_int_equal(put(c, "none.example", 0, 0, 60), 0);
	assert_int_equal(cache_entries(c), 3);
	assert_true(has(c, "example.org", 1, 2));
	assert_true(has(c, "example.net", 9, TARGETS_MAX));
	assert_true(has(c, "none.example", 0, 0));
	/* names that begin or end alike are others */
	assert_true(misses(c, "example.or"));
	assert_true(misses(c, "example.org.a"));
	assert_true(misses(c, "xexample.org"));
	assert_true(misses(c, "a.example.org"));
	cache_free(c);
	cache_free(NULL);
}

/* A name and hosts at their limits. */
static void
test_longest(void **state)
{
	struct cache *c = new_cache(1);
	struct domain d = unit_domain(D253);
	struct answer a;
	struct target_set set = {.n = TARGETS_MAX}, got;

	(void)state;
	unit_longest_route(&a);
	for (unsigned i = 0; i < TARGETS_MAX; i++)
		set.target[i] = (struct target){.priority = 65535,
			.weight = 65535,
			.port = 65535,
			.hostlen = DOMAIN_MAX,
			.host = a.route.target[i].host};
	put_set(c, &d, &set, 1);
	assert_int_equal(get(c, &d, now, &got), CACHE_FRESH);
	assert_true(same_set(&got, &set));
	cache_free(c);
}

/* The set is copied: what the caller does to its names later doesn't matter. */
static void
test_copies(void **state)
{
	struct cache *c = new_cache(4);
	struct domain d = unit_domain("example.org");
	char host[] = ONION_A;
	struct target_set got, set = {.n = 1,
				       .target = {{.host = host,
					       .hostlen = ONION_LEN,
					       .priority = 1,
					       .weight = 2,
					       .port = 3}}};

	(void)state;
	put_set(c, &d, &set, 60);
	memset(host, 'x', sizeof(host));
	set.n = 0;
	strcpy(d.text, "xxxxxxx.xxx");
	d = unit_domain("example.org");
	assert_int_equal(get(c, &d, now, &got), CACHE_FRESH);
	assert_int_equal(got.n, 1);
	assert_memory_equal(got.target[0].host, ONION_A, ONION_LEN);
	cache_free(c);
}

static void
test_expiry(void **state)
{
	struct cache *c = new_cache(4);
	struct domain d = unit_domain("example.org"), none = unit_domain("none.example");
	struct target_set got, set = make_set(1, 1);
	const struct monotime end = monotime_add_s(now, 60);
	const struct monotime gone = monotime_add_s(end, STALE);

	(void)state;
	put_set(c, &d, &set, 60);
	put(c, "none.example", 0, 0, 60);
	assert_int_equal(get(c, &d, now, &got), CACHE_FRESH);
	assert_int_equal(get(c, &d, (struct monotime){end.ns - 1}, &got), CACHE_FRESH);
	assert_int_equal(get(c, &none, (struct monotime){end.ns - 1}, &got), CACHE_FRESH);
	/* then records are stale for a while; an absence never is */
	assert_int_equal(get(c, &d, end, &got), CACHE_STALE);
	assert_true(same_set(&got, &set));
	assert_int_equal(get(c, &none, end, &got), CACHE_MISS);
	assert_int_equal(get(c, &d, (struct monotime){gone.ns - 1}, &got), CACHE_STALE);
	assert_int_equal(get(c, &d, gone, &got), CACHE_MISS);
	/* it keeps its place, and the next answer takes it */
	assert_int_equal(cache_entries(c), 2);
	assert_int_equal(put_set(c, &d, &set, 120), 0);
	assert_int_equal(get(c, &d, end, &got), CACHE_FRESH);
	assert_int_equal(cache_entries(c), 2);
	/* an answer that isn't to be kept: the old one isn't, either */
	put_set(c, &d, &set, 0);
	assert_int_equal(get(c, &d, now, &got), CACHE_MISS);
	assert_int_equal(cache_entries(c), 1);
	cache_free(c);
}

/* What is said of an entry beside its records. */
static void
test_said(void **state)
{
	struct cache *c = new_cache(4);
	struct domain d = unit_domain("example.org");
	struct target_set set = make_set(1, 2);
	struct dns_fact f = make_fact(&set);
	struct cached got;

	(void)state;
	f.ad = true;
	f.dropped = 3;
	cache_put(c, DNS_TYPE_SRV, &d, &f, 60, now);
	assert_int_equal(cache_get(c, DNS_TYPE_SRV, &d, now, &got), CACHE_FRESH);
	assert_int_equal(got.fact.status, DNS_RECORDS);
	assert_int_equal(got.fact.reason, REASON_NONE);
	assert_true(got.fact.ad);
	assert_int_equal(got.fact.dropped, 3);
	assert_int_equal(got.ttl, 60);
	assert_int_equal(got.expires.ns, monotime_add_s(now, 60).ns);
	assert_int_equal(got.failing, REASON_NONE);
	/* records that nothing is kept of but that they are there */
	f = (struct dns_fact){.status = DNS_RECORDS};
	cache_put(c, DNS_TYPE_TXT, &d, &f, 60, now);
	assert_int_equal(cache_get(c, DNS_TYPE_TXT, &d, now, &got), CACHE_FRESH);
	assert_int_equal(got.fact.status, DNS_RECORDS);
	assert_false(got.fact.ad);
	assert_int_equal(got.fact.set.n, 0);
	cache_free(c);
}

/* One domain has an entry for each type. */
static void
test_types(void **state)
{
	struct cache *c = new_cache(DNS_TYPES);
	struct domain d = unit_domain("example.org");
	struct cached got;

	(void)state;
	for (enum dns_type t = 0; t < DNS_TYPES; t++) {
		struct target_set set = make_set(t, (uint8_t)t);
		struct dns_fact f = make_fact(&set);

		assert_int_equal(cache_get(c, t, &d, now, &got), CACHE_MISS);
		assert_int_equal(cache_put(c, t, &d, &f, 60, now), 0);
	}
	for (enum dns_type t = 0; t < DNS_TYPES; t++) {
		assert_int_equal(cache_get(c, t, &d, now, &got), CACHE_FRESH);
		assert_int_equal(got.fact.set.n, t);
	}
	cache_free(c);
}

static bool
failing(struct cache *c, const char *name, struct monotime at, enum reason why)
{
	struct domain d = unit_domain(name);
	struct cached got;

	cache_get(c, DNS_TYPE_SRV, &d, at, &got);
	return got.failing == why;
}

/* RFC 9520: for a while, and longer each time. */
static void
test_failure(void **state)
{
	static const int64_t pauses[] = {5, 10, 20, 40, 40};
	struct cache *c = new_cache(4);
	struct domain d = unit_domain("example.org");
	struct target_set got;
	struct monotime at = now;

	(void)state;
	assert_true(failing(c, "example.org", now, REASON_NONE));
	for (size_t i = 0; i < COUNT(pauses); i++) {
		assert_int_equal(cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_BAD, at), 0);
		assert_int_equal(get(c, &d, at, &got), CACHE_MISS);
		assert_int_equal(cache_entries(c), 1);
		at = monotime_add_s(at, pauses[i]);
		assert_true(failing(
			c, "example.org", (struct monotime){at.ns - 1}, REASON_DNS_BAD));
		assert_true(failing(c, "example.org", at, REASON_NONE));
	}
	/* an answer ends it */
	cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_BAD, now);
	put(c, "example.org", 1, 1, 60);
	assert_true(failing(c, "example.org", now, REASON_NONE));
	/* and the next failure is a first one; what is known stays */
	cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_TIMEOUT, now);
	assert_true(failing(c, "example.org", now, REASON_DNS_TIMEOUT));
	assert_true(has(c, "example.org", 1, 1));
	assert_true(failing(c, "example.org", monotime_add_s(now, 5), REASON_NONE));
	assert_int_equal(get(c, &d, monotime_add_s(now, 60), &got), CACHE_STALE);
	assert_int_equal(cache_entries(c), 1);
	cache_free(c);
}

static void
test_failure_limits(void **state)
{
	struct cache_config config = {.entries = 1, .bytes = 1000};
	struct cache *c = cache_new(&config);
	struct domain d = unit_domain("a.example");

	(void)state;
	/* not remembered at all */
	assert_int_equal(cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_BAD, now), 0);
	assert_true(failing(c, "a.example", now, REASON_NONE));
	assert_int_equal(cache_entries(c), 0);
	cache_free(c);
	/* never for more than five minutes */
	config.failure_s = 200;
	c = cache_new(&config);
	cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_BAD, now);
	cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_BAD, now);
	assert_true(failing(c, "a.example", monotime_add_s(now, 299), REASON_DNS_BAD));
	assert_true(failing(c, "a.example", monotime_add_s(now, 300), REASON_NONE));
	/* it takes a place like all */
	assert_int_equal(put(c, "b.example", 1, 1, 60), 1);
	assert_int_equal(cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_BAD, now), 1);
	assert_true(misses(c, "b.example"));
	cache_free(c);
}

static void
test_bytes(void **state)
{
	struct cache_config config = {.entries = 100, .bytes = 1500, .key = {1, 2}};
	struct cache *c = cache_new(&config);
	size_t one;

	(void)state;
	assert_int_equal(cache_bytes(c), 0);
	put(c, "aa.example", 1, 1, 60);
	one = cache_bytes(c);
	assert_in_range(one, ONION_LEN + 10, 300);
	put(c, "bb.example", 1, 1, 60);
	assert_int_equal(cache_bytes(c), 2 * one);
	put(c, "bb.example", 1, 0, 60);
	assert_in_range(cache_bytes(c), one + 10, 2 * one - ONION_LEN);
	/* a large one makes several go, the oldest first */
	put(c, "cc.example", 1, 1, 60);
	assert_int_equal(put(c, "dd.example", 9, TARGETS_MAX, 60), 1);
	assert_true(misses(c, "aa.example"));
	assert_true(has(c, "cc.example", 1, 1));
	assert_in_range(cache_bytes(c), 1, 1500);
	assert_int_equal(put(c, "ee.example", 9, TARGETS_MAX, 60), 2);
	assert_true(has(c, "ee.example", 9, TARGETS_MAX));
	assert_true(has(c, "cc.example", 1, 1));
	assert_int_equal(cache_entries(c), 2);
	cache_free(c);
	/* one that is too large by itself is kept alone */
	config.bytes = 10;
	c = cache_new(&config);
	put(c, "aa.example", 1, 1, 60);
	assert_true(has(c, "aa.example", 1, 1));
	assert_int_equal(put(c, "bb.example", 1, 1, 60), 1);
	assert_int_equal(cache_entries(c), 1);
	cache_free(c);
}

/* What an earlier cache knew, after a restart. */
static void
test_restore(void **state)
{
	struct cache *c = new_cache(2);
	struct domain d = unit_domain("example.org"), none = unit_domain("none.example");
	struct target_set set = make_set(1, 2), got;
	struct cached old = {.fact = make_fact(&set), .ttl = 100};
	struct cached absent = {.fact = {.status = DNS_NONE}, .ttl = 100};

	(void)state;
	old.expires = absent.expires = monotime_add_s(now, 30);
	assert_int_equal(cache_restore(c, DNS_TYPE_SRV, &d, &old, now), 0);
	assert_int_equal(cache_restore(c, DNS_TYPE_SRV, &none, &absent, now), 0);
	assert_int_equal(get(c, &d, monotime_add_s(now, 29), &got), CACHE_FRESH);
	assert_true(same_set(&got, &set));
	assert_int_equal(get(c, &d, monotime_add_s(now, 30), &got), CACHE_STALE);
	assert_int_equal(get(c, &none, monotime_add_s(now, 29), &got), CACHE_FRESH);
	/* what is newer stays */
	put(c, "none.example", 5, 1, 60);
	cache_restore(c, DNS_TYPE_SRV, &none, &absent, now);
	assert_true(has(c, "none.example", 5, 1));
	cache_free(c);

	/* what has expired is of no use, but for stale records */
	c = new_cache(2);
	absent.expires = now;
	cache_restore(c, DNS_TYPE_SRV, &none, &absent, now);
	assert_int_equal(cache_entries(c), 0);
	old.expires = monotime_add_s(now, -STALE);
	cache_restore(c, DNS_TYPE_SRV, &d, &old, now);
	assert_int_equal(cache_entries(c), 0);
	old.expires.ns++;
	cache_restore(c, DNS_TYPE_SRV, &d, &old, now);
	assert_int_equal(get(c, &d, now, &got), CACHE_STALE);
	cache_free(c);
}

struct walk {
	unsigned n;
	char names[64];
};

static void
walk(void *arg, enum dns_type type, const struct domain *d, const struct cached *cached)
{
	struct walk *w = arg;

	assert_int_equal(type, DNS_TYPE_SRV);
	assert_int_equal(d->len, strlen(d->text));
	assert_int_equal(cached->ttl, 60 + w->n);
	strcat(strcat(w->names, d->text), " ");
	w->n++;
}

static void
test_walk(void **state)
{
	struct cache *c = new_cache(4);
	struct domain d = unit_domain("d.example");
	struct walk w = {0};

	(void)state;
	put(c, "c.example", 1, 1, 62);
	put(c, "a.example", 1, 1, 60);
	cache_fail(c, DNS_TYPE_SRV, &d, REASON_DNS_BAD, now);
	put(c, "b.example", 0, 0, 61);
	assert_true(has(c, "c.example", 1, 1));
	cache_walk(c, walk, &w);
	assert_string_equal(w.names, "a.example b.example c.example ");
	cache_free(c);
}

static void
test_replacement(void **state)
{
	struct cache *c = new_cache(2);

	(void)state;
	put(c, "a.example", 1, 1, 60);
	put(c, "b.example", 2, 2, 60);
	/* at full capacity nothing else has to go */
	assert_int_equal(put(c, "a.example", 5, 16, 60), 0);
	assert_int_equal(cache_entries(c), 2);
	assert_true(has(c, "a.example", 5, 16));
	assert_true(has(c, "b.example", 2, 2));
	assert_int_equal(put(c, "a.example", 0, 0, 60), 0);
	assert_true(has(c, "a.example", 0, 0));
	/* the new expiry counts, a shorter one as well */
	put(c, "b.example", 2, 2, 0);
	assert_true(misses(c, "b.example"));
	cache_free(c);
}

static void
test_least_recently_used_goes(void **state)
{
	struct cache *c = new_cache(3);

	(void)state;
	assert_int_equal(put(c, "a.example", 1, 1, 60), 0);
	assert_int_equal(put(c, "b.example", 2, 1, 60), 0);
	assert_int_equal(put(c, "c.example", 3, 1, 60), 0);
	assert_true(has(c, "a.example", 1, 1)); /* now b is the oldest */
	assert_true(misses(c, "z.example"));
	assert_int_equal(put(c, "d.example", 4, 1, 60), 1);
	assert_int_equal(cache_entries(c), 3);
	assert_true(misses(c, "b.example"));
	put(c, "c.example", 3, 1, 60); /* now a is */
	assert_int_equal(put(c, "e.example", 5, 1, 60), 1);
	assert_true(misses(c, "a.example"));
	assert_true(has(c, "c.example", 3, 1));
	assert_true(has(c, "d.example", 4, 1));
	assert_true(has(c, "e.example", 5, 1));
	cache_free(c);
}

static void
test_capacity_of_one(void **state)
{
	struct cache *c = new_cache(1);

	(void)state;
	assert_int_equal(put(c, "a.example", 1, 1, 60), 0);
	assert_int_equal(put(c, "b.example", 2, 1, 60), 1);
	assert_true(misses(c, "a.example"));
	assert_true(has(c, "b.example", 2, 1));
	assert_int_equal(cache_entries(c), 1);
	cache_free(c);
}

/* A set that came from the cache may go back into it. */
static void
test_own_views(void **state)
{
	struct cache *c = new_cache(1);
	struct domain a = unit_domain("a.example"), b = unit_domain("b.example");
	struct target_set got;

	(void)state;
	put(c, "a.example", 1, 3, 60);
	assert_int_equal(get(c, &a, now, &got), CACHE_FRESH);
	put_set(c, &a, &got, 90);
	assert_true(has(c, "a.example", 1, 3));
	assert_int_equal(get(c, &a, now, &got), CACHE_FRESH);
	assert_int_equal(put_set(c, &b, &got, 90), 1);
	assert_true(has(c, "b.example", 1, 3));
	cache_free(c);
}

/* Views live until the next cache_put(), so no cache_get() may end them. Freed memory
 * is overwritten (malloc does it for large pieces only), so that this fails without a
 * sanitizer, too. */
static void
test_views_survive_get(void **state)
{
	struct cache *c = new_cache(2);
	struct domain a = unit_domain("a.example");
	struct target_set got, later, want;

	(void)state;
	mallopt(M_PERTURB, 0xa5);
	put(c, "a.example", 1, TARGETS_MAX, 60);
	put(c, "b.example", 2, 1, 90);
	assert_int_equal(get(c, &a, now, &got), CACHE_FRESH);
	assert_true(has(c, "b.example", 2, 1));
	want = make_set(1, TARGETS_MAX);
	assert_true(same_set(&got, &want));
	assert_int_equal(get(c, &a, monotime_add_s(now, 2000), &later), CACHE_MISS);
	assert_true(same_set(&got, &want));
	mallopt(M_PERTURB, 0);
	cache_free(c);
}

#define NAMES 64
#define CAPACITY 20

struct known {
	unsigned name, seed;
	int64_t expires;
};

/* A plain list that does what the cache promises. */
struct model {
	struct known e[CAPACITY]; /* the most recently used first */
	unsigned n;
};

static void
model_take_out(struct model *m, unsigned i)
{
	m->n--;
	memmove(&m->e[i], &m->e[i + 1], (m->n - i) * sizeof(m->e[0]));
}

static void
model_insert(struct model *m, struct known new)
{
	memmove(&m->e[1], &m->e[0], m->n * sizeof(m->e[0]));
	m->e[0] = new;
	m->n++;
}

static unsigned
model_find(const struct model *m, unsigned name)
{
	unsigned i = 0;

	while (i < m->n && m->e[i].name != name)
		i++;
	return i;
}

static void
model_get(struct model *m, struct cache *c, unsigned name, int64_t at)
{
	struct domain d = {.len = 11};
	unsigned i = model_find(m, name);
	struct target_set got, want;
	enum cache_status st;
	struct known used;

	snprintf(d.text, sizeof(d.text), "n%02u.example", name);
	st = get(c, &d, monotime_add_s(now, at), &got);
	if (i == m->n || m->e[i].expires + (m->e[i].seed % 4 > 0 ? STALE : 0) <= at) {
		assert_int_equal(st, CACHE_MISS);
		return;
	}
	used = m->e[i];
	assert_int_equal(st, used.expires > at ? CACHE_FRESH : CACHE_STALE);
	want = make_set(used.seed, (uint8_t)(used.seed % 4));
	assert_true(same_set(&got, &want));
	model_take_out(m, i);
	model_insert(m, used);
}

static void
model_put(struct model *m, struct cache *c, unsigned name, unsigned seed, int64_t at,
	uint32_t ttl)
{
	struct domain d = {.len = 11};
	struct target_set set = make_set(seed, (uint8_t)(seed % 4));
	struct dns_fact f = make_fact(&set);
	unsigned i = model_find(m, name);
	bool evicts = i == m->n && m->n == CAPACITY;

	snprintf(d.text, sizeof(d.text), "n%02u.example", name);
	assert_int_equal(
		cache_put(c, DNS_TYPE_SRV, &d, &f, ttl, monotime_add_s(now, at)), evicts);
	if (i < m->n)
		model_take_out(m, i);
	else if (evicts)
		m->n--;
	model_insert(m, (struct known){name, seed, at + ttl});
}

static void
test_against_a_model(void **state)
{
	struct cache *c = new_cache(CAPACITY);
	struct model m = {.n = 0};
	uint32_t random = 1;

	(void)state;
	for (int64_t at = 0; at < 20000; at++) {
		random = random * 1664525 + 1013904223;
		if (random >> 31)
			model_get(&m, c, random >> 20 & (NAMES - 1), at);
		else
			model_put(&m, c, random >> 20 & (NAMES - 1), random >> 8 & 255,
				at, 1 + (random >> 16 & 127));
		assert_int_equal(cache_entries(c), m.n);
	}
	cache_free(c);
}

/* It stays with the entry until that is replaced. */
static void
test_marks(void **state)
{
	struct cache *c = new_cache(10);
	struct domain a = unit_domain("a.example"), b = unit_domain("b.example");

	(void)state;
	cache_set_map_generation(c, DNS_TYPE_SRV, &a, 7);
	assert_int_equal(
		cache_map_generation(c, DNS_TYPE_SRV, &a), 0); /* nothing to mark */
	put(c, "a.example", 1, 1, 60);
	put(c, "b.example", 1, 0, 60);
	assert_int_equal(cache_map_generation(c, DNS_TYPE_SRV, &a), 0);
	cache_set_map_generation(c, DNS_TYPE_SRV, &a, 7);
	cache_set_map_generation(c, DNS_TYPE_TXT, &b, 8);
	assert_int_equal(cache_map_generation(c, DNS_TYPE_SRV, &a), 7);
	assert_int_equal(cache_map_generation(c, DNS_TYPE_SRV, &b), 0);
	cache_set_map_generation(c, DNS_TYPE_SRV, &a, 9);
	assert_int_equal(cache_map_generation(c, DNS_TYPE_SRV, &a), 9);
	put(c, "a.example", 1, 1, 60);
	assert_int_equal(cache_map_generation(c, DNS_TYPE_SRV, &a), 0);
	cache_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_put_and_get),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_said),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_failure_limits),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_replacement),
		cmocka_unit_test(test_least_recently_used_goes),
		cmocka_unit_test(test_capacity_of_one),
		cmocka_unit_test(test_own_views),
		cmocka_unit_test(test_views_survive_get),
		cmocka_unit_test(test_against_a_model),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
