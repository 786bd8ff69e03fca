#include "unit.h"

#include "core/socks.h"

static const struct socks_target plain = {
	.host = ONION_A "trailing", .hostlen = ONION_LEN, .port = 2525};

static void
check_output(const struct socks *s, const char *want, size_t len)
{
	uint8_t out[SOCKS_OUTPUT_MAX];

	assert_int_equal(socks_output(s, out), len);
	assert_memory_equal(out, want, len);
}

/* Whatever the cut, an answer is first incomplete and then what it is as a whole. The
 * copy has no byte behind it. */
static void
feed(struct socks *s, const char *bytes, size_t len, size_t whole)
{
	for (size_t n = 0; n <= len; n++) {
		struct socks copy = *s;
		uint8_t *exact = malloc(n > 0 ? n : 1);
		size_t used;

		memcpy(exact, bytes, n);
		used = socks_input(&copy, exact, n);
		assert_int_equal(used > 0, copy.state != s->state);
		if (copy.state != SOCKS_FAILED) {
			assert_int_equal(used, n < whole ? 0 : whole);
		}
		free(exact);
	}
	socks_input(s, (const uint8_t *)bytes, len);
}

static void
test_without_login(void **state)
{
	struct socks s;

	(void)state;
	socks_begin(&s, &plain);
	check_output(&s, BYTES("\5\1\0"));
	feed(&s, BYTES("\5\0"), 2);
	assert_int_equal(s.state, SOCKS_REQUEST);
	check_output(&s, BYTES("\5\1\0\3\076" ONION_A "\x09\xdd"));
	feed(&s, BYTES("\5\0\0\1\0\0\0\0\0\0"), 10);
	assert_int_equal(s.state, SOCKS_CONNECTED);
	check_output(&s, "", 0);
}

static void
test_with_login(void **state)
{
	struct socks_target target = plain;
	struct socks s;

	(void)state;
	target.user = "example.org";
	target.password = "x";
	socks_begin(&s, &target);
	check_output(&s, BYTES("\5\1\2"));
	feed(&s, BYTES("\5\2"), 2);
	assert_int_equal(s.state, SOCKS_LOGIN);
	check_output(&s, BYTES("\1\013example.org\1x"));
	feed(&s, BYTES("\1\0"), 2);
	assert_int_equal(s.state, SOCKS_REQUEST);
	feed(&s, BYTES("\5\0\0\3\4name\0\31220 hello"), 11);
	assert_int_equal(s.state, SOCKS_CONNECTED);
}

static void
test_longest(void **state)
{
	static char host[DOMAIN_MAX + 1], word[SOCKS_WORD_MAX + 1];
	struct socks_target target = {.host = host,
		.hostlen = DOMAIN_MAX,
		.port = 65535,
		.user = word,
		.password = word};
	uint8_t *out = malloc(SOCKS_OUTPUT_MAX);
	struct socks s;

	(void)state;
	memset(host, 'h', DOMAIN_MAX);
	memset(word, 'w', SOCKS_WORD_MAX);
	socks_begin(&s, &target);
	s.state = SOCKS_LOGIN;
	assert_int_equal(socks_output(&s, out), 3 + 2 * SOCKS_WORD_MAX);
	s.state = SOCKS_REQUEST;
	assert_int_equal(socks_output(&s, out), 4 + 1 + DOMAIN_MAX + 2);
	free(out);
}

static void
test_address_types(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{BYTES("\5\0\0\1abcd\0\31")},
		{BYTES("\5\0\0\4abcdefghijklmnop\0\31")},
		{BYTES("\5\0\0\3\0\0\31")},
		{BYTES("\5\0\0\3\3abc\0\31")},
	};
	struct socks s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		socks_begin(&s, &plain);
		s.state = SOCKS_REQUEST;
		feed(&s, rows[i].bytes, rows[i].len, rows[i].len);
		assert_int_equal(s.state, SOCKS_CONNECTED);
	}
}

static void
test_failures(void **state)
{
	static const struct {
		enum socks_state state;
		const char *bytes;
		size_t len;
		uint8_t code;
	} rows[] = {
		{SOCKS_METHOD, BYTES("\4"), 0},
		{SOCKS_METHOD, BYTES("HTTP/1.0"), 0},
		{SOCKS_METHOD, BYTES("\5\xff"), 0},
		{SOCKS_METHOD, BYTES("\5\2"), 0}, /* not offered */
		{SOCKS_LOGIN, BYTES("\5"), 0},
		{SOCKS_LOGIN, BYTES("\1\1"), 0},
		{SOCKS_REQUEST, BYTES("\4"), 0},
		{SOCKS_REQUEST, BYTES("\5\5"), 5},
		{SOCKS_REQUEST, BYTES("\5\xf0\0\1\0\0\0\0\0\0"), 0xf0},
		{SOCKS_REQUEST, BYTES("\5\0\0\2x"), 0},
		{SOCKS_REQUEST, BYTES("\5\0\0\0x"), 0},
	};
	struct socks s;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		socks_begin(&s, &plain);
		s.state = rows[i].state;
		feed(&s, rows[i].bytes, rows[i].len, rows[i].len);
		assert_int_equal(s.state, SOCKS_FAILED);
		assert_int_equal(s.code, rows[i].code);
	}
}

static void
test_reasons(void **state)
{
	(void)state;
	assert_string_equal(socks_reason(5), "connection refused");
	assert_string_equal(socks_reason(0xf0), "descriptor not found");
	assert_string_equal(socks_reason(0xf2), "introduction failed");
	assert_string_equal(socks_reason(0xf6), "no onion service can have this name");
	assert_string_equal(socks_reason(0xf7), "introduction timed out");
	assert_string_equal(socks_reason(0xf8), "unknown failure");
	assert_string_equal(socks_reason(9), "unknown failure");
	for (unsigned code = 0; code < 256; code++)
		for (const char *c = socks_reason((uint8_t)code); *c != '\0'; c++)
			assert_true(*c >= ' ' && *c <= '~' && *c != '"');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_login),
		cmocka_unit_test(test_with_login),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_address_types),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("socks", tests, NULL, NULL);
}
