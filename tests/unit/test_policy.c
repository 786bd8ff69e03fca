#include "unit.h"

#include "core/policy.h"

#define ASK "request=smtpd_access_policy\n"
#define RCPT ASK "protocol_state=RCPT\n"

/* As Postfix 3.7 sends it. */
#define POSTFIX                                                                          \
	RCPT "protocol_name=ESMTP\nclient_address=192.0.2.1\nclient_name=c.example\n"    \
	     "client_port=4711\nreverse_client_name=c.example\nserver_address=192.0.2."  \
	     "2\n"                                                                       \
	     "server_port=25\nhelo_name=c.example\nsender=s@c.example\n"                 \
	     "recipient=a+b@example.org\nrecipient_count=0\nqueue_id=\n"                 \
	     "instance=25bf.6a.0\nsize=0\netrn_domain=\nstress=\nsasl_method=\n"         \
	     "sasl_username=\nsasl_sender=\nccert_subject=\nccert_issuer=\n"             \
	     "ccert_fingerprint=\nccert_pubkey_fingerprint=\nencryption_protocol=\n"     \
	     "encryption_cipher=\nencryption_keysize=0\npolicy_context=\n\n"

static const struct unit_request rows[] = {
	{"Postfix", BYTES(POSTFIX), PROTO_LOOKUP, BYTES("a+b@example.org"), 0},
	{"any order", BYTES("recipient=a@b\nprotocol_state=RCPT\n" ASK "\n"),
		PROTO_LOOKUP, BYTES("a@b"), 0},
	{"the last counts", BYTES(RCPT "recipient=a@b\nrecipient=c@d\n\n"), PROTO_LOOKUP,
		BYTES("c@d"), 0},
	{"quoted, and a sign", BYTES(RCPT "recipient=\"a=b c\"@d\n\n"), PROTO_LOOKUP,
		BYTES("\"a=b c\"@d"), 0},
	{"UTF-8", BYTES(RCPT "recipient=j@m\xc3\xbcnchen.example\n\n"), PROTO_LOOKUP,
		BYTES("j@m\xc3\xbcnchen.example"), 0},
	{"NUL", BYTES(RCPT "recipient=a@b\0c\n\n"), PROTO_LOOKUP, BYTES("a@b\0c"), 0},
	{"an empty name", BYTES(RCPT "=\nrecipient=a@b\n\n"), PROTO_LOOKUP, BYTES("a@b"),
		0},
	{"pipelined", BYTES(RCPT "recipient=a\n\n" ASK "\n"), PROTO_LOOKUP, BYTES("a"),
		sizeof(ASK)},

	/* Nobody is asked for an empty key. */
	{"no recipient", BYTES(RCPT "\n"), PROTO_LOOKUP, BYTES(""), 0},
	{"an empty recipient", BYTES(RCPT "recipient=\n\n"), PROTO_LOOKUP, BYTES(""), 0},
	{"no state", BYTES(ASK "recipient=a@b\n\n"), PROTO_LOOKUP, BYTES(""), 0},
	{"another state", BYTES(ASK "protocol_state=DATA\nrecipient=a@b\n\n"),
		PROTO_LOOKUP, BYTES(""), 0},
	{"names in full", BYTES(RCPT "recipients=a@b\nrecipien=a@b\n\n"), PROTO_LOOKUP,
		BYTES(""), 0},
	{"names as they are", BYTES(RCPT "Recipient=a@b\n\n"), PROTO_LOOKUP, BYTES(""),
		0},

	{"nothing", BYTES(""), PROTO_MORE, NULL, 0, 0},
	{"no empty line", BYTES(RCPT "recipient=a@b\n"), PROTO_MORE, NULL, 0, 0},

	{"another request", BYTES("request=smtpd_access\n\n"), PROTO_UNKNOWN, NULL, 0, 0},
	{"an empty request", BYTES("request=\n\n"), PROTO_UNKNOWN, NULL, 0, 0},

	{"no request", BYTES("recipient=a@b\n\n"), PROTO_BAD, NULL, 0, 0},
	{"an empty line", BYTES("\n"), PROTO_BAD, NULL, 0, 0},
	{"no sign", BYTES(ASK "recipient\n"), PROTO_BAD, NULL, 0, 0},
	{"CRLF", BYTES("request=smtpd_access_policy\r\n\r\n"), PROTO_BAD, NULL, 0, 0},
	{"another protocol", BYTES("get example.org\n"), PROTO_BAD, NULL, 0, 0},
};

static void
test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		unit_request_check(&proto_policy, &rows[i]);
}

static void
test_limit(void **state)
{
	static char text[PROTO_REQUEST_MAX];
	const size_t head = strlen(RCPT "recipient=");
	const struct unit_request longest = {"the longest", text, sizeof(text),
		PROTO_LOOKUP, text + head, sizeof(text) - head - 2, 0};

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, RCPT "recipient=", head);
	memcpy(text + sizeof(text) - 2, "\n\n", 2);
	unit_request_check(&proto_policy, &longest);
	unit_request_too_long(&proto_policy, RCPT "recipient=", "\n\n");
	unit_request_too_long(&proto_policy, RCPT "recipient=", "x");
}

/* Whatever the lookup ended with. */
static void
test_replies(void **state)
{
	const struct render how = {STYLE_ONION, "smtptor", false};
	static const enum outcome outcomes[] = {OUTCOME_NONE, OUTCOME_TEMP, OUTCOME_FAIL};
	struct answer a;

	(void)state;
	unit_longest_route(&a);
	assert_string_equal(
		unit_format(&proto_policy, &a, &how).text, "action=DUNNO\n\n");
	for (size_t i = 0; i < COUNT(outcomes); i++) {
		answer_set(&a, outcomes[i], REASON_BUSY);
		assert_string_equal(
			unit_format(&proto_policy, &a, &how).text, "action=DUNNO\n\n");
	}
	for (enum refusal r = REFUSE_UNKNOWN; r <= REFUSE_BUSY; r++)
		assert_string_equal(
			unit_refuse(&proto_policy, r).text, "action=DUNNO\n\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
