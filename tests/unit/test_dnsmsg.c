#include "wire.h"

static void
test_srv_records(void **state)
{
	static const struct wire_row rows[] = {
		{"one", ANSWER, RECORDS(300, 1, 0), {SRV(Q, 300, 10, 5, 25, ONION_A)}},
		{"authoritative, no recursion", 0x8400, RECORDS(300, 1, 0),
			{SRV(Q, 300, 10, 5, 25, ONION_A)}},
		{"authentic data, EDNS", 0x81b0, RECORDS(300, 1, 0),
			{SRV(Q, 300, 10, 5, 25, ONION_A), OPT}},
		{"least TTL of two", ANSWER, RECORDS(200, 2, 0),
			{SRV(Q, 300, 10, 5, 25, ONION_A),
				SRV(Q, 200, 20, 5, 25, ONION_B)}},
		{"duplicates", ANSWER, RECORDS(300, 2, 0),
			{SRV(Q, 300, 10, 5, 25, ONION_A), SRV(Q, 300, 20, 5, 25, ONION_A),
				SRV(Q, 300, 10, 5, 26, ONION_A)}},
		{"compressed names", ANSWER, RECORDS(300, 2, 0),
			{SRV("@12", 300, 10, 5, 25, ONION_A),
				SRV("@12", 300, 10, 5, 25, "mail.@62")}},
		{"a subdomain of the service", ANSWER, RECORDS(300, 1, 0),
			{SRV(Q, 300, 10, 5, 25, "mail." ONION_A)}},
		{"the longest name", ANSWER, RECORDS(300, 1, 0),
			{SRV(Q, 300, 10, 5, 25, LONG_PREFIX ONION_A)}},
		{"owner in another case", ANSWER, RECORDS(300, 1, 0),
			{SRV("_ONION-mx._tcp.Example.ORG", 300, 10, 5, 25, ONION_A)}},
		{"TTL 0", ANSWER, RECORDS(0, 1, 0), {SRV(Q, 0, 10, 5, 25, ONION_A)}},
		{"greatest TTL", ANSWER, RECORDS(0x7fffffff, 1, 0),
			{SRV(Q, 0x7fffffff, 10, 5, 25, ONION_A)}},
		{"TTL with its top bit", ANSWER, RECORDS(0, 1, 0),
			{SRV(Q, 0x80000000, 10, 5, 25, ONION_A)}},
		{"TTL of all ones", ANSWER, RECORDS(0, 2, 0),
			{SRV(Q, 300, 10, 5, 25, ONION_A),
				SRV(Q, 0xffffffff, 10, 5, 25, ONION_B)}},
		{"records of other names, types and classes beside it", ANSWER,
			RECORDS(300, 1, 0),
			{SRV("_onion-mx._tcp.example.net", 1, 10, 5, 25, ONION_B),
				RAW('a', Q, ns_t_txt, "\004text"),
				{'a', Q, ns_t_srv, ns_c_chaos, 1, {1, 1, 25}, ONION_C, 0},
				SRV(Q, 300, 10, 5, 25, ONION_A)}},
		{"one target of three is good", ANSWER, RECORDS(300, 1, 2),
			{SRV(Q, 300, 10, 5, 25, V2), SRV(Q, 300, 10, 5, 25, ONION_A),
				SRV(Q, 300, 10, 5, 25, "mail.example.org")}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

/* Answers that hold records, but none that we can use. */
static void
test_srv_unusable(void **state)
{
	static const struct wire_row rows[] = {
		{"target .", ANSWER, NONE(300, 1), {SRV(Q, 300, 0, 0, 25, "")}},
		{"target ., port 0", ANSWER, NONE(300, 1), {SRV(Q, 300, 0, 0, 0, "")}},
		{"port 0", ANSWER, NONE(300, 1), {SRV(Q, 300, 10, 5, 0, ONION_A)}},
		{"not an onion", ANSWER, NONE(300, 1),
			{SRV(Q, 300, 10, 5, 25, "mx.example.org")}},
		{"below an onion", ANSWER, NONE(300, 1),
			{SRV(Q, 300, 10, 5, 25, ONION_A ".example")}},
		{"version 2", ANSWER, NONE(300, 1), {SRV(Q, 300, 10, 5, 25, V2)}},
		{"wrong length", ANSWER, NONE(300, 1),
			{SRV(Q, 300, 10, 5, 25, "b" ONION_A)}},
		{"wrong checksum", ANSWER, NONE(300, 1),
			{SRV(Q, 300, 10, 5, 25, MISTYPED)}},
		{"a star", ANSWER, NONE(300, 1), {SRV(Q, 300, 10, 5, 25, "*." ONION_A)}},
		{"a blank", ANSWER, NONE(300, 1),
			{SRV(Q, 300, 10, 5, 25, "a b." ONION_A)}},
		{"a comma", ANSWER, NONE(300, 1),
			{SRV(Q, 300, 10, 5, 25, "a,b." ONION_A)}},
		{"NUL", ANSWER, NONE(300, 1),
			{RAW('a', Q, ns_t_srv,
				"\0\1\0\1\0\031\003a\0b\076" ONION_A "\0")}},
		{"a dot inside a label", ANSWER, NONE(300, 1),
			{RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\076" ONION_A "\0")}},
		{"all of them", ANSWER, NONE(100, 4),
			{SRV(Q, 300, 10, 5, 0, ONION_A), SRV(Q, 200, 10, 5, 25, V2),
				SRV(Q, 100, 10, 5, 25, "mx.example.org"),
				SRV(Q, 400, 10, 5, 25, "")}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

static void
test_absence(void **state)
{
	static const struct wire_row rows[] = {
		{"no data", ANSWER, NONE(300, 0), {SOA("example.org", 300, 400)}},
		{"no data, lesser minimum", ANSWER, NONE(60, 0),
			{SOA("example.org", 300, 60)}},
		{"no name", NO_NAME, NONE(300, 0), {SOA("example.org", 300, 400)}},
		{"no name, lesser minimum", NO_NAME, NONE(60, 0),
			{SOA("example.org", 300, 60)}},
		{"minimum 0", NO_NAME, NONE(0, 0), {SOA("example.org", 300, 0)}},
		{"minimum with its top bit", NO_NAME, NONE(0, 0),
			{SOA("example.org", 300, 0x80000000)}},
		{"TTL with its top bit", NO_NAME, NONE(0, 0),
			{SOA("example.org", 0x80000001, 60)}},
		{"SOA of the name itself", ANSWER, NONE(60, 0), {SOA(Q, 300, 60)}},
		{"SOA in another case", ANSWER, NONE(60, 0),
			{SOA("EXAMPLE.org", 300, 60)}},
		{"SOA of the top level", NO_NAME, NONE(60, 0), {SOA("org", 300, 60)}},
		{"SOA of the root", NO_NAME, NONE(3600, 0), {SOA("", 86400, 3600)}},
		{"SOA behind other records", NO_NAME, NONE(60, 0),
			{NS("example.org"), SOA("example.net", 1, 1),
				SOA("example.org", 300, 60), OPT}},
		{"compressed SOA", NO_NAME, NONE(60, 0), {SOA("@27", 300, 60)}},
		{"a record of another name", ANSWER, NONE(60, 0),
			{SRV("example.org", 10, 10, 5, 25, ONION_A),
				SOA("example.org", 300, 60)}},
		{"a record of another type", ANSWER, NONE(60, 0),
			{A(Q, 10, 0x0a000001), SOA("example.org", 300, 60)}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

/* As many resolvers say it (RFC 2308 section 2.1, types 3 and 4; section 2.2, type 3). */
static void
test_bare_absence(void **state)
{
	static const struct wire_row rows[] = {
		{"no data", ANSWER, BARE(NODATA), {{0}}},
		{"no data, EDNS", ANSWER, BARE(NODATA), {OPT}},
		{"no data, authoritative", 0x8400, BARE(NODATA), {{0}}},
		{"no data by CNAMEs", ANSWER, BARE(NODATA),
			{CNAME("b.net", 300, "c"), CNAME(Q, 300, "b.net")}},
		{"no data by a DNAME", ANSWER, BARE(NODATA),
			{DNAME("org", 100, "net"),
				CNAME(Q, 100, "_onion-mx._tcp.example.net")}},
		{"no data by a signed CNAME", ANSWER, BARE(NODATA),
			{CNAME(Q, 300, "b.net"), RAW('a', Q, ns_t_rrsig, "x")}},
		{"no data, other records of authority", ANSWER, BARE(NODATA),
			{{'n', "example.org", ns_t_txt, ns_c_in, 9, {0}, "a", 0}}},
		{"no data, more in the extras", ANSWER, BARE(NODATA),
			{SOA_IN('x', "example.org", 300, 60)}},
		{"no name", NO_NAME, BARE(NXDOMAIN), {{0}}},
		{"no name by a CNAME", NO_NAME, BARE(NXDOMAIN), {CNAME(Q, 300, "b.net")}},
		{"no name, with the SOA of where it began", NO_NAME, BARE(NXDOMAIN),
			{CNAME(Q, 300, "b.net"), SOA("example.org", 300, 60)}},
		{"no name, NS", NO_NAME, BARE(NXDOMAIN), {NS("example.org")}},
		{"no name, SOA of a sister zone", NO_NAME, BARE(NXDOMAIN),
			{SOA("example.net", 300, 60)}},
		{"no name, SOA that ends alike", NO_NAME, BARE(NXDOMAIN),
			{SOA("ample.org", 300, 60)}},
		{"no name, SOA of a zone below", NO_NAME, BARE(NXDOMAIN),
			{SOA("a." Q, 300, 60)}},
		{"no name, a record of another name", NO_NAME, BARE(NXDOMAIN),
			{A("example.org", 300, 1)}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

/* Each of these would send mail over clearnet if it were taken for an absence. */
static void
test_unproven(void **state)
{
	static const struct wire_row rows[] = {
		{"referral", 0x8100, UNPROVEN, {NS("example.org")}},
		{"referral to the root", 0x8000, UNPROVEN, {NS("")}},
		{"referral behind a CNAME", ANSWER, UNPROVEN,
			{CNAME(Q, 300, "b.net"), NS("net")}},
		{"referral of another class", ANSWER, UNPROVEN,
			{{'n', "org", ns_t_ns, ns_c_chaos, 300, {0}, "a", 0}}},
		{"SOA of a sister zone", ANSWER, UNPROVEN, {SOA("example.net", 300, 60)}},
		{"SOA that ends alike", ANSWER, UNPROVEN, {SOA("ample.org", 300, 60)}},
		{"SOA of a zone below", ANSWER, UNPROVEN, {SOA("a." Q, 300, 60)}},
		{"SOA in the answer", ANSWER, UNPROVEN,
			{SOA_IN('a', "example.org", 300, 60)}},
		{"SOA of another class", ANSWER, UNPROVEN,
			{{'n', "example.org", ns_t_soa, ns_c_chaos, 300, {60}, "a", 0}}},
		{"SOA cut short", NO_NAME, BAD,
			{RAW('n', "example.org", ns_t_soa, "\0\0abcdefghijklmnopqrs")}},
		{"SOA too long", NO_NAME, BAD,
			{RAW('n', "example.org", ns_t_soa, "\0\0abcdefghijklmnopqrstu")}},
		{"record of another name", ANSWER, UNPROVEN,
			{SRV("example.org", 300, 10, 5, 25, ONION_A)}},
		{"record of another type", ANSWER, UNPROVEN, {A(Q, 300, 1)}},
		{"record of another class", ANSWER, UNPROVEN,
			{{'a', Q, ns_t_srv, ns_c_chaos, 300, {1, 1, 25}, ONION_A, 0}}},
		{"CNAME of another name", ANSWER, UNPROVEN,
			{CNAME("b.net", 300, "c.net")}},
		{"CNAME twice", ANSWER, UNPROVEN,
			{CNAME(Q, 300, "b.net"), CNAME(Q, 300, "b.net")}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

static void
test_cname(void **state)
{
	static const struct wire_row rows[] = {
		{"one", ANSWER, RECORDS(100, 1, 0),
			{CNAME(Q, 100, "b"), SRV("b", 300, 10, 5, 25, ONION_A)}},
		{"greater TTL", ANSWER, RECORDS(300, 1, 0),
			{CNAME(Q, 900, "b"), SRV("b", 300, 10, 5, 25, ONION_A)}},
		{"in the wrong order", ANSWER, RECORDS(100, 1, 0),
			{SRV("C", 300, 10, 5, 25, ONION_A), CNAME("B", 100, "c"),
				CNAME(Q, 200, "b")}},
		{"beside others' CNAMEs", ANSWER, RECORDS(200, 1, 0),
			{CNAME("x", 1, Q), CNAME(Q, 200, "b"), CNAME("y", 1, "b"),
				SRV("b", 300, 10, 5, 25, ONION_A)}},
		{"to no data", ANSWER, NONE(30, 0),
			{CNAME(Q, 30, "b.net"), SOA("net", 300, 60)}},
		{"to no name", NO_NAME, NONE(60, 0),
			{CNAME(Q, 300, "b.net"), SOA("b.net", 300, 60)}},
		{"to nothing at all", ANSWER, BARE(NODATA), {CNAME(Q, 300, "b.net")}},
		{"with the SOA of where it began", ANSWER, UNPROVEN,
			{CNAME(Q, 300, "b.net"), SOA("example.org", 300, 60)}},
		{"with a record of where it began", ANSWER, UNPROVEN,
			{CNAME(Q, 300, "b.net"), SRV(Q, 300, 10, 5, 25, ONION_A)}},
		{"to itself", ANSWER, BAD,
			{CNAME(Q, 300, Q), SOA("example.org", 300, 60)}},
		{"a loop of two", ANSWER, BAD,
			{CNAME(Q, 300, "b"), CNAME("b", 300, Q),
				SOA("example.org", 300, 60), SOA("b", 300, 60)}},
		{"malformed", ANSWER, BAD,
			{RAW('a', Q, ns_t_cname, "\1b\0\0"), SOA("b", 300, 60)}},
		{"of another class", ANSWER, UNPROVEN,
			{{'a', Q, ns_t_cname, ns_c_chaos, 300, {0}, "b", 0},
				SOA("b", 300, 60)}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

/* RFC 6672: names below a DNAME are elsewhere, and the CNAME made from it says where. */
static void
test_dname(void **state)
{
	static const struct wire_row rows[] = {
		{"with its CNAME", ANSWER, RECORDS(100, 1, 0),
			{DNAME("example.org", 100, "example.net"),
				CNAME(Q, 100, "_onion-mx._tcp.example.net"),
				SRV("_onion-mx._tcp.example.net", 300, 1, 1, 25,
					ONION_A)}},
		{"with its CNAME, to no name", NO_NAME, NONE(60, 0),
			{DNAME("example.org", 100, "example.net"),
				CNAME(Q, 100, "_onion-mx._tcp.example.net"),
				SOA("example.net", 300, 60)}},
		{"records all the same", ANSWER, RECORDS(300, 1, 0),
			{DNAME("example.org", 100, "example.net"),
				SRV(Q, 300, 1, 1, 25, ONION_A)}},
		{"alone", ANSWER, UNPROVEN, {DNAME("example.org", 100, "example.net")}},
		{"alone, no data", ANSWER, UNPROVEN,
			{DNAME("example.org", 100, "example.net"),
				SOA("example.org", 300, 60)}},
		{"alone, no name", NO_NAME, UNPROVEN,
			{DNAME("example.org", 100, "example.net"), SOA("org", 300, 60)}},
		{"of the root", NO_NAME, UNPROVEN,
			{DNAME("", 100, "example.net"), SOA("", 300, 60)}},
		{"in another case", NO_NAME, UNPROVEN,
			{DNAME("Example.ORG", 100, "example.net"),
				SOA("example.org", 300, 60)}},
		{"above the end of the CNAMEs", NO_NAME, UNPROVEN,
			{CNAME(Q, 100, "a.b.net"), DNAME("b.net", 100, "example.net"),
				SOA("net", 300, 60)}},
		{"of the name itself", ANSWER, NONE(60, 0),
			{DNAME(Q, 100, "example.net"), SOA("example.org", 300, 60)}},
		{"of a name that ends alike", ANSWER, NONE(60, 0),
			{DNAME("ample.org", 100, "example.net"),
				SOA("example.org", 300, 60)}},
		{"of another class", ANSWER, NONE(60, 0),
			{{'a', "example.org", ns_t_dname, ns_c_chaos, 9, {0}, "a", 0},
				SOA("example.org", 300, 60)}},
		{"not in the answer", ANSWER, NONE(60, 0),
			{{'n', "example.org", ns_t_dname, ns_c_in, 9, {0}, "a", 0},
				SOA("example.org", 300, 60)}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

/* The name "a.net" of one label isn't in the zone net, whatever its text looks like. */
static void
test_cname_to_a_dotted_label(void **state)
{
	const struct rr rr[] = {
		RAW('a', Q, ns_t_cname, "\005a.net\0"), SOA("net", 300, 60)};
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	wire_begin(&w, NO_NAME, 1);
	wire_question(&w, Q, ns_t_srv, ns_c_in);
	wire_records(&w, rr, COUNT(rr));
	wire_parse("dotted label", &w, DNS_TYPE_SRV, &a);
	assert_int_equal(a.status, DNS_FAILED);
}

/* Eight steps are followed; a ninth makes the answer bad. */
static void
test_cname_chain(void **state)
{
	static struct dns_answer a;
	static struct wire w;
	char name[10][3] = {"n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"};

	(void)state;
	for (size_t steps = 1; steps <= 9; steps++) {
		struct rr rr[11] = {CNAME(Q, 300, "n1")};

		for (size_t i = 1; i < steps; i++)
			rr[i] = (struct rr)CNAME(name[i], 300, name[i + 1]);
		rr[steps] = (struct rr)SRV(name[steps], 300, 1, 1, 25, ONION_A);
		wire_begin(&w, ANSWER, 1);
		wire_question(&w, Q, ns_t_srv, ns_c_in);
		wire_records(&w, rr, COUNT(rr));
		wire_parse("chain", &w, DNS_TYPE_SRV, &a);
		assert_int_equal(a.status, steps <= 8 ? DNS_RECORDS : DNS_FAILED);
		assert_int_equal(a.reason, steps <= 8 ? REASON_NONE : REASON_DNS_BAD);
	}
}

static void
test_malformed_records(void **state)
{
	static const struct wire_row rows[] = {
		{"the shortest rdata", ANSWER, NONE(300, 1),
			{RAW('a', Q, ns_t_srv, "\0\0\0\0\0\0\0")}},
		{"only numbers", ANSWER, BAD, {RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031")}},
		{"too few numbers", ANSWER, BAD, {RAW('a', Q, ns_t_srv, "\0\1\0\1\0")}},
		{"bytes behind the target", ANSWER, BAD,
			{RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\0x")}},
		{"target beyond the rdata", ANSWER, BAD,
			{RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\001"),
				SOA("example.org", 9, 9)}},
		{"pointer beyond the message", ANSWER, BAD,
			{RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\xff\xff")}},
		{"pointer to itself", ANSWER, BAD,
			{RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\xc0\x58")}},
		{"unknown kind of label", ANSWER, BAD,
			{RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\x80\0")}},
		{"a good one before a bad one", ANSWER, BAD,
			{SRV(Q, 300, 1, 1, 25, ONION_A),
				RAW('a', Q, ns_t_srv, "\0\1\0\1\0\031\0x")}},
		{"records and no name", NO_NAME, BAD,
			{SRV(Q, 300, 1, 1, 25, ONION_A), SOA("example.org", 300, 60)}},
		{"unusable records and no name", NO_NAME, BAD,
			{SRV(Q, 300, 1, 1, 25, V2), SOA("example.org", 300, 60)}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

static void
test_which_bare_answers_count(void **state)
{
	static const struct {
		enum dns_bare bare;
		enum bare_negative setting;
		bool unknown, known; /* if the resolver doesn't know the type, or does */
	} rows[] = {
		{DNS_BARE_NO, BARE_NEGATIVE_KNOWN, true, true},
		{DNS_BARE_NO, BARE_NEGATIVE_ANY, true, true},
		{DNS_BARE_NO, BARE_NEGATIVE_NONE, true, true},
		{DNS_BARE_NXDOMAIN, BARE_NEGATIVE_KNOWN, true, true},
		{DNS_BARE_NXDOMAIN, BARE_NEGATIVE_ANY, true, true},
		{DNS_BARE_NXDOMAIN, BARE_NEGATIVE_NONE, false, false},
		{DNS_BARE_NODATA, BARE_NEGATIVE_KNOWN, false, true},
		{DNS_BARE_NODATA, BARE_NEGATIVE_ANY, true, true},
		{DNS_BARE_NODATA, BARE_NEGATIVE_NONE, false, false},
	};
	static struct dns_answer a;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		a = (struct dns_answer){.status = DNS_NONE, .bare = rows[i].bare};
		assert_int_equal(dnsmsg_answer_counts(&a, rows[i].setting, false),
			rows[i].unknown);
		assert_int_equal(
			dnsmsg_answer_counts(&a, rows[i].setting, true), rows[i].known);
	}
	dnsmsg_answer_fail(&a, REASON_DNS_BAD);
	assert_true(dnsmsg_answer_counts(&a, BARE_NEGATIVE_NONE, false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_srv_records),
		cmocka_unit_test(test_srv_unusable),
		cmocka_unit_test(test_absence),
		cmocka_unit_test(test_bare_absence),
		cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_cname),
		cmocka_unit_test(test_dname),
		cmocka_unit_test(test_cname_to_a_dotted_label),
		cmocka_unit_test(test_cname_chain),
		cmocka_unit_test(test_malformed_records),
		cmocka_unit_test(test_which_bare_answers_count),
	};

	return cmocka_run_group_tests_name("dnsmsg", tests, NULL, NULL);
}
