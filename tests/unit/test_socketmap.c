#include "unit.h"

#include "core/socketmap.h"

static const struct unit_request rows[] = {
	{"a domain", BYTES("17:onion example.org,"), PROTO_LOOKUP, BYTES("example.org"),
		0},
	{"an address", BYTES("19:onion a@example.org,"), PROTO_LOOKUP,
		BYTES("a@example.org"), 0},
	{"the wildcard", BYTES("7:onion *,"), PROTO_LOOKUP, BYTES("*"), 0},
	{"a blank in the key", BYTES("9:onion a b,"), PROTO_LOOKUP, BYTES("a b"), 0},
	{"a blank before it", BYTES("8:onion  a,"), PROTO_LOOKUP, BYTES(" a"), 0},
	{"a comma in it", BYTES("9:onion a,b,"), PROTO_LOOKUP, BYTES("a,b"), 0},
	{"a newline in it", BYTES("8:onion a\n,"), PROTO_LOOKUP, BYTES("a\n"), 0},
	{"raw UTF-8", BYTES("22:onion m\xc3\xbcnchen.example,"), PROTO_LOOKUP,
		BYTES("m\xc3\xbcnchen.example"), 0},
	{"no key", BYTES("6:onion ,"), PROTO_LOOKUP, BYTES(""), 0},
	/* It doesn't end the key, which would be another one then. */
	{"NUL", BYTES("9:onion a\0b,"), PROTO_LOOKUP, BYTES("a\0b"), 0},
	{"pipelined", BYTES("7:onion a,7:onion b,"), PROTO_LOOKUP, BYTES("a"), 10},
	{"a newline behind it", BYTES("7:onion a,\n"), PROTO_LOOKUP, BYTES("a"), 1},

	{"unfinished", BYTES("17:onion example.org"), PROTO_MORE, NULL, 0, 0},
	{"unfinished length", BYTES("17"), PROTO_MORE, NULL, 0, 0},
	{"the greatest unfinished length", BYTES("4090:"), PROTO_MORE, NULL, 0, 0},
	{"nothing", BYTES(""), PROTO_MORE, NULL, 0, 0},

	{"another map", BYTES("8:virtual a,"), PROTO_BAD, NULL, 0, 0}, /* 9 bytes */
	{"another map, rightly", BYTES("9:virtual a,"), PROTO_UNKNOWN, NULL, 0, 0},
	{"a longer name", BYTES("8:onions a,"), PROTO_UNKNOWN, NULL, 0, 0},
	{"a shorter name", BYTES("6:onio a,"), PROTO_UNKNOWN, NULL, 0, 0},
	{"upper case", BYTES("7:Onion a,"), PROTO_UNKNOWN, NULL, 0, 0},
	{"no name", BYTES("2: a,"), PROTO_UNKNOWN, NULL, 0, 0},
	{"NUL in the name", BYTES("8:onion\0 a,"), PROTO_UNKNOWN, NULL, 0, 0},
	{"another and ours", BYTES("3:x a,7:onion a,"), PROTO_UNKNOWN, NULL, 0, 10},

	{"empty", BYTES("0:,"), PROTO_BAD, NULL, 0, 0},
	{"no blank", BYTES("5:onion,"), PROTO_BAD, NULL, 0, 0},
	{"a tab", BYTES("7:onion\ta,"), PROTO_BAD, NULL, 0, 0},
	{"no comma", BYTES("7:onion a;"), PROTO_BAD, NULL, 0, 0},
	{"too short a length", BYTES("6:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"a leading zero", BYTES("07:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"zeros", BYTES("00:,"), PROTO_BAD, NULL, 0, 0},
	{"many zeros", BYTES("0000000000000000000007:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"no length", BYTES(":onion a,"), PROTO_BAD, NULL, 0, 0},
	{"a sign", BYTES("+7:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"a negative length", BYTES("-7:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"a blank before", BYTES(" 7:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"a blank behind the length", BYTES("7 :onion a,"), PROTO_BAD, NULL, 0, 0},
	{"hexadecimal", BYTES("0x7:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"just too long", BYTES("4091:"), PROTO_BAD, NULL, 0, 0},
	{"too long", BYTES("4096:"), PROTO_BAD, NULL, 0, 0},
	{"too long a length", BYTES("10000"), PROTO_BAD, NULL, 0, 0},
	{"7 in 32 bits", BYTES("4294967303:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"7 in 64 bits", BYTES("18446744073709551623:onion a,"), PROTO_BAD, NULL, 0, 0},
	{"huge", BYTES("99999999999999999999999999999999999999:onion a,"), PROTO_BAD,
		NULL, 0, 0},
	{"another protocol", BYTES("get a\n"), PROTO_BAD, NULL, 0, 0},
	{"NUL first", BYTES("\0"), PROTO_BAD, NULL, 0, 0},
};

static void
test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		unit_request_check(&proto_socketmap, &rows[i]);
}

/* A request that fills the whole buffer is read; a byte more is refused at once. */
static void
test_limit(void **state)
{
	static char line[PROTO_REQUEST_MAX];
	const struct unit_request longest = {
		"the longest", line, sizeof(line), PROTO_LOOKUP, line + 11, 4090 - 6, 0};

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "4090:onion ", 11);
	line[sizeof(line) - 1] = ',';
	unit_request_check(&proto_socketmap, &longest);
	unit_request_too_long(&proto_socketmap, "4091:onion ", ",");
	unit_request_too_long(&proto_socketmap, "4092:onion ", ",");
	unit_request_too_long(&proto_socketmap, "999999999:onion ", "x");
}

static void
check(const struct answer *a, enum answer_style style, const char *want)
{
	const struct render how = {style, "smtptor", false};
	struct reply r = unit_format(&proto_socketmap, a, &how);

	assert_string_equal(r.text, want);
	assert_int_equal(r.left_out, 0);
}

static void
test_replies(void **state)
{
	struct answer a = {.outcome = OUTCOME_ROUTE,
		.route = {.n = 2,
			.target = {unit_target(ONION_A, 25, 0x0ac00005),
				unit_target(ONION_B, 2525, 0x0ac00009)}}};

	(void)state;
	check(&a, STYLE_ONION, "149:OK smtptor:[" ONION_A "]:25, [" ONION_B "]:2525,");
	check(&a, STYLE_ADDRESS, "45:OK smtptor:[10.192.0.5]:25, [10.192.0.9]:2525,");
	answer_set(&a, OUTCOME_NONE, REASON_NONE);
	check(&a, STYLE_ONION, "9:NOTFOUND ,");
	answer_set(&a, OUTCOME_TEMP, REASON_DNS_TIMEOUT);
	check(&a, STYLE_ONION, "18:TEMP DNS timed out,");
	answer_set(&a, OUTCOME_FAIL, REASON_ONION_INVALID);
	check(&a, STYLE_ONION, "33:OK error:5.4.4 invalid onion name,");
}

/* Every reply is one whole netstring. */
static void
check_netstring(const struct reply *r)
{
	char *end;
	unsigned long len = strtoul(r->text, &end, 10);

	assert_int_equal(*end, ':');
	assert_int_equal((size_t)(end + 1 - r->text) + len + 1, r->len);
	assert_int_equal(r->text[r->len - 1], ',');
}

/* To the queue manager, which logs it. Other answers are as always. */
static void
test_temp_as_retry(void **state)
{
	const struct render how = {STYLE_ONION, "smtptor", true};
	struct answer a;

	(void)state;
	answer_set(&a, OUTCOME_TEMP, REASON_DNS_TIMEOUT);
	assert_string_equal(unit_format(&proto_socketmap, &a, &how).text,
		"41:OK retry:4.4.3 onion route: DNS timed out,");
	answer_set(&a, OUTCOME_NONE, REASON_NONE);
	assert_string_equal(unit_format(&proto_socketmap, &a, &how).text, "9:NOTFOUND ,");
	answer_set(&a, OUTCOME_FAIL, REASON_ONION_INVALID);
	assert_string_equal(unit_format(&proto_socketmap, &a, &how).text,
		"33:OK error:5.4.4 invalid onion name,");
}

static void
test_netstrings(void **state)
{
	const struct render how = {
		STYLE_ONION, "transport-with-32-characters-abc", false};
	struct answer a;
	struct reply r;

	(void)state;
	unit_longest_route(&a);
	r = unit_format(&proto_socketmap, &a, &how);
	assert_int_equal(r.left_out, 9);
	check_netstring(&r);
	assert_memory_equal(r.text + r.len - 8, "]:65535,", 8);
	for (enum reason why = REASON_DEADLINE; why < REASON_COUNT; why++) {
		answer_set(&a, OUTCOME_TEMP, why);
		r = unit_format(&proto_socketmap, &a, &how);
		check_netstring(&r);
		answer_set(&a, OUTCOME_FAIL, why);
		r = unit_format(&proto_socketmap, &a, &how);
		check_netstring(&r);
	}
}

/* An unknown map is the operator's mistake: PERM. Postfix defers on it, too. */
static void
test_refusals(void **state)
{
	(void)state;
	assert_string_equal(unit_refuse(&proto_socketmap, REFUSE_UNKNOWN).text,
		"16:PERM unknown map,");
	assert_string_equal(unit_refuse(&proto_socketmap, REFUSE_MALFORMED).text,
		"22:PERM malformed request,");
	assert_string_equal(unit_refuse(&proto_socketmap, REFUSE_BUSY).text,
		"21:TEMP too many clients,");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_temp_as_retry),
		cmocka_unit_test(test_netstrings),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests_name("socketmap", tests, NULL, NULL);
}
