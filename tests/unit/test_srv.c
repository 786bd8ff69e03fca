#include "unit.h"

#include "core/srv.h"

static struct target
record(const char *host, uint16_t priority, uint16_t weight, uint16_t port)
{
	return (struct target){.priority = priority,
		.weight = weight,
		.port = port,
		.hostlen = (uint8_t)strlen(host),
		.host = host};
}

/* As the callers do it. */
static bool
add(struct target_set *set, struct target rr)
{
	struct target *place = srv_place(set, &rr);

	if (place == NULL)
		return false;
	*place = rr;
	return true;
}

static const struct target *
find(const struct target_set *set, const char *host, uint16_t port)
{
	for (uint8_t i = 0; i < set->n; i++)
		if (set->target[i].port == port &&
			set->target[i].hostlen == strlen(host) &&
			memcmp(set->target[i].host, host, strlen(host)) == 0)
			return &set->target[i];
	return NULL;
}

static void
test_place(void **state)
{
	struct target_set set = {0};

	(void)state;
	assert_true(add(&set, record(ONION_A, 10, 1, 25)));
	assert_true(add(&set, record(ONION_B, 10, 1, 25)));
	assert_int_equal(set.n, 2);
	/* not duplicates: another port, a name that begins alike */
	assert_true(add(&set, record(ONION_A, 10, 1, 26)));
	assert_true(add(&set, record(ONION_A "x", 10, 1, 25)));
	assert_int_equal(set.n, 4);
	assert_int_equal(find(&set, ONION_A, 26)->port, 26);
}

static void
test_duplicates(void **state)
{
	struct target_set set = {0};

	(void)state;
	assert_true(add(&set, record(ONION_A, 10, 1, 25)));
	assert_true(add(&set, record(ONION_B, 10, 1, 25)));
	assert_false(add(&set, record(ONION_A, 10, 9, 25)));
	assert_false(add(&set, record(ONION_A, 11, 9, 25)));
	assert_int_equal(find(&set, ONION_A, 25)->weight, 1);
	/* the more preferred one stays */
	assert_true(add(&set, record(ONION_A, 5, 7, 25)));
	assert_int_equal(set.n, 2);
	assert_int_equal(find(&set, ONION_A, 25)->priority, 5);
	assert_int_equal(find(&set, ONION_A, 25)->weight, 7);
	assert_int_equal(find(&set, ONION_B, 25)->priority, 10);
}

/* Whatever order 40 records come in, the 16 most preferred stay. */
static void
test_limit_keeps_most_preferred(void **state)
{
	static char host[40][ONION_LEN + 1];
	const unsigned steps[] = {1, 3, 7, 39, 13, 21}; /* no common factor with 40 */

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		unit_onion(host[i], i);
	for (size_t s = 0; s < COUNT(steps); s++) {
		struct target_set set = {0};

		for (unsigned i = 0; i < 40; i++) {
			unsigned k = i * steps[s] % 40;

			add(&set, record(host[k], (uint16_t)(k * 1000), 0, 25));
		}
		assert_int_equal(set.n, TARGETS_MAX);
		for (unsigned k = 0; k < TARGETS_MAX; k++)
			assert_non_null(find(&set, host[k], 25));
	}
}

static void
test_full(void **state)
{
	static char host[TARGETS_MAX][ONION_LEN + 1];
	struct target_set set = {0};

	(void)state;
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		unit_onion(host[i], 100 + i);
		assert_true(add(&set, record(host[i], (uint16_t)(10 + i), 1, 25)));
	}
	assert_false(add(&set, record(ONION_A, 65535, 1, 25)));
	assert_false(add(&set, record(ONION_A, 10 + TARGETS_MAX - 1, 65535, 25)));
	/* a duplicate doesn't push out another */
	assert_false(add(&set, record(host[3], 65535, 1, 25)));
	assert_true(add(&set, record(host[3], 0, 1, 25)));
	assert_non_null(find(&set, host[TARGETS_MAX - 1], 25));
	/* a better one pushes out the worst */
	assert_true(add(&set, record(ONION_A, 10, 1, 25)));
	assert_int_equal(set.n, TARGETS_MAX);
	assert_null(find(&set, host[TARGETS_MAX - 1], 25));
	assert_non_null(find(&set, ONION_A, 25));
}

static void
test_order_empty_and_single(void **state)
{
	struct target_set set = {0};
	struct target_set route;

	(void)state;
	srv_order(&set, 1, &route);
	assert_int_equal(route.n, 0);
	add(&set, record(ONION_A, 65535, 65535, 65535));
	srv_order(&set, 1, &route);
	assert_int_equal(route.n, 1);
	assert_ptr_equal(route.target[0].host, set.target[0].host);
	assert_int_equal(route.target[0].hostlen, ONION_LEN);
	assert_int_equal(route.target[0].port, 65535);
	assert_int_equal(route.target[0].ipv4, 0);
}

static void
test_order_by_priority(void **state)
{
	static char host[TARGETS_MAX][ONION_LEN + 1];
	struct target_set set = {0};
	struct target_set route;

	(void)state;
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		unsigned k = i * 5 % TARGETS_MAX;

		unit_onion(host[k], k);
		/* the higher the priority's number, the greater the weight */
		add(&set, record(host[k], (uint16_t)(k * 4369), (uint16_t)(k * 4369),
				  (uint16_t)(k + 1)));
	}
	for (uint64_t seed = 0; seed < 200; seed++) {
		srv_order(&set, seed, &route);
		assert_int_equal(route.n, TARGETS_MAX);
		for (unsigned k = 0; k < TARGETS_MAX; k++) {
			assert_ptr_equal(route.target[k].host, host[k]);
			assert_int_equal(route.target[k].port, k + 1);
		}
	}
}

