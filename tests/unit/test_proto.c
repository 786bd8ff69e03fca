/* What the protocols share: the table, the words of their answers, and that no
 * protocol says "no such entry" unless that is certain. */
#include "unit.h"

#include "core/policy.h"
#include "core/protocols.h"
#include "core/readsocket.h"
#include "core/socketmap.h"
#include "core/tcp_table.h"

static const struct proto *const protos[] = {
	&proto_readsocket, &proto_tcp_table, &proto_socketmap, &proto_policy};

static void
test_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(protocols_by_name("readsocket"), &proto_readsocket);
	assert_ptr_equal(protocols_by_name("tcp_table"), &proto_tcp_table);
	assert_ptr_equal(protocols_by_name("socketmap"), &proto_socketmap);
	assert_ptr_equal(protocols_by_name("policy"), &proto_policy);
	for (size_t i = 0; i < COUNT(protos); i++)
		assert_ptr_equal(protocols_by_name(protos[i]->name), protos[i]);
	assert_null(protocols_by_name(""));
	assert_null(protocols_by_name("socketmap "));
	assert_null(protocols_by_name("Socketmap"));
}

static void
test_kinds(void **state)
{
	(void)state;
	assert_true(proto_readsocket.one_shot);
	assert_false(proto_tcp_table.one_shot);
	assert_false(proto_socketmap.one_shot);
	assert_false(proto_policy.one_shot);
	/* Exim looks a name up in DNS. */
	assert_true(proto_readsocket.needs_address);
	assert_false(proto_tcp_table.needs_address);
	assert_false(proto_socketmap.needs_address);
	assert_true(proto_policy.cache_only);
}

static void
check_words(const char *text)
{
	row_assert(text, strlen(text) <= REASON_LEN);
	for (const char *c = text; *c != '\0'; c++)
		row_assert(text, *c >= ' ' && *c <= '~' && strchr("\"'`%", *c) == NULL);
}

static void
test_words(void **state)
{
	(void)state;
	assert_string_equal(answer_reason_text(REASON_NONE), "");
	for (enum reason r = REASON_NONE; r < REASON_COUNT; r++) {
		check_words(answer_reason_text(r));
		assert_true(r == REASON_NONE || strlen(answer_reason_text(r)) > 0);
		for (enum reason other = REASON_NONE; other < r; other++)
			assert_string_not_equal(
				answer_reason_text(r), answer_reason_text(other));
	}
	for (enum refusal r = REFUSE_UNKNOWN; r <= REFUSE_BUSY; r++) {
		check_words(proto_refusal_text(r));
		assert_true(strlen(proto_refusal_text(r)) > 0);
	}
}

static void
test_answer_set(void **state)
{
	struct answer a;

	(void)state;
	memset(&a, 0xee, sizeof(a));
	answer_set(&a, OUTCOME_TEMP, REASON_MAP);
	assert_int_equal(a.outcome, OUTCOME_TEMP);
	assert_int_equal(a.reason, REASON_MAP);
	assert_int_equal(a.route.n, 0);
}

static void
test_transport_value(void **state)
{
	const struct render how = {STYLE_ONION, "smtptor", false};
	struct answer a = {.outcome = OUTCOME_ROUTE,
		.route = {.n = 1, .target = {unit_target(ONION_A, 25, 0)}}};
	struct rendered r;

	(void)state;
	proto_transport_value(&r, &a, &how);
	assert_int_equal(r.len, strlen("smtptor:[" ONION_A "]:25"));
	assert_memory_equal(r.text, "smtptor:[" ONION_A "]:25", r.len);
	answer_set(&a, OUTCOME_FAIL, REASON_ONION_INVALID);
	r.left_out = 7;
	proto_transport_value(&r, &a, &how);
	assert_int_equal(r.len, strlen("error:5.4.4 invalid onion name"));
	assert_memory_equal(r.text, "error:5.4.4 invalid onion name", r.len);
	assert_int_equal(r.left_out, 0);
}

/* How each protocol begins a reply that lets mail go over clearnet. */
static bool
says_none(const struct proto *p, const char *reply)
{
	if (p == &proto_readsocket)
		return strncmp(reply, "NO", 2) == 0;
	if (p == &proto_tcp_table)
		return reply[0] == '5';
	return strstr(reply, ":NOTFOUND") != NULL;
}

static void
test_none_only_for_none(void **state)
{
	const struct render how = {STYLE_ADDRESS, "smtptor", false};
	struct answer a;

	(void)state;
	for (size_t i = 0; i < COUNT(protos); i++) {
		const struct proto *p = protos[i];

		if (p->cache_only)
			continue; /* it says nothing of a domain */
		answer_set(&a, OUTCOME_NONE, REASON_NONE);
		row_assert(p->name, says_none(p, unit_format(p, &a, &how).text));
		for (enum reason r = REASON_DEADLINE; r < REASON_COUNT; r++) {
			answer_set(&a, OUTCOME_TEMP, r);
			row_assert(p->name, !says_none(p, unit_format(p, &a, &how).text));
			answer_set(&a, OUTCOME_FAIL, r);
			row_assert(p->name, !says_none(p, unit_format(p, &a, &how).text));
		}
		for (enum refusal r = REFUSE_UNKNOWN; r <= REFUSE_BUSY; r++)
			row_assert(p->name, !says_none(p, unit_refuse(p, r).text));
		unit_longest_route(&a);
		row_assert(p->name, !says_none(p, unit_format(p, &a, &how).text));
	}
}

/* At the limit every parser has made up its mind, whatever the bytes are. */
static void
test_limit_is_final(void **state)
{
	static char input[PROTO_REQUEST_MAX];
	static struct proto_request req;
	size_t used;

	(void)state;
	for (size_t i = 0; i < COUNT(protos); i++)
		for (unsigned c = 0; c < 256; c++) {
			memset(input, (int)c, sizeof(input));
			if (protos[i]->parse(input, sizeof(input), &used, &req) !=
				PROTO_BAD)
				fail_msg("%s: byte %u", protos[i]->name, c);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_answer_set),
		cmocka_unit_test(test_transport_value),
		cmocka_unit_test(test_none_only_for_none),
		cmocka_unit_test(test_limit_is_final),
	};

	return cmocka_run_group_tests_name("proto", tests, NULL, NULL);
}
