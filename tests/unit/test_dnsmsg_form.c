#include "wire.h"

/* The question that we send. */
static void
test_query(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		bool ad;
		const char *wire;
		size_t len;
	} rows[] = {
		{Q, DNS_TYPE_SRV, false,
			BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\0\011_onion-mx\004_tcp"
			      "\007example\003org\0\0\041\0\1")},
		{ONION_A, DNS_TYPE_A, false,
			BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\0\070"
			      "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd"
			      "\005onion\0\0\1\0\1")},
		{"", DNS_TYPE_A, false, BYTES("\x12\x34\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1")},
		{"a", DNS_TYPE_MX, true,
			BYTES("\x12\x34\1\x20\0\1\0\0\0\0\0\0\1a\0\0\017\0\1")},
		{"a", DNS_TYPE_TXT, true,
			BYTES("\x12\x34\1\x20\0\1\0\0\0\0\0\0\1a\0\0\020\0\1")},
		{"a", DNS_TYPE_TLSA, true,
			BYTES("\x12\x34\1\x20\0\1\0\0\0\0\0\0\1a\0\0\064\0\1")},
	};
	uint8_t out[DNS_QUERY_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n =
			dnsmsg_query(out, 0x1234, rows[i].name, rows[i].type, rows[i].ad);

		row_assert(rows[i].name, n == rows[i].len);
		assert_memory_equal(out, rows[i].wire, n);
	}
}

static void
test_query_lengths(void **state)
{
	uint8_t *out = malloc(DNS_QUERY_MAX);

	(void)state;
	assert_non_null(out);
	assert_int_equal(
		dnsmsg_query(out, 0xffff, D253, DNS_TYPE_SRV, false), DNS_QUERY_MAX);
	assert_int_equal(out[0], 0xff);
	assert_int_equal(out[1], 0xff);
	assert_int_equal(dnsmsg_query(out, 1, D253 "g", DNS_TYPE_SRV, false), 0);
	assert_int_equal(
		dnsmsg_query(out, 1, "_onion-mx._tcp." D253, DNS_TYPE_SRV, false), 0);
	free(out);
}

/* A query comes back as the question of an answer. */
static void
test_query_answered(void **state)
{
	static const char *const names[] = {Q, "a", ONION_A, D253};
	static struct dns_answer a;
	static struct wire w;
	const struct rr rr[] = {SOA("", 300, 60), SRV("@12", 300, 1, 1, 25, ONION_A)};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		w.len = dnsmsg_query(w.at, 7, names[i], DNS_TYPE_SRV, false);
		dnsmsg_parse(w.at, w.len, &(struct dns_question){names[i], DNS_TYPE_SRV},
			&a, NULL);
		row_assert(names[i], a.status == DNS_FAILED);
		w.at[2] = 0x81;
		wire_section(&w, 'a', rr, COUNT(rr));
		dnsmsg_parse(w.at, w.len, &(struct dns_question){names[i], DNS_TYPE_SRV},
			&a, NULL);
		row_assert(names[i], a.status == DNS_RECORDS && a.srv.n == 1);
	}
}

/* With each of these headers, a good answer and a good absence prove nothing. */
static void
test_headers(void **state)
{
	static const struct {
		unsigned flags;
		enum reason reason;
	} rows[] = {
		{0x0180, REASON_DNS_BAD}, /* a query, not an answer */
		{0x8380, REASON_DNS_BAD}, /* truncated */
		{0x8980, REASON_DNS_BAD}, /* other opcodes */
		{0x9180, REASON_DNS_BAD},
		{0xa180, REASON_DNS_BAD},
		{0xa980, REASON_DNS_BAD},
		{0x8181, REASON_DNS_FAILED}, /* FORMERR, SERVFAIL */
		{0x8182, REASON_DNS_FAILED},
		{0x8184, REASON_DNS_FAILED}, /* NOTIMP, REFUSED, YXDOMAIN and so on */
		{0x8185, REASON_DNS_FAILED},
		{0x8186, REASON_DNS_FAILED},
		{0x8187, REASON_DNS_FAILED},
		{0x8188, REASON_DNS_FAILED},
		{0x8189, REASON_DNS_FAILED},
		{0x818a, REASON_DNS_FAILED},
		{0x818f, REASON_DNS_FAILED},
	};
	static const struct rr rr[] = {
		SRV(Q, 300, 1, 1, 25, ONION_A), SOA("example.org", 300, 60)};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t k = 0; k < COUNT(rr); k++) {
			const struct wire_row row = {"header", rows[i].flags,
				FAILURE(rows[i].reason), {rr[k]}};

			wire_check(&row, 1, DNS_TYPE_SRV);
		}
}

