#include "unit.h"

#include "core/tcp_table.h"

static const struct unit_request rows[] = {
	{"a domain", BYTES("get example.org\n"), PROTO_LOOKUP, BYTES("example.org"), 0},
	{"an address", BYTES("get a+b@example.org\n"), PROTO_LOOKUP,
		BYTES("a+b@example.org"), 0},
	{"the wildcard", BYTES("get *\n"), PROTO_LOOKUP, BYTES("*"), 0},
	{"a quoted blank", BYTES("get \"a%20b\"@example.org\n"), PROTO_LOOKUP,
		BYTES("\"a b\"@example.org"), 0},
	{"UTF-8", BYTES("get j%C3%B6rg@m%c3%bcnchen.example\n"), PROTO_LOOKUP,
		BYTES("j\xc3\xb6rg@m\xc3\xbcnchen.example"), 0},
	{"a percent sign", BYTES("get a%25b@example.org\n"), PROTO_LOOKUP,
		BYTES("a%b@example.org"), 0},
	{"decoded once", BYTES("get a%2525b\n"), PROTO_LOOKUP, BYTES("a%25b"), 0},
	{"percent first and last", BYTES("get %25%25\n"), PROTO_LOOKUP, BYTES("%%"), 0},
	{"every digit", BYTES("get %01%23%45%67%89%aB%Cd%eF\n"), PROTO_LOOKUP,
		BYTES("\x01#Eg\x89\xab\xcd\xef"), 0},
	{"a newline", BYTES("get a%0Ab\n"), PROTO_LOOKUP, BYTES("a\nb"), 0},
	/* It doesn't end the key, which would be another one then. */
	{"NUL", BYTES("get example.org%00.example\n"), PROTO_LOOKUP,
		BYTES("example.org\0.example"), 0},
	{"no key", BYTES("get \n"), PROTO_LOOKUP, BYTES(""), 0},
	{"pipelined", BYTES("get a\nget b\n"), PROTO_LOOKUP, BYTES("a"), 6},

	{"unfinished", BYTES("get example.org"), PROTO_MORE, NULL, 0, 0},
	{"nothing", BYTES(""), PROTO_MORE, NULL, 0, 0},

	{"put", BYTES("put a b\n"), PROTO_UNKNOWN, NULL, 0, 0},
	{"put and another", BYTES("put a b\nget a\n"), PROTO_UNKNOWN, NULL, 0, 6},

	{"one hex digit", BYTES("get a%2\n"), PROTO_BAD, NULL, 0, 0},
	{"no hex digit", BYTES("get a%\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex digits", BYTES("get a%zz\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex: first", BYTES("get a%g0\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex: upper case", BYTES("get a%G0\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex: second", BYTES("get a%0g\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex: /", BYTES("get a%/0\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex: :", BYTES("get a%0:\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex: @", BYTES("get a%@0\n"), PROTO_BAD, NULL, 0, 0},
	{"not hex: `", BYTES("get a%0`\n"), PROTO_BAD, NULL, 0, 0},
	{"a percent sign for a digit", BYTES("get a%%20\n"), PROTO_BAD, NULL, 0, 0},
	{"an empty line", BYTES("\n"), PROTO_BAD, NULL, 0, 0},
	{"no blank", BYTES("get\n"), PROTO_BAD, NULL, 0, 0},
	{"a tab", BYTES("get\ta\n"), PROTO_BAD, NULL, 0, 0},
	{"upper case", BYTES("GET a\n"), PROTO_BAD, NULL, 0, 0},
	{"HTTP", BYTES("GET / HTTP/1.1\r\n"), PROTO_BAD, NULL, 0, 0},
	{"another verb", BYTES("put\n"), PROTO_BAD, NULL, 0, 0},
	{"another protocol", BYTES("route example.org\n"), PROTO_BAD, NULL, 0, 0},
	{"NUL first", BYTES("\0get a\n"), PROTO_BAD, NULL, 0, 0},
};

static void
test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		unit_request_check(&proto_tcp_table, &rows[i]);
}

/* A byte that should have been encoded never makes the key another domain's. */
static void
test_raw_bytes(void **state)
{
	static struct proto_request req;
	char line[] = "get example.org?.example\n";
	const size_t len = sizeof(line) - 1;

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		enum proto_status st;
		size_t used;

		if (c == '\n' || c == '%')
			continue;
		line[15] = (char)c;
		st = proto_tcp_table.parse(line, len, &used, &req);
		assert_int_equal(used, len);
		if (c <= ' ' || c == 0x7f) {
			assert_int_equal(st, PROTO_BAD);
			continue;
		}
		assert_int_equal(st, PROTO_LOOKUP);
		assert_int_equal(req.keylen, len - 5);
		assert_memory_equal(req.key, line + 4, req.keylen);
	}
}

static void
test_limit(void **state)
{
	static char line[PROTO_REQUEST_MAX], key[PROTO_REQUEST_MAX];
	const size_t room = sizeof(line) - 5; /* 1363 encoded bytes and 2 plain ones */
	const struct unit_request plain = {
		"the longest", line, sizeof(line), PROTO_LOOKUP, line + 4, room, 0};
	const struct unit_request encoded = {"the longest, encoded", line, sizeof(line),
		PROTO_LOOKUP, key, room / 3 + 2, 0};

	(void)state;
	assert_int_equal(room % 3, 2);
	memset(line, 'A', sizeof(line));
	memset(key, 'A', sizeof(key));
	memcpy(line, "get ", 4);
	line[sizeof(line) - 1] = '\n';
	unit_request_check(&proto_tcp_table, &plain);
	for (size_t i = 4; i + 5 < sizeof(line); i += 3)
		memcpy(line + i, "%41", 3);
	unit_request_check(&proto_tcp_table, &encoded);
	unit_request_too_long(&proto_tcp_table, "get ", "\n");
	unit_request_too_long(&proto_tcp_table, "get ", "x");
}

static void
check(const struct answer *a, enum answer_style style, const char *want)
{
	const struct render how = {style, "smtptor", false};
	struct reply r = unit_format(&proto_tcp_table, a, &how);

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
	check(&a, STYLE_ONION, "200 smtptor:[" ONION_A "]:25,%20[" ONION_B "]:2525\n");
	check(&a, STYLE_ADDRESS, "200 smtptor:[10.192.0.5]:25,%20[10.192.0.9]:2525\n");
	answer_set(&a, OUTCOME_NONE, REASON_NONE);
	check(&a, STYLE_ONION, "500 not%20found\n");
	answer_set(&a, OUTCOME_TEMP, REASON_DNS_TIMEOUT);
	check(&a, STYLE_ONION, "400 DNS%20timed%20out\n");
	answer_set(&a, OUTCOME_FAIL, REASON_ONION_INVALID);
	check(&a, STYLE_ONION, "200 error:5.4.4%20invalid%20onion%20name\n");
}

/* To the queue manager, which logs it. Other answers are as always. */
static void
test_temp_as_retry(void **state)
{
	const struct render how = {STYLE_ONION, "smtptor", true};
	struct answer a;

	(void)state;
	answer_set(&a, OUTCOME_TEMP, REASON_DNS_TIMEOUT);
	assert_string_equal(unit_format(&proto_tcp_table, &a, &how).text,
		"200 retry:4.4.3%20onion%20route:%20DNS%20timed%20out\n");
	answer_set(&a, OUTCOME_NONE, REASON_NONE);
	assert_string_equal(
		unit_format(&proto_tcp_table, &a, &how).text, "500 not%20found\n");
	answer_set(&a, OUTCOME_FAIL, REASON_ONION_INVALID);
	assert_string_equal(unit_format(&proto_tcp_table, &a, &how).text,
		"200 error:5.4.4%20invalid%20onion%20name\n");
}

/* As long as it can be, a reply is a whole line of whole targets. */
static void
test_longest_reply(void **state)
{
	const struct render how = {
		STYLE_ONION, "transport-with-32-characters-abc", false};
	struct answer a;
	struct reply r;

	(void)state;
	unit_longest_route(&a);
	r = unit_format(&proto_tcp_table, &a, &how);
	assert_int_equal(r.left_out, 9);
	assert_memory_equal(r.text, "200 transport-with-32-characters-abc:[a", 39);
	assert_memory_equal(r.text + r.len - 8, "]:65535\n", 8);
	assert_ptr_equal(strchr(r.text, '\n'), r.text + r.len - 1);
	assert_null(strchr(r.text + 4, ' '));
}

static void
test_refusals(void **state)
{
	(void)state;
	assert_string_equal(unit_refuse(&proto_tcp_table, REFUSE_UNKNOWN).text,
		"400 unknown%20request\n");
	assert_string_equal(unit_refuse(&proto_tcp_table, REFUSE_MALFORMED).text,
		"400 malformed%20request\n");
	assert_string_equal(unit_refuse(&proto_tcp_table, REFUSE_BUSY).text,
		"400 too%20many%20clients\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_raw_bytes),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_temp_as_retry),
		cmocka_unit_test(test_longest_reply),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests_name("tcp_table", tests, NULL, NULL);
}
