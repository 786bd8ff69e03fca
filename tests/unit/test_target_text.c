#include "unit.h"

#include "core/target_text.h"

static void
test_cursor(void **state)
{
	const char text[] = " \t ab\tc\rd  ";
	struct cursor c = {text, text + sizeof(text) - 1}, word;

	(void)state;
	cursor_skip_blanks(&c);
	assert_ptr_equal(c.p, text + 3);
	cursor_skip_blanks(&c);
	assert_ptr_equal(c.p, text + 3);
	word = cursor_word(&c);
	assert_ptr_equal(word.p, text + 3);
	assert_ptr_equal(word.end, text + 5);
	assert_ptr_equal(c.p, text + 5);
	word = cursor_word(&c); /* on a blank: nothing */
	assert_ptr_equal(word.p, word.end);
	assert_ptr_equal(c.p, text + 5);
	cursor_skip_blanks(&c);
	word = cursor_word(&c); /* only space and tab are blanks */
	assert_ptr_equal(word.p, text + 6);
	assert_ptr_equal(word.end, text + 9);
	cursor_skip_blanks(&c);
	assert_ptr_equal(c.p, c.end);
	word = cursor_word(&c);
	assert_ptr_equal(word.p, word.end);
	assert_ptr_equal(c.p, c.end);
}

static const struct {
	const char *text;
	const char *host; /* NULL: an error */
	uint16_t port;
	bool more;
	size_t at; /* where the cursor stands then */
} rows[] = {
	{"a", "a", 25, false, 1},
	{"a.onion", "a.onion", 25, false, 7},
	{"  a  ", "a", 25, false, 5},
	{"\ta\t", "a", 25, false, 3},
	{"a:1", "a", 1, false, 3},
	{"a:25", "a", 25, false, 4},
	{"a:65535", "a", 65535, false, 7},
	{"a,b", "a", 25, true, 2},
	{"a , b", "a", 25, true, 3},
	{"a:2525, b", "a", 2525, true, 7},
	{"a:2525 ,", "a", 2525, true, 8},
	{"A.\xff", "A.\xff", 25, false, 3},
	{"-", "-", 25, false, 1},
	{"a b", "a", 25, false, 2}, /* an option */
	{"a:26  b=c", "a", 26, false, 6},

	{"", NULL, 0, false, 0},
	{"   ", NULL, 0, false, 3},
	{",a", NULL, 0, false, 0},
	{" ,", NULL, 0, false, 1},
	{":25", NULL, 0, false, 0},
	{"a:", NULL, 0, false, 2},
	{"a: 25", NULL, 0, false, 2},
	{"a:,", NULL, 0, false, 2},
	{"a:0", NULL, 0, false, 2},
	{"a:025", NULL, 0, false, 2},
	{"a:-1", NULL, 0, false, 2},
	{"a:+1", NULL, 0, false, 2},
	{"a:65536", NULL, 0, false, 2},
	{"a:655350", NULL, 0, false, 2},
	{"a:99999999999999999999", NULL, 0, false, 2},
	{"a:4294967321", NULL, 0, false, 2}, /* 25 in 32 bits */
	{"a:smtp", NULL, 0, false, 2},
	{"a:25x", NULL, 0, false, 4},
	{"a:25:26", NULL, 0, false, 4},
};

static void
test_next(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].text);
		char *copy = malloc(len + 1);
		struct cursor c = {copy + 1, copy + 1 + len};
		struct cursor host;
		uint16_t port;
		const char *error;
		bool more = true;

		assert_non_null(copy);
		memcpy(copy + 1, rows[i].text, len);
		error = target_text_next(&c, &host, &port, &more);
		row_assert(rows[i].text, (error == NULL) == (rows[i].host != NULL));
		row_assert(rows[i].text, (size_t)(c.p - copy - 1) == rows[i].at);
		row_assert(rows[i].text, more == rows[i].more);
		if (error == NULL) {
			row_assert(
				rows[i].text, cursor_len(host) == strlen(rows[i].host));
			assert_memory_equal(host.p, rows[i].host, cursor_len(host));
			row_assert(rows[i].text, port == rows[i].port);
		}
		free(copy);
	}
}

static void
test_whole_list(void **state)
{
	const char text[] = "a, b:2 ,\tc";
	struct cursor c = {text, text + sizeof(text) - 1};
	struct cursor host;
	uint16_t port;
	bool more = true;
	char seen[4] = "";

	(void)state;
	for (size_t i = 0; more; i++) {
		assert_in_range(i, 0, 2);
		assert_null(target_text_next(&c, &host, &port, &more));
		assert_int_equal(cursor_len(host), 1);
		assert_int_equal(port, i == 1 ? 2 : 25);
		seen[i] = *host.p;
	}
	assert_string_equal(seen, "abc");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursor),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_whole_list),
	};

	return cmocka_run_group_tests_name("target_text", tests, NULL, NULL);
}
