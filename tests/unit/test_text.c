#include "core/text.h"

#include "unit.h"

static void
test_numbers(void **state)
{
	static const struct {
		uint32_t n;
		const char *want;
	} rows[] = {{0, "0"}, {9, "9"}, {10, "10"}, {25, "25"}, {100, "100"},
		{65535, "65535"}, {UINT32_MAX, "4294967295"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[TEXT_NUMBER_MAX + 1];

		*text_put_number(text, rows[i].n) = '\0';
		assert_string_equal(text, rows[i].want);
	}
}

static void
test_addresses(void **state)
{
	static const struct {
		uint32_t ip;
		const char *want;
	} rows[] = {{0, "0.0.0.0"}, {0x7f000001, "127.0.0.1"},
		{0x0ac0000a, "10.192.0.10"}, {UINT32_MAX, "255.255.255.255"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[TEXT_IPV4_MAX + 1];

		*text_put_ipv4(text, rows[i].ip) = '\0';
		assert_string_equal(text, rows[i].want);
	}
}

static void
test_words(void **state)
{
	char text[] = "********";

	(void)state;
	assert_ptr_equal(text_put(text, "abc", 2), text + 2);
	assert_ptr_equal(text_put_word(text + 2, "de"), text + 4);
	assert_string_equal(text, "abde****");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
