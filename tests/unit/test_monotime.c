#include "unit.h"

#include "core/monotime.h"

static void
test_add(void **state)
{
	struct monotime t = {5};

	(void)state;
	assert_int_equal(monotime_add_ms(t, 0).ns, 5);
	assert_int_equal(monotime_add_ms(t, 1).ns, 1000005);
	assert_int_equal(monotime_add_ms(t, -1).ns, -999995);
	assert_int_equal(monotime_add_s(t, 2).ns, 2000000005);
	/* The longest TTL there is, after a century of uptime. */
	t = monotime_add_s((struct monotime){0}, 100LL * 366 * 86400);
	assert_int_equal(
		monotime_diff_ms(monotime_add_s(t, 0x7fffffff), t), 0x7fffffffLL * 1000);
}

static void
test_diff_rounds_up(void **state)
{
	static const struct {
		int64_t a, b, ms;
	} rows[] = {
		{0, 0, 0},
		{1, 0, 1},
		{999999, 0, 1},
		{1000000, 0, 1},
		{1000001, 0, 2},
		{5000007, 7, 5},
		{0, 1, 0},
		{0, 999999, 0},
		{0, 1000000, -1},
		{0, 1000001, -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(monotime_diff_ms((struct monotime){rows[i].a},
					 (struct monotime){rows[i].b}),
			rows[i].ms);
}

static void
test_order(void **state)
{
	const struct monotime a = {7}, b = {8};

	(void)state;
	assert_true(monotime_before(a, b));
	assert_false(monotime_before(a, a));
	assert_false(monotime_before(b, a));
	assert_true(monotime_reached(a, b));
	assert_true(monotime_reached(a, a));
	assert_false(monotime_reached(b, a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_diff_rounds_up),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests_name("monotime", tests, NULL, NULL);
}
