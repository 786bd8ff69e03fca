#include "unit.h"

#include "core/breaker.h"

static const struct monotime start = {1000000000};

/* Probing has begun. */
static struct breaker
suspected(void)
{
	struct breaker b = {0};

	for (int i = 1; i < BREAKER_FAILURES; i++)
		assert_false(breaker_failure(&b, start));
	assert_false(b.probing);
	assert_true(breaker_failure(&b, start));
	assert_true(b.probing);
	return b;
}

static struct breaker
opened(void)
{
	struct breaker b = suspected();

	assert_true(breaker_probe_failed(&b, start));
	assert_true(b.open);
	return b;
}

static void
test_probes_after_failures_in_a_row(void **state)
{
	struct breaker b = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_false(breaker_failure(&b, start));
		if (i % (BREAKER_FAILURES - 1) == BREAKER_FAILURES - 2)
			assert_false(breaker_success(&b));
	}
	assert_false(b.probing);
	b = suspected();
	assert_int_equal(b.probe.ns, start.ns);
}

/* Silence may be about the names. */
static void
test_opens_only_by_a_probe(void **state)
{
	struct breaker b = suspected();

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_false(breaker_failure(&b, monotime_add_ms(start, i)));
	assert_false(b.open);
	assert_int_equal(b.probe.ns, start.ns);
	assert_true(breaker_probe_failed(&b, start));
	assert_true(b.open);
	assert_int_equal(b.probe.ns, monotime_add_ms(start, BREAKER_PAUSE_MIN_MS).ns);
}

/* What was under way when it opened says nothing new. */
static void
test_late_failures_change_nothing(void **state)
{
	struct breaker b = opened();
	const struct monotime probe = b.probe, late = {probe.ns + 1};

	(void)state;
	assert_false(breaker_failure(&b, late));
	assert_int_equal(b.probe.ns, probe.ns);
}

static void
test_probes_less_and_less_often(void **state)
{
	struct breaker b = opened();
	int64_t pause = BREAKER_PAUSE_MIN_MS;

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct monotime now = monotime_add_ms(b.probe, 7);

		pause = 2 * pause < BREAKER_PAUSE_MAX_MS ? 2 * pause
							 : BREAKER_PAUSE_MAX_MS;
		assert_false(breaker_probe_failed(&b, now));
		assert_true(b.open);
		assert_int_equal(b.probe.ns, monotime_add_ms(now, pause).ns);
	}
	assert_int_equal(pause, BREAKER_PAUSE_MAX_MS);
}

static void
test_success_closes_it(void **state)
{
	struct breaker b = opened();

	(void)state;
	assert_true(breaker_success(&b));
	assert_false(b.open || b.probing);
	b = suspected();
	assert_false(breaker_success(&b)); /* it was never open */
	assert_false(b.probing);
	for (int i = 1; i < BREAKER_FAILURES; i++)
		assert_false(breaker_failure(&b, start));
	assert_true(breaker_failure(&b, start));
	assert_int_equal(b.pause_ms, BREAKER_PAUSE_MIN_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes_after_failures_in_a_row),
		cmocka_unit_test(test_opens_only_by_a_probe),
		cmocka_unit_test(test_late_failures_change_nothing),
		cmocka_unit_test(test_probes_less_and_less_often),
		cmocka_unit_test(test_success_closes_it),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
