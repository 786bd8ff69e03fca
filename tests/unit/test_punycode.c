/* Punycode: known encodings (RFC 3492 section 7.1, and names in use), and what can't be
 * encoded. */
#include "core/punycode.h"

#include "unit.h"

static void
test_known(void **state)
{
	static const struct {
		const char *utf8, *encoded;
	} rows[] = {
		{"b\u00fccher", "xn--bcher-kva"},
		{"B\u00fcCHER", "xn--bcher-kva"},
		{"i\u2764", "xn--i-7iq"},
		{"\U0001f4a9", "xn--ls8h"},
		{"\u2615", "xn--53h"},
		{"\u00fcn\u00efc\u00f6d\u00e9-test-\u00df", "xn--ncd-test--o1a7h1cyeud"},
		{"\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587",
			"xn--ihqwcrb4cv8a8dqg056pqjye"},
		{"\U0010ffff\u00a1", "xn--7a31093t"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[PUNYCODE_MAX + 1];
		size_t n = punycode_label(out, rows[i].utf8, strlen(rows[i].utf8));

		out[n] = '\0';
		assert_string_equal(out, rows[i].encoded);
	}
}

static void
test_not_utf8(void **state)
{
	static const char *const rows[] = {"\x80", "\xc3", "\xc3(", "\xc0\x80",
		"\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80",
		"\xff", "a\xe2\x82"};
	char out[PUNYCODE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(punycode_label(out, rows[i], strlen(rows[i])), 0);
}

static void
test_too_long(void **state)
{
	char label[2 * 80], out[PUNYCODE_MAX];
	size_t fits = 0;

	(void)state;
	for (size_t n = 1; n <= 80; n++) {
		memcpy(label + 2 * (n - 1), "\xc3\xbc", 2);
		if (punycode_label(out, label, 2 * n) > 0) {
			assert_int_equal(fits, n - 1);
			fits = n;
		}
	}
	assert_true(fits > 40 && fits < 63);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("punycode", tests, NULL, NULL);
}
