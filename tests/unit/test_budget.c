#include "core/budget.h"
#include "unit.h"

#define DEADLINE_MS 500

static struct monotime
at(int64_t ms)
{
	return monotime_add_ms((struct monotime){1000000000}, ms);
}

static struct budget
opened(void)
{
	struct budget b;

	budget_open(&b, DEADLINE_MS, at(0));
	return b;
}

static struct budget
spent(void)
{
	struct budget b = opened();

	for (int i = 0; i < BUDGET_DEADLINES; i++)
		budget_missed(&b, at(i * DEADLINE_MS), at((i + 1) * DEADLINE_MS));
	assert_false(budget_allows(&b, at(BUDGET_DEADLINES * DEADLINE_MS)));
	return b;
}

static void
a_few_deadlines_may_be_missed(void **state)
{
	struct budget b = opened();

	(void)state;
	for (int i = 0; i < BUDGET_DEADLINES; i++) {
		assert_true(budget_allows(&b, at(i * DEADLINE_MS)));
		budget_missed(&b, at(i * DEADLINE_MS), at((i + 1) * DEADLINE_MS));
	}
	assert_false(budget_allows(&b, at(BUDGET_DEADLINES * DEADLINE_MS)));
}

static void
answers_in_time_give_some_back(void **state)
{
	struct budget b = spent();

	(void)state;
	for (int i = 1; i < BUDGET_MET_PART; i++)
		budget_met(&b);
	assert_false(budget_allows(&b, b.grown));
	budget_met(&b);
	assert_true(budget_allows(&b, b.grown));
}

/* But no more than there was at first. */
static void
time_gives_some_back(void **state)
{
	struct budget b = spent();
	const int64_t later = BUDGET_DEADLINES * DEADLINE_MS;

	(void)state;
	assert_false(budget_allows(&b, at(later + 40000)));
	assert_true(budget_allows(&b, at(later + 60000)));
	assert_true(budget_allows(&b, at(100000000)));
	for (int i = 0; i < 1000; i++)
		budget_met(&b);
	assert_int_equal(b.left_ns, BUDGET_DEADLINES * b.deadline_ns);
}

static void
questions_that_wait_together_are_paid_for_once(void **state)
{
	struct budget b = opened();

	(void)state;
	for (int i = 0; i < 64; i++)
		budget_missed(&b, at(i), at(DEADLINE_MS + i));
	assert_true(budget_allows(&b, at(DEADLINE_MS + 64)));
	assert_true(b.left_ns > (BUDGET_DEADLINES - 2) * b.deadline_ns);
	assert_true(b.left_ns < (BUDGET_DEADLINES - 1) * b.deadline_ns);
}

static void
without_a_limit_all_is_allowed(void **state)
{
	struct budget b = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_true(budget_allows(&b, at(i * DEADLINE_MS)));
		budget_missed(&b, at(i * DEADLINE_MS), at((i + 1) * DEADLINE_MS));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_deadlines_may_be_missed),
		cmocka_unit_test(answers_in_time_give_some_back),
		cmocka_unit_test(time_gives_some_back),
		cmocka_unit_test(questions_that_wait_together_are_paid_for_once),
		cmocka_unit_test(without_a_limit_all_is_allowed),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
