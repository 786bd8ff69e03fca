/* The records beside SRV and A, what is said of those that were dropped, and AD. */
#include "wire.h"

#define AUTHENTIC (ANSWER | 0x0020)

#define TXT(bytes) RAW('a', Q, ns_t_txt, bytes)
#define TLSA(bytes) RAW('a', Q, 52, bytes)

static void
test_mx(void **state)
{
	static const struct wire_row rows[] = {
		{"one", ANSWER, RECORDS(300, 1, 0), {MX(Q, 300, 10, "mx.example.net")}},
		{"two", ANSWER, RECORDS(200, 2, 0),
			{MX(Q, 300, 10, "mx.example.net"), MX(Q, 200, 20, "b.example")}},
		{"upper case, twice", ANSWER, RECORDS(300, 1, 0),
			{MX(Q, 300, 10, "MX.example.NET"),
				MX(Q, 300, 20, "mx.example.net")}},
		{"null MX (RFC 7505)", ANSWER, NONE(300, 1), {MX(Q, 300, 0, "")}},
		{"no host name", ANSWER, NONE(300, 1), {MX(Q, 300, 10, "a*b.example")}},
		{"one of two is none", ANSWER, RECORDS(300, 1, 1),
			{MX(Q, 300, 10, "-.example"), MX(Q, 300, 10, "mx.example")}},
		{"an address", ANSWER, NONE(300, 1), {MX(Q, 300, 10, "192.0.2.1")}},
		{"no data", ANSWER, NONE(60, 0), {SOA("example.org", 300, 60)}},
		{"unproven", ANSWER, UNPROVEN, {NS("example.org")}},
		{"too short", ANSWER, BAD, {RAW('a', Q, ns_t_mx, "\0\1")}},
		{"bytes behind the host", ANSWER, BAD,
			{RAW('a', Q, ns_t_mx, "\0\1\1a\0x")}},
		{"only of another type", ANSWER, UNPROVEN,
			{SRV(Q, 300, 1, 1, 25, ONION_A)}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_MX);
}

static void
test_mx_fields(void **state)
{
	static const struct rr rr[] = {MX(Q, 300, 0x1234, "Mail.Example.net")};
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	wire_begin(&w, ANSWER, 1);
	wire_question(&w, Q, ns_t_mx, ns_c_in);
	wire_records(&w, rr, COUNT(rr));
	wire_parse("fields", &w, DNS_TYPE_MX, &a);
	assert_int_equal(a.srv.n, 1);
	assert_int_equal(a.srv.target[0].priority, 0x1234);
	assert_int_equal(a.srv.target[0].port, SMTP_PORT);
	assert_int_equal(a.srv.target[0].hostlen, strlen("mail.example.net"));
	assert_memory_equal(a.srv.target[0].host, "mail.example.net", 16);
}

/* Only what MTA-STS reads counts: a domain has other texts, too. */
static void
test_txt(void **state)
{
	static const struct wire_row rows[] = {
		{"a policy", ANSWER, RECORDS(300, 0, 0), {TXT("\014v=STSv1; id1")}},
		{"in two strings", ANSWER, RECORDS(300, 0, 0),
			{TXT("\010v=STSv1;\004id=1")}},
		{"one of two", ANSWER, RECORDS(300, 0, 0),
			{TXT("\006v=spf1"), TXT("\010v=STSv1;")}},
		{"another text", ANSWER, NONE(300, 0), {TXT("\006v=spf1")}},
		{"cut short", ANSWER, NONE(300, 0), {TXT("\006v=STSv\0011")}},
		{"in another case", ANSWER, NONE(300, 0), {TXT("\010V=stsv1;")}},
		{"an empty string", ANSWER, NONE(300, 0), {TXT("\0")}},
		{"a string beyond the record", ANSWER, BAD, {TXT("\012v=STSv1;")}},
		{"no data", ANSWER, NONE(60, 0), {SOA("example.org", 300, 60)}},
		{"no name, without SOA", NO_NAME, BARE(NXDOMAIN), {{0}}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_TXT);
}

static void
test_tlsa(void **state)
{
	static const struct wire_row rows[] = {
		{"one", ANSWER, RECORDS(300, 0, 0), {TLSA("\3\1\1abcdef")}},
		{"cut short", ANSWER, BAD, {TLSA("\3\1\1")}},
		{"no data", ANSWER, NONE(60, 0), {SOA("example.org", 300, 60)}},
		{"by a CNAME", ANSWER, RECORDS(100, 0, 0),
			{CNAME(Q, 100, "b"), RAW('a', "b", 52, "\3\1\1abcdef")}},
		{"no data, without SOA", ANSWER, BARE(NODATA), {{0}}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_TLSA);
}

static void
test_ad(void **state)
{
	static const struct {
		unsigned flags;
		bool ad;
		struct rr rr;
	} rows[] = {
		{AUTHENTIC, true, SRV(Q, 300, 1, 1, 25, ONION_A)},
		{AUTHENTIC, true, SOA("example.org", 300, 60)},
		{ANSWER, false, SRV(Q, 300, 1, 1, 25, ONION_A)},
		{ANSWER | 0x0010, false, SRV(Q, 300, 1, 1, 25, ONION_A)}, /* CD */
		{AUTHENTIC, true, {0}},
		{AUTHENTIC, false, NS("example.org")},
		{AUTHENTIC | ns_r_servfail, false, SRV(Q, 300, 1, 1, 25, ONION_A)},
	};
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		wire_begin(&w, rows[i].flags, 1);
		wire_question(&w, Q, ns_t_srv, ns_c_in);
		wire_records(&w, &rows[i].rr, 1);
		wire_parse("ad", &w, DNS_TYPE_SRV, &a);
		assert_int_equal(a.ad, rows[i].ad);
	}
}

/* What was dropped is told, as far as there is room for it. */
static void
test_dropped(void **state)
{
	static const struct {
		struct rr rr;
		const char *host, *why;
		uint16_t port;
	} rows[] = {
		{SRV(Q, 300, 1, 1, 25, "mx.example.org"), "mx.example.org",
			"not a .onion name", 25},
		{SRV(Q, 300, 1, 1, 2525, V2), V2,
			"a version 2 onion name, which tor no longer supports", 2525},
		{SRV(Q, 300, 1, 1, 0, ONION_A), ONION_A, "port 0", 0},
		{SRV(Q, 300, 0, 0, 0, ""), ".", "the domain says that it has none", 0},
		{RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\002\r\n\0"), "\\013\\010",
			"not a .onion name", 25},
	};
	static struct dns_answer a;
	static struct wire w;
	struct rr many[TARGETS_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		wire_begin(&w, ANSWER, 1);
		wire_question(&w, Q, ns_t_srv, ns_c_in);
		wire_records(&w, &rows[i].rr, 1);
		wire_parse("dropped", &w, DNS_TYPE_SRV, &a);
		assert_int_equal(a.dropped, 1);
		assert_string_equal(a.drop[0].host, rows[i].host);
		assert_string_equal(a.drop[0].why, rows[i].why);
		assert_int_equal(a.drop[0].port, rows[i].port);
	}
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = rows[0].rr;
	wire_begin(&w, ANSWER, 1);
	wire_question(&w, Q, ns_t_srv, ns_c_in);
	wire_records(&w, many, COUNT(many));
	wire_parse("many", &w, DNS_TYPE_SRV, &a);
	assert_int_equal(a.dropped, COUNT(many));
	assert_string_equal(a.drop[TARGETS_MAX - 1].host, "mx.example.org");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mx),
		cmocka_unit_test(test_mx_fields),
		cmocka_unit_test(test_txt),
		cmocka_unit_test(test_tlsa),
		cmocka_unit_test(test_ad),
		cmocka_unit_test(test_dropped),
	};

	return cmocka_run_group_tests_name("dnsrecord", tests, NULL, NULL);
}