/* Every record once, the priorities in order, whatever the weights are. */
static void
test_order_is_a_permutation(void **state)
{
	static char host[TARGETS_MAX][ONION_LEN + 1];
	struct target_set set = {0};
	struct target_set route, again;

	(void)state;
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		unit_onion(host[i], i);
		add(&set, record(host[i], (uint16_t)(i % 3),
				  (uint16_t)(i % 4 == 0 ? 0 : 65535 - i), 25));
	}
	for (uint64_t seed = 0; seed < 500; seed++) {
		unsigned seen = 0, last = 0;

		srv_order(&set, seed, &route);
		assert_int_equal(route.n, TARGETS_MAX);
		for (unsigned i = 0; i < TARGETS_MAX; i++) {
			unsigned k = 0;

			while (route.target[i].host != host[k])
				k++;
			seen |= 1U << k;
			assert_true(k % 3 >= last);
			last = k % 3;
		}
		assert_int_equal(seen, 0xffff);
		srv_order(&set, seed, &again);
		for (unsigned i = 0; i < TARGETS_MAX; i++)
			assert_ptr_equal(route.target[i].host, again.target[i].host);
	}
}

/* The probability of an order by the letter of RFC 2782: a number from 0 to the sum,
 * both included, and weight 0 first in the running sum. Where only weights of 0 are left,
 * there is nothing to choose by, and each is as likely. */
static double
probability(const unsigned weight[], const unsigned order[], unsigned n)
{
	bool gone[8] = {false};
	double p = 1;

	for (unsigned step = 0; step + 1 < n; step++) {
		unsigned sum = 0, first = n, left = n - step;

		for (unsigned i = 0; i < n; i++) {
			if (gone[i])
				continue;
			sum += weight[i];
			if (first == n || (weight[first] != 0 && weight[i] == 0))
				first = i;
		}
		p *= sum == 0 ? 1.0 / left
			      : (weight[order[step]] + (order[step] == first)) /
					(sum + 1.0);
		gone[order[step]] = true;
	}
	return p;
}

#define DRAWS 120000

/* Chi-square over the 24 orders of four records. */
static void
check_distribution(const unsigned weight[4])
{
	static const char *const host[] = {ONION_A, ONION_B, ONION_C, ("a." ONION_A)};
	static unsigned count[256];
	struct target_set set = {0};
	struct target_set route;
	double chi = 0, rest = DRAWS;

	for (unsigned i = 0; i < 4; i++)
		add(&set, record(host[i], 7, (uint16_t)weight[i], 25));
	memset(count, 0, sizeof(count));
	for (uint64_t seed = 0; seed < DRAWS; seed++) {
		unsigned code = 0;

		srv_order(&set, seed, &route);
		for (unsigned i = 0; i < 4; i++)
			for (unsigned k = 0; k < 4; k++)
				if (route.target[i].host == host[k])
					code = code << 2 | k;
		count[code]++;
	}
	for (unsigned code = 0; code < 256; code++) {
		unsigned order[] = {code >> 6, code >> 4 & 3, code >> 2 & 3, code & 3};
		unsigned mask =
			1U << order[0] | 1U << order[1] | 1U << order[2] | 1U << order[3];
		double want, off;

		if (mask != 15)
			continue;
		want = DRAWS * probability(weight, order, 4);
		rest -= want;
		if (want == 0)
			assert_int_equal(count[code], 0);
		off = count[code] - want;
		chi += want > 0 ? off * off / want : 0;
	}
	assert_true(rest > -1e-6 && rest < 1e-6);
	/* 23 degrees of freedom: less than one in a thousand is above this. */
	if (chi > 49.73)
		fail_msg("chi-square %f", chi);
}

static void
test_weights(void **state)
{
	static const unsigned weights[][4] = {
		{10, 30, 60, 5},
		{0, 10, 30, 60},
		{60, 30, 10, 0},
		{1, 1, 1, 1},
		{0, 5, 0, 5},
		{0, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(weights); i++)
		check_distribution(weights[i]);
}

/* The largest sum that there can be. */
static void
test_greatest_weights(void **state)
{
	static char host[TARGETS_MAX][ONION_LEN + 1];
	unsigned first[TARGETS_MAX] = {0};
	struct target_set set = {0};
	struct target_set route;

	(void)state;
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		unit_onion(host[i], i);
		add(&set, record(host[i], 0, 65535, 25));
	}
	for (uint64_t seed = 0; seed < 16000; seed++) {
		srv_order(&set, seed << 32, &route);
		for (unsigned i = 0; i < TARGETS_MAX; i++)
			first[i] += route.target[0].host == host[i];
	}
	for (unsigned i = 0; i < TARGETS_MAX; i++)
		assert_in_range(first[i], 850, 1150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_limit_keeps_most_preferred),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_order_empty_and_single),
		cmocka_unit_test(test_order_by_priority),
		cmocka_unit_test(test_order_is_a_permutation),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_greatest_weights),
	};

	return cmocka_run_group_tests_name("srv", tests, NULL, NULL);
}