static void
test_truncated(void **state)
{
	static const struct {
		const char *what, *msg;
		size_t len;
		bool truncated;
	} rows[] = {
		{"an answer", BYTES("\x12\x34\x83\x80\0\1\0\0\0\0\0\0"), true},
		{"a failure", BYTES("\x12\x34\x82\x02\0\0\0\0\0\0\0\0"), true},
		{"more behind it", BYTES("\x12\x34\x83\x80\0\1\0\0\0\0\0\0xy"), true},
		{"whole", BYTES("\x12\x34\x81\x80\0\1\0\0\0\0\0\0"), false},
		{"a question", BYTES("\x12\x34\x03\x80\0\1\0\0\0\0\0\0"), false},
		{"all but QR and TC", BYTES("\xff\xff\x7d\xff\0\1\0\0\0\0\0\0"), false},
		{"less than a header", BYTES("\x12\x34\x83\x80\0\1\0\0\0\0\0"), false},
		{"nothing", BYTES(""), false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t *copy = malloc(rows[i].len + 1);

		assert_non_null(copy);
		memcpy(copy + 1, rows[i].msg, rows[i].len);
		row_assert(rows[i].what,
			dnsmsg_is_truncated(copy + 1, rows[i].len) == rows[i].truncated);
		free(copy);
	}
}

/* EDNS, which is never asked for: eight more bits of the response code. */
static void
test_extended_rcodes(void **state)
{
	static const struct wire_row rows[] = {
		{"none", ANSWER, RECORDS(300, 1, 0),
			{SRV(Q, 300, 1, 1, 25, ONION_A), OPT}},
		{"BADVERS", ANSWER, FAILED,
			{SRV(Q, 300, 1, 1, 25, ONION_A), OPT_IN('x', 1)}},
		{"BADCOOKIE", ANSWER | 7, FAILED,
			{SRV(Q, 300, 1, 1, 25, ONION_A), OPT_IN('x', 1)}},
		{"BADVERS in place of an absence", ANSWER, FAILED,
			{SOA("example.org", 300, 60), OPT_IN('x', 1)}},
		{"19, which looks like no name", NO_NAME, FAILED,
			{SOA("example.org", 300, 60), OPT_IN('x', 1)}},
		{"the greatest", ANSWER | 15, FAILED, {OPT_IN('x', 255)}},
		{"behind another record", NO_NAME, FAILED,
			{SOA("example.org", 300, 60),
				{'x', "ns.example.org", ns_t_a, ns_c_in, 9, {1}, NULL, 0},
				OPT_IN('x', 1)}},
		{"two, alike", ANSWER, BAD, {SRV(Q, 300, 1, 1, 25, ONION_A), OPT, OPT}},
		{"two, the second one not zero", NO_NAME, BAD,
			{SOA("example.org", 300, 60), OPT, OPT_IN('x', 1)}},
		{"in the answer", ANSWER, BAD,
			{OPT_IN('a', 0), SRV(Q, 300, 1, 1, 25, ONION_A)}},
		{"in the authority section", NO_NAME, BAD,
			{SOA("example.org", 300, 60), OPT_IN('n', 0)}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_SRV);
}

static void
test_questions(void **state)
{
	static const struct {
		const char *what, *name;
		uint16_t type, class;
		unsigned n; /* how many of it */
		enum dns_status status;
	} rows[] = {
		{"ours", Q, ns_t_srv, ns_c_in, 1, DNS_RECORDS},
		{"ours in another case", "_OnIoN-Mx._TcP.eXample.oRg", ns_t_srv, ns_c_in,
			1, DNS_RECORDS},
		{"none", Q, ns_t_srv, ns_c_in, 0, DNS_FAILED},
		{"two", Q, ns_t_srv, ns_c_in, 2, DNS_FAILED},
		{"another name", "_onion-mx._tcp.example.net", ns_t_srv, ns_c_in, 1,
			DNS_FAILED},
		{"a name above", "example.org", ns_t_srv, ns_c_in, 1, DNS_FAILED},
		{"a name below", "a." Q, ns_t_srv, ns_c_in, 1, DNS_FAILED},
		{"the root", "", ns_t_srv, ns_c_in, 1, DNS_FAILED},
		{"another type", Q, ns_t_a, ns_c_in, 1, DNS_FAILED},
		{"any type", Q, ns_t_any, ns_c_in, 1, DNS_FAILED},
		{"another class", Q, ns_t_srv, ns_c_chaos, 1, DNS_FAILED},
	};
	static const struct rr rr[] = {
		SRV(Q, 300, 1, 1, 25, ONION_A), SOA("example.org", 300, 60)};
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		wire_begin(&w, ANSWER, rows[i].n);
		for (unsigned k = 0; k < rows[i].n; k++)
			wire_question(&w, rows[i].name, rows[i].type, rows[i].class);
		wire_records(&w, rr, COUNT(rr));
		wire_parse(rows[i].what, &w, DNS_TYPE_SRV, &a);
		row_assert(rows[i].what, a.status == rows[i].status);
	}
}

/* Cut anywhere, or with a byte too many, a message proves nothing. */
static void
test_every_cut(void **state)
{
	static const struct rr rr[][4] = {
		{SRV(Q, 300, 1, 1, 25, ONION_A), SRV("@12", 300, 1, 1, 26, ONION_A), OPT},
		{SRV(Q, 300, 1, 1, 25, "")},
		{SOA("example.org", 300, 60), OPT},
		{CNAME(Q, 300, "b.net"), SOA("b.net", 300, 60)},
	};
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	for (size_t i = 0; i < COUNT(rr); i++) {
		size_t whole;

		wire_begin(&w, ANSWER, 1);
		wire_question(&w, Q, ns_t_srv, ns_c_in);
		wire_records(&w, rr[i], COUNT(rr[i]));
		wire_parse("whole", &w, DNS_TYPE_SRV, &a);
		assert_int_not_equal(a.status, DNS_FAILED);
		whole = w.len;
		for (w.len = 0; w.len < whole; w.len++) {
			wire_parse("cut", &w, DNS_TYPE_SRV, &a);
			assert_int_equal(a.status, DNS_FAILED);
			assert_int_equal(a.reason, REASON_DNS_BAD);
		}
		w.at[w.len++] = 0;
		wire_parse("a byte too many", &w, DNS_TYPE_SRV, &a);
		assert_int_equal(a.status, DNS_FAILED);
	}
}

/* Longer than any DNS message; c-ares wouldn't hand one over. */
static void
test_too_long(void **state)
{
	static uint8_t msg[70000];
	static struct dns_answer a;

	(void)state;
	dnsmsg_parse(msg, sizeof(msg), &(struct dns_question){Q, DNS_TYPE_SRV}, &a, NULL);
	assert_int_equal(a.status, DNS_FAILED);
	dnsmsg_parse(msg, 0, &(struct dns_question){Q, DNS_TYPE_SRV}, &a, NULL);
	assert_int_equal(a.status, DNS_FAILED);
}

static void
test_srv_fields(void **state)
{
	static const struct rr rr[] = {SRV(Q, 300, 0x1234, 0xfffe, 0xabcd,
					       "MAIL.Aebagbafaydqqcikbmga2dqpcaireeyuculb"
					       "ogazdinryhi6d4qcmeqD.Onion"),
		SRV(Q, 300, 5, 0, 25, ONION_B)};
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	wire_begin(&w, ANSWER, 1);
	wire_question(&w, Q, ns_t_srv, ns_c_in);
	wire_records(&w, rr, COUNT(rr));
	wire_parse("fields", &w, DNS_TYPE_SRV, &a);
	assert_int_equal(a.status, DNS_RECORDS);
	assert_int_equal(a.srv.n, 2);
	assert_int_equal(a.srv.target[0].priority, 0x1234);
	assert_int_equal(a.srv.target[0].weight, 0xfffe);
	assert_int_equal(a.srv.target[0].port, 0xabcd);
	assert_int_equal(a.srv.target[0].hostlen, strlen("mail." ONION_A));
	assert_memory_equal(
		a.srv.target[0].host, "mail." ONION_A, a.srv.target[0].hostlen);
	assert_int_equal(a.srv.target[1].priority, 5);
	assert_int_equal(a.srv.target[1].hostlen, ONION_LEN);
	assert_memory_equal(a.srv.target[1].host, ONION_B, ONION_LEN);
}

/* Of 100 records, the 16 most preferred are kept with their own names. */
static void
test_srv_limit(void **state)
{
	static char host[100][ONION_LEN + 1];
	static struct rr rr[100];
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		unsigned k = i * 37 % 100;

		unit_onion(host[k], k);
		rr[i] = (struct rr)SRV("@12", 300, k * 600, k, k + 1, host[k]);
	}
	wire_begin(&w, ANSWER, 1);
	wire_question(&w, Q, ns_t_srv, ns_c_in);
	wire_records(&w, rr, COUNT(rr));
	wire_parse("limit", &w, DNS_TYPE_SRV, &a);
	assert_int_equal(a.status, DNS_RECORDS);
	assert_int_equal(a.srv.n, TARGETS_MAX);
	assert_int_equal(a.over, 100 - TARGETS_MAX);
	assert_int_equal(a.dropped, 0);
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		unsigned k = a.srv.target[i].weight;

		assert_in_range(k, 0, TARGETS_MAX - 1);
		assert_int_equal(a.srv.target[i].priority, k * 600);
		assert_int_equal(a.srv.target[i].port, k + 1);
		assert_memory_equal(a.srv.target[i].host, host[k], ONION_LEN);
	}
}

