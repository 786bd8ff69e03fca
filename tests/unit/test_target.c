#include "unit.h"

#include "core/target.h"

static void
test_same_host_and_port(void **state)
{
	const struct target t = unit_target(ONION_A, 25, 0);
	struct target other = t;

	(void)state;
	other.ipv4 = 1;
	other.priority = other.weight = 2;
	assert_true(target_is(&t, &other));
	other.port = 26;
	assert_false(target_is(&t, &other));
	other = unit_target(ONION_B, 25, 0);
	assert_false(target_is(&t, &other));
	other = t;
	other.hostlen--;
	assert_false(target_is(&t, &other));
}

static struct target_set
make_set(const char *const *host, uint8_t n)
{
	struct target_set set = {.n = n};

	for (uint8_t i = 0; i < n; i++) {
		set.target[i] = unit_target(host[i], (uint16_t)(25 + i), 0);
		set.target[i].priority = (uint16_t)(65535 - i);
		set.target[i].weight = i;
	}
	return set;
}

static void
test_the_order_makes_no_difference(void **state)
{
	static const char *const host[] = {ONION_A, ONION_B, ("mail." ONION_C)};
	const struct target_set a = make_set(host, 3);
	struct target_set b = {.n = 3, .target = {a.target[2], a.target[0], a.target[1]}};

	(void)state;
	assert_true(target_set_same(&a, &b));
	assert_ptr_equal(target_set_find(&b, &a.target[0]), &b.target[1]);
	b.n = 2;
	assert_false(target_set_same(&a, &b));
	assert_false(target_set_same(&b, &a));
	assert_null(target_set_find(&b, &a.target[1]));
	b.target[2].port++;
	b.n = 3;
	assert_false(target_set_same(&a, &b));
}

static void
same_in_order(const struct target_set *a, const struct target_set *b)
{
	assert_int_equal(a->n, b->n);
	for (uint8_t i = 0; i < a->n; i++) {
		assert_true(target_is(&a->target[i], &b->target[i]));
		assert_int_equal(a->target[i].priority, b->target[i].priority);
		assert_int_equal(a->target[i].weight, b->target[i].weight);
		assert_int_equal(b->target[i].ipv4, 0);
	}
}

/* At an odd address, and not a byte beyond its size. */
static void
test_pack(void **state)
{
	struct answer longest;

	(void)state;
	unit_longest_route(&longest);
	for (uint8_t n = 0; n <= TARGETS_MAX; n++) {
		struct target_set set = longest.route, got;
		size_t size;
		char *memory;

		set.n = n;
		size = target_set_packed_size(&set);
		memory = malloc(size + 1);
		assert_non_null(memory);
		target_set_pack(memory + 1, &set);
		assert_ptr_equal(target_set_unpack(memory + 1, &got), memory + 1 + size);
		same_in_order(&set, &got);
		for (uint8_t i = 0; i < n; i++)
			assert_in_range(got.target[i].host - memory, 1, size);
		free(memory);
	}
}

static void
test_copy(void **state)
{
	static const char *const host[] = {ONION_A, ONION_B};
	const struct target_set set = make_set(host, 2);
	struct target_set copy;

	(void)state;
	memset(&copy, 0xaa, sizeof(copy));
	target_set_copy(&copy, &set);
	same_in_order(&set, &copy);
	assert_ptr_equal(copy.target[1].host, set.target[1].host);
	assert_int_equal(copy.target[2].port, 0xaaaa);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_host_and_port),
		cmocka_unit_test(test_the_order_makes_no_difference),
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
