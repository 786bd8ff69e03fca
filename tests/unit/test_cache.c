#include "unit.h"

#include <malloc.h>

#include "core/cache.h"

static const struct siphash_key key = {1, 2};
static const struct monotime now = {1000000000};

/* A set of n targets that can be told from that of another seed. */
static struct srv_set
make_set(unsigned seed, uint8_t n)
{
	static char host[ROUTE_MAX][ONION_LEN + 1];
	struct srv_set set = {.n = n};

	for (uint8_t i = 0; i < n; i++) {
		unit_onion(host[i], seed + i);
		set.rr[i] = (struct srv_record){.priority = (uint16_t)(seed + i),
			.weight = (uint16_t)(65535 - i),
			.port = (uint16_t)(i + 1),
			.hostlen = ONION_LEN,
			.host = host[i]};
	}
	return set;
}

static bool
same_set(const struct srv_set *a, const struct srv_set *b)
{
	if (a->n != b->n)
		return false;
	for (uint8_t i = 0; i < a->n; i++) {
		const struct srv_record *x = &a->rr[i], *y = &b->rr[i];

		if (x->priority != y->priority || x->weight != y->weight ||
			x->port != y->port || x->hostlen != y->hostlen ||
			memcmp(x->host, y->host, x->hostlen) != 0)
			return false;
	}
	return true;
}

static bool
put(struct cache *c, const char *name, unsigned seed, uint8_t n, int64_t ttl)
{
	struct domain d = unit_domain(name);
	struct srv_set set = make_set(seed, n);

	return cache_put(c, &d, &set, monotime_add_s(now, ttl));
}

static bool
has(struct cache *c, const char *name, unsigned seed, uint8_t n)
{
	struct domain d = unit_domain(name);
	struct srv_set got, want = make_set(seed, n);

	return cache_get(c, &d, now, &got) == CACHE_HIT && same_set(&got, &want);
}

static bool
misses(struct cache *c, const char *name)
{
	struct domain d = unit_domain(name);
	struct srv_set got;

	return cache_get(c, &d, now, &got) == CACHE_MISS;
}

static void
test_put_and_get(void **state)
{
	struct cache *c = cache_new(10, key);

	(void)state;
	assert_non_null(c);
	assert_int_equal(cache_entries(c), 0);
	assert_true(misses(c, "example.org"));
	assert_false(put(c, "example.org", 1, 2, 60));
	assert_false(put(c, "example.net", 9, ROUTE_MAX, 60));
	assert_false(put(c, "none.example", 0, 0, 60));
	assert_int_equal(cache_entries(c), 3);
	assert_true(has(c, "example.org", 1, 2));
	assert_true(has(c, "example.net", 9, ROUTE_MAX));
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
	struct cache *c = cache_new(1, key);
	struct domain d = unit_domain(D253);
	struct answer a;
	struct srv_set set = {.n = ROUTE_MAX}, got;

	(void)state;
	unit_longest_route(&a);
	for (unsigned i = 0; i < ROUTE_MAX; i++)
		set.rr[i] = (struct srv_record){.priority = 65535,
			.weight = 65535,
			.port = 65535,
			.hostlen = DOMAIN_MAX,
			.host = a.route.target[i].host};
	cache_put(c, &d, &set, monotime_add_s(now, 1));
	assert_int_equal(cache_get(c, &d, now, &got), CACHE_HIT);
	assert_true(same_set(&got, &set));
	cache_free(c);
}

/* The set is copied: what the caller does to its names later doesn't matter. */
static void
test_copies(void **state)
{
	struct cache *c = cache_new(4, key);
	struct domain d = unit_domain("example.org");
	char host[] = ONION_A;
	struct srv_set got, set = {.n = 1, .rr = {{1, 2, 3, ONION_LEN, host}}};

	(void)state;
	cache_put(c, &d, &set, monotime_add_s(now, 60));
	memset(host, 'x', sizeof(host));
	set.n = 0;
	strcpy(d.text, "xxxxxxx.xxx");
	d = unit_domain("example.org");
	assert_int_equal(cache_get(c, &d, now, &got), CACHE_HIT);
	assert_int_equal(got.n, 1);
	assert_memory_equal(got.rr[0].host, ONION_A, ONION_LEN);
	cache_free(c);
}

static void
test_expiry(void **state)
{
	struct cache *c = cache_new(4, key);
	struct domain d = unit_domain("example.org");
	struct srv_set got, set = make_set(1, 1);
	const struct monotime end = {now.ns + 500};

	(void)state;
	cache_put(c, &d, &set, end);
	assert_int_equal(cache_get(c, &d, now, &got), CACHE_HIT);
	assert_int_equal(
		cache_get(c, &d, (struct monotime){end.ns - 1}, &got), CACHE_HIT);
	assert_int_equal(cache_get(c, &d, end, &got), CACHE_MISS);
	assert_int_equal(
		cache_get(c, &d, (struct monotime){end.ns + 1}, &got), CACHE_MISS);
	/* it keeps its place, and the next answer takes it */
	assert_int_equal(cache_entries(c), 1);
	assert_false(cache_put(c, &d, &set, monotime_add_s(end, 1)));
	assert_int_equal(cache_get(c, &d, end, &got), CACHE_HIT);
	assert_int_equal(cache_entries(c), 1);
	/* already expired when it is put */
	cache_put(c, &d, &set, now);
	assert_int_equal(cache_get(c, &d, now, &got), CACHE_MISS);
	cache_free(c);
}