static void
test_a_answers(void **state)
{
	static const struct wire_row rows[] = {
		{"tor's", ANSWER, RECORDS(60, 0, 0), {A(Q, 60, 0x0ac00005)}},
		{"behind a CNAME", ANSWER, RECORDS(30, 0, 0),
			{CNAME(Q, 30, "b"), A("b", 60, 0x0ac00005)}},
		{"no data", ANSWER, NONE(60, 0), {SOA("org", 300, 60)}},
		{"nothing", ANSWER, BARE(NODATA), {{0}}},
		{"no name", NO_NAME, BARE(NXDOMAIN), {{0}}},
		{"failed", 0x8182, FAILED, {A(Q, 60, 0x0ac00005)}},
		{"AAAA only", ANSWER, UNPROVEN,
			{RAW('a', Q, ns_t_aaaa, "1234567890123456")}},
		{"public", ANSWER, RECORDS(60, 0, 0), {A(Q, 60, 0x08080808)}},
		{"several", ANSWER, RECORDS(50, 0, 0),
			{A(Q, 60, 0x0ac00005), A(Q, 50, 0x08080808)}},
		{"three bytes", ANSWER, BAD, {RAW('a', Q, ns_t_a, "\012\0\1")}},
		{"five bytes", ANSWER, BAD, {RAW('a', Q, ns_t_a, "\012\0\1\2\3")}},
	};

	(void)state;
	wire_check(rows, COUNT(rows), DNS_TYPE_A);
}

