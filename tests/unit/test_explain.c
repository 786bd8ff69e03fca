#include "unit.h"

#include "core/explain.h"

static void
test_lines(void **state)
{
	struct explain t = {0};

	(void)state;
	explain_add(NULL, "nobody asks: %d", 1);
	explain_add(&t, "one");
	explain_add(&t, "%s %d", "two", 2);
	explain_add(&t, "one");
	explain_add(&t, "two %d", 2);
	assert_int_equal(t.len, strlen("one\ntwo 2\n"));
	assert_memory_equal(t.text, "one\ntwo 2\n", t.len);
}

/* Whole lines or none; a shorter one may still fit. */
static void
test_full(void **state)
{
	static struct explain t;
	char line[1000];

	(void)state;
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 100; i++) {
		line[0] = (char)('!' + i);
		explain_add(&t, "%s", line);
	}
	assert_int_equal(t.len, EXPLAIN_MAX / 1000 * 1000);
	line[EXPLAIN_MAX - t.len - 1] = '\0';
	explain_add(&t, "%s", line);
	assert_int_equal(t.len, EXPLAIN_MAX);
	assert_int_equal(t.text[EXPLAIN_MAX - 1], '\n');
	explain_add(&t, "%s", "");
	assert_int_equal(t.len, EXPLAIN_MAX);
}

static void
what_a_terminal_would_obey_is_left_out(void **state)
{
	static struct explain t;

	(void)state;
	explain_add(&t, "map: %s", "\x1b[2J \r\n\t\x7f\xc3\xa9~");
	explain_add(&t, "map: %s", "\x1b[2J \n\n\t\x7f\xc3\xa9~");
	assert_int_equal(t.len, strlen("map: ?[2J ??????~\n"));
	assert_memory_equal(t.text, "map: ?[2J ??????~\n", t.len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_full),
		cmocka_unit_test(what_a_terminal_would_obey_is_left_out),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