static void
test_replacement(void **state)
{
	struct cache *c = cache_new(2, key);

	(void)state;
	put(c, "a.example", 1, 1, 60);
	put(c, "b.example", 2, 2, 60);
	/* at full capacity nothing else has to go */
	assert_false(put(c, "a.example", 5, 16, 60));
	assert_int_equal(cache_entries(c), 2);
	assert_true(has(c, "a.example", 5, 16));
	assert_true(has(c, "b.example", 2, 2));
	assert_false(put(c, "a.example", 0, 0, 60));
	assert_true(has(c, "a.example", 0, 0));
	/* the new expiry counts, a shorter one as well */
	put(c, "b.example", 2, 2, 0);
	assert_true(misses(c, "b.example"));
	cache_free(c);
}

static void
test_least_recently_used_goes(void **state)
{
	struct cache *c = cache_new(3, key);

	(void)state;
	assert_false(put(c, "a.example", 1, 1, 60));
	assert_false(put(c, "b.example", 2, 1, 60));
	assert_false(put(c, "c.example", 3, 1, 60));
	assert_true(has(c, "a.example", 1, 1)); /* now b is the oldest */
	assert_true(misses(c, "z.example"));
	assert_true(put(c, "d.example", 4, 1, 60));
	assert_int_equal(cache_entries(c), 3);
	assert_true(misses(c, "b.example"));
	put(c, "c.example", 3, 1, 60); /* now a is */
	assert_true(put(c, "e.example", 5, 1, 60));
	assert_true(misses(c, "a.example"));
	assert_true(has(c, "c.example", 3, 1));
	assert_true(has(c, "d.example", 4, 1));
	assert_true(has(c, "e.example", 5, 1));
	cache_free(c);
}

static void
test_capacity_of_one(void **state)
{
	struct cache *c = cache_new(1, key);

	(void)state;
	assert_false(put(c, "a.example", 1, 1, 60));
	assert_true(put(c, "b.example", 2, 1, 60));
	assert_true(misses(c, "a.example"));
	assert_true(has(c, "b.example", 2, 1));
	assert_int_equal(cache_entries(c), 1);
	cache_free(c);
}

/* A set that came from the cache may go back into it. */
static void
test_own_views(void **state)
{
	struct cache *c = cache_new(1, key);
	struct domain a = unit_domain("a.example"), b = unit_domain("b.example");
	struct srv_set got;

	(void)state;
	put(c, "a.example", 1, 3, 60);
	assert_int_equal(cache_get(c, &a, now, &got), CACHE_HIT);
	cache_put(c, &a, &got, monotime_add_s(now, 90));
	assert_true(has(c, "a.example", 1, 3));
	assert_int_equal(cache_get(c, &a, now, &got), CACHE_HIT);
	assert_true(cache_put(c, &b, &got, monotime_add_s(now, 90)));
	assert_true(has(c, "b.example", 1, 3));
	cache_free(c);
}

/* Views live until the next cache_put(), so no cache_get() may end them. Freed memory
 * is overwritten (malloc does it for large pieces only), so that this fails without a
 * sanitizer, too. */
static void
test_views_survive_get(void **state)
{
	struct cache *c = cache_new(2, key);
	struct domain a = unit_domain("a.example");
	struct srv_set got, later, want;

	(void)state;
	mallopt(M_PERTURB, 0xa5);
	put(c, "a.example", 1, ROUTE_MAX, 60);
	put(c, "b.example", 2, 1, 90);
	assert_int_equal(cache_get(c, &a, now, &got), CACHE_HIT);
	assert_true(has(c, "b.example", 2, 1));
	want = make_set(1, ROUTE_MAX);
	assert_true(same_set(&got, &want));
	assert_int_equal(cache_get(c, &a, monotime_add_s(now, 60), &later), CACHE_MISS);
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
	struct srv_set got, want;
	enum cache_status st;
	struct known used;

	snprintf(d.text, sizeof(d.text), "n%02u.example", name);
	st = cache_get(c, &d, (struct monotime){at}, &got);
	if (i == m->n || m->e[i].expires <= at) {
		assert_int_equal(st, CACHE_MISS);
		return;
	}
	assert_int_equal(st, CACHE_HIT);
	used = m->e[i];
	want = make_set(used.seed, (uint8_t)(used.seed % 4));
	assert_true(same_set(&got, &want));
	model_take_out(m, i);
	model_insert(m, used);
}

static void
model_put(struct model *m, struct cache *c, unsigned name, unsigned seed, int64_t expires)
{
	struct domain d = {.len = 11};
	struct srv_set set = make_set(seed, (uint8_t)(seed % 4));
	unsigned i = model_find(m, name);
	bool evicts = i == m->n && m->n == CAPACITY;

	snprintf(d.text, sizeof(d.text), "n%02u.example", name);
	assert_int_equal(cache_put(c, &d, &set, (struct monotime){expires}), evicts);
	if (i < m->n)
		model_take_out(m, i);
	else if (evicts)
		m->n--;
	model_insert(m, (struct known){name, seed, expires});
}

static void
test_against_a_model(void **state)
{
	struct cache *c = cache_new(CAPACITY, key);
	struct model m = {.n = 0};
	uint32_t random = 1;

	(void)state;
	for (int64_t at = 0; at < 20000; at++) {
		random = random * 1664525 + 1013904223;
		if (random >> 31)
			model_get(&m, c, random >> 20 & (NAMES - 1), at);
		else
			model_put(&m, c, random >> 20 & (NAMES - 1), random >> 8 & 255,
				at + (random >> 16 & 127));
		assert_int_equal(cache_entries(c), m.n);
	}
	cache_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_get),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_replacement),
		cmocka_unit_test(test_least_recently_used_goes),
		cmocka_unit_test(test_capacity_of_one),
		cmocka_unit_test(test_own_views),
		cmocka_unit_test(test_views_survive_get),
		cmocka_unit_test(test_against_a_model),
	};

	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