static void
test_a_address(void **state)
{
	static const struct rr rr[] = {A(Q, 60, 0x0ac00005), A(Q, 60, 0xfffefdfc)};
	static struct dns_answer a;
	static struct wire w;

	(void)state;
	for (size_t n = 1; n <= COUNT(rr); n++) {
		wire_begin(&w, ANSWER, 1);
		wire_question(&w, Q, ns_t_a, ns_c_in);
		wire_records(&w, rr, n);
		wire_parse("address", &w, DNS_TYPE_A, &a);
		assert_int_equal(a.ipv4, rr[n - 1].number[0]);
	}
}

static void
test_answer_fail(void **state)
{
	static struct dns_answer a;

	(void)state;
	memset(&a, 0xee, sizeof(a));
	dnsmsg_answer_fail(&a, REASON_DNS_TIMEOUT);
	assert_int_equal(a.status, DNS_FAILED);
	assert_int_equal(a.reason, REASON_DNS_TIMEOUT);
	assert_int_equal(a.bare, DNS_BARE_NO);
	assert_int_equal(a.ttl, 0);
	assert_int_equal(a.srv.n, 0);
	assert_int_equal(a.dropped, 0);
	assert_int_equal(a.over, 0);
	assert_int_equal(a.ipv4, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_lengths),
		cmocka_unit_test(test_query_answered),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_extended_rcodes),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_srv_fields),
		cmocka_unit_test(test_srv_limit),
		cmocka_unit_test(test_a_answers),
		cmocka_unit_test(test_a_address),
		cmocka_unit_test(test_answer_fail),
	};

	return cmocka_run_group_tests_name("dnsmsg, form", tests, NULL, NULL);
}
