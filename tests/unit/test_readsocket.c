#include "unit.h"

#include "core/readsocket.h"

static const struct unit_request rows[] = {
	{"a domain", BYTES("route example.org\n"), PROTO_LOOKUP, BYTES("example.org"), 0},
	{"an address", BYTES("route a@example.org\n"), PROTO_LOOKUP,
		BYTES("a@example.org"), 0},
	{"a quoted address", BYTES("route \"a b\"@example.org\n"), PROTO_LOOKUP,
		BYTES("\"a b\"@example.org"), 0},
	{"a literal", BYTES("route [1.2.3.4]\n"), PROTO_LOOKUP, BYTES("[1.2.3.4]"), 0},
	{"CRLF", BYTES("route example.org\r\n"), PROTO_LOOKUP, BYTES("example.org"), 0},
	{"one CR at most", BYTES("route a\r\r\n"), PROTO_LOOKUP, BYTES("a\r"), 0},
	{"no key", BYTES("route \n"), PROTO_LOOKUP, BYTES(""), 0},
	{"no key, CRLF", BYTES("route \r\n"), PROTO_LOOKUP, BYTES(""), 0},
	{"a second line", BYTES("route a\nroute b\n"), PROTO_LOOKUP, BYTES("a"), 8},
	{"no second line", BYTES("route a\n\n"), PROTO_LOOKUP, BYTES("a"), 1},
	{"UTF-8", BYTES("route m\xc3\xbcnchen.example\n"), PROTO_LOOKUP,
		BYTES("m\xc3\xbcnchen.example"), 0},
	/* A NUL is in the key, where it makes it unusable; it doesn't end it. */
	{"NUL", BYTES("route a\0b\n"), PROTO_LOOKUP, BYTES("a\0b"), 0},
	{"NUL at the end", BYTES("route a\0\n"), PROTO_LOOKUP, BYTES("a\0"), 0},

	{"unfinished", BYTES("route example.org"), PROTO_MORE, NULL, 0, 0},
	{"unfinished CRLF", BYTES("route example.org\r"), PROTO_MORE, NULL, 0, 0},
	{"nothing", BYTES(""), PROTO_MORE, NULL, 0, 0},

	{"an empty line", BYTES("\n"), PROTO_BAD, NULL, 0, 0},
	{"only a CR", BYTES("\r\n"), PROTO_BAD, NULL, 0, 0},
	{"no verb", BYTES("example.org\n"), PROTO_BAD, NULL, 0, 0},
	{"no blank", BYTES("route\n"), PROTO_BAD, NULL, 0, 0},
	{"no blank, CRLF", BYTES("route\r\n"), PROTO_BAD, NULL, 0, 0},
	{"a tab", BYTES("route\texample.org\n"), PROTO_BAD, NULL, 0, 0},
	{"upper case", BYTES("ROUTE example.org\n"), PROTO_BAD, NULL, 0, 0},
	{"a longer verb", BYTES("router example.org\n"), PROTO_BAD, NULL, 0, 0},
	{"a blank before", BYTES(" route example.org\n"), PROTO_BAD, NULL, 0, 0},
	{"another protocol", BYTES("get example.org\n"), PROTO_BAD, NULL, 0, 0},
	{"NUL first", BYTES("\0route example.org\n"), PROTO_BAD, NULL, 0, 0},
};

static void
test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		unit_request_check(&proto_readsocket, &rows[i]);
}

static void
test_limit(void **state)
{
	static char line[PROTO_REQUEST_MAX];
	const struct unit_request longest = {"the longest", line, sizeof(line),
		PROTO_LOOKUP, line + 6, sizeof(line) - 7, 0};

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "route ", 6);
	line[sizeof(line) - 1] = '\n';
	unit_request_check(&proto_readsocket, &longest);
	unit_request_too_long(&proto_readsocket, "route ", "\n");
	unit_request_too_long(&proto_readsocket, "route ", "x");
}

static void
check(const struct answer *a, const char *want)
{
	const struct render how = {STYLE_ADDRESS, "smtptor", false};
	struct reply r = unit_format(&proto_readsocket, a, &how);

	assert_string_equal(r.text, want);
	assert_int_equal(r.left_out, 0);
}

static void
test_replies(void **state)
{
	struct answer a = {.outcome = OUTCOME_ROUTE,
		.route = {.n = 2,
			.target = {unit_target(ONION_A, 2525, 0x0ac00005),
				unit_target(ONION_B, 25, 0x0ac00009)}}};

	(void)state;
	check(&a, "OK 10.192.0.5::2525:10.192.0.9\n");
	a.route.target[0].port = 25;
	a.route.n = 1;
	check(&a, "OK 10.192.0.5\n");
	/* The recipe takes this line for a no, and nothing else. */
	answer_set(&a, OUTCOME_NONE, REASON_NONE);
	check(&a, "NO\n");
	answer_set(&a, OUTCOME_TEMP, REASON_DNS_TIMEOUT);
	check(&a, "TEMP DNS timed out\n");
	answer_set(&a, OUTCOME_FAIL, REASON_ONION_INVALID);
	check(&a, "FAIL invalid onion name\n");
}

static void
test_longest_reply(void **state)
{
	const struct render how = {STYLE_ADDRESS, "smtptor", false};
	struct answer a;
	struct reply r;

	(void)state;
	unit_longest_route(&a);
	r = unit_format(&proto_readsocket, &a, &how);
	assert_int_equal(r.left_out, 0);
	assert_int_equal(r.len, 3 + TARGETS_MAX * (15 + 7 + 1));
	assert_int_equal(r.text[r.len - 1], '\n');
	/* a name never shows */
	assert_null(strstr(r.text, "onion"));
}

static void
test_refusals(void **state)
{
	(void)state;
	assert_string_equal(unit_refuse(&proto_readsocket, REFUSE_UNKNOWN).text,
		"TEMP unknown request\n");
	assert_string_equal(unit_refuse(&proto_readsocket, REFUSE_MALFORMED).text,
		"TEMP malformed request\n");
	assert_string_equal(unit_refuse(&proto_readsocket, REFUSE_BUSY).text,
		"TEMP too many clients\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_longest_reply),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests_name("readsocket", tests, NULL, NULL);
}
