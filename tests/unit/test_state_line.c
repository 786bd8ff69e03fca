#include "unit.h"

#include "core/siphash.h"
#include "core/state_line.h"

static struct state_line
example(enum state_line_kind kind, enum dns_type type)
{
	struct state_line s = {.kind = kind,
		.type = type,
		.domain = unit_domain("example.org"),
		.when = 1795612345,
		.ttl = 3600,
		.fact = {.status = DNS_RECORDS}};

	if (type == DNS_TYPE_SRV || type == DNS_TYPE_MX) {
		s.fact.set.n = 1;
		s.fact.set.target[0] = (struct target){.priority = 10,
			.weight = 5,
			.port = 25,
			.host = type == DNS_TYPE_SRV ? ONION_A : "mx.example.net",
			.hostlen = type == DNS_TYPE_SRV ? ONION_LEN : 14};
	}
	return s;
}

/* Puts the right checksum behind a line. */
static size_t
seal(const char *text, char line[STATE_LINE_MAX])
{
	static const struct siphash_key key = {0x6f6e696f6e6d7864, 1};
	unsigned long sum = siphash13(&key, text, strlen(text));

	return (size_t)sprintf(line, "%s %016lx", text, sum);
}

static bool
read_sealed(const char *text, struct state_line *s)
{
	char line[STATE_LINE_MAX];

	return state_line_read(line, seal(text, line), s);
}

static void
test_line(void **state)
{
	struct state_line s = example(STATE_LINE_CACHE, DNS_TYPE_SRV);
	char line[STATE_LINE_MAX], want[STATE_LINE_MAX];
	size_t n;

	(void)state;
	s.fact.ad = true;
	s.fact.dropped = 3;
	s.prefix = "_onion-mx._tcp.x";
	s.prefixlen = strlen("_onion-mx._tcp.");
	n = state_line_write(line, &s);
	seal("cache SRV _onion-mx._tcp.example.org 1795612345 3600 + a 3 10 5 "
	     "25 " ONION_A,
		want);
	strcat(want, "\n");
	assert_int_equal(n, strlen(want));
	assert_memory_equal(line, want, n);
}

static void
check_round_trip(const struct state_line *s)
{
	char line[STATE_LINE_MAX];
	char *exact;
	size_t n = state_line_write(line, s);
	struct state_line got;

	assert_in_range(n, 1, STATE_LINE_MAX);
	assert_int_equal(line[n - 1], '\n');
	exact = malloc(n - 1);
	memcpy(exact, line, n - 1);
	assert_true(state_line_read(exact, n - 1, &got));
	assert_int_equal(got.kind, s->kind);
	assert_int_equal(got.type, s->type);
	assert_int_equal(got.prefixlen, s->prefixlen);
	if (s->prefixlen > 0)
		assert_memory_equal(got.prefix, s->prefix, s->prefixlen);
	assert_int_equal(got.ad_unasked, s->ad_unasked);
	assert_string_equal(got.domain.text, s->domain.text);
	assert_int_equal(got.domain.len, s->domain.len);
	assert_int_equal(got.when, s->when);
	assert_int_equal(got.ttl, s->ttl);
	assert_int_equal(got.fact.status, s->fact.status);
	assert_int_equal(got.fact.reason, REASON_NONE);
	assert_int_equal(got.fact.ad, s->fact.ad);
	assert_int_equal(got.fact.dropped, s->fact.dropped);
	assert_int_equal(got.fact.set.n, s->fact.set.n);
	for (uint8_t i = 0; i < got.fact.set.n; i++) {
		const struct target *a = &got.fact.set.target[i],
				    *b = &s->fact.set.target[i];

		assert_int_equal(a->priority, b->priority);
		assert_int_equal(a->weight, b->weight);
		assert_int_equal(a->port, b->port);
		assert_int_equal(a->hostlen, b->hostlen);
		assert_memory_equal(a->host, b->host, a->hostlen);
	}
	/* no byte of it can change without that showing */
	for (size_t i = 0; i < n - 1; i++) {
		exact[i] ^= 1;
		assert_false(state_line_read(exact, n - 1, &got));
		exact[i] ^= 1;
		assert_false(state_line_read(exact, i, &got));
	}
	free(exact);
}

static void
test_round_trip(void **state)
{
	static struct answer longest;
	struct state_line s;

	(void)state;
	for (enum dns_type t = DNS_TYPE_A; t < DNS_TYPES; t++) {
		s = example(STATE_LINE_CACHE, t);
		check_round_trip(&s);
		s.prefix = "_a._b-c.";
		s.prefixlen = strlen(s.prefix);
		s.ad_unasked = true;
		check_round_trip(&s);
		s.fact.status = DNS_NONE;
		s.fact.set.n = 0;
		s.fact.dropped = 65535;
		check_round_trip(&s);
	}
	s = example(STATE_LINE_PIN, DNS_TYPE_SRV);
	check_round_trip(&s);
	s = example(STATE_LINE_HELD, DNS_TYPE_SRV);
	s.fact.ad = true;
	check_round_trip(&s);
	unit_longest_route(&longest);
	s.domain = unit_domain(D253);
	s.when = INT64_MAX;
	s.ttl = UINT32_MAX;
	s.fact.set.n = TARGETS_MAX;
	for (unsigned i = 0; i < TARGETS_MAX; i++)
		s.fact.set.target[i] = (struct target){.priority = 65535,
			.weight = 65535,
			.port = 65535,
			.host = longest.route.target[i].host,
			.hostlen = DOMAIN_MAX};
	check_round_trip(&s);
}

#define HEAD "cache SRV example.org 1795612345 3600 + - 0"

/* Whole lines by their checksum, and yet no facts. */
static void
test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"cache",
		"cache SRV",
		"cache SRV example.org",
		"cache SRV example.org 1795612345",
		"cache SRV example.org 1795612345 3600",
		"cache SRV example.org 1795612345 3600 +",
		"cache SRV example.org 1795612345 3600 + -",
		HEAD,
		HEAD " 10",
		HEAD " 10 5",
		HEAD " 10 5 25",
		HEAD " 10 5 0 " ONION_A,
		HEAD " 10 5 65536 " ONION_A,
		HEAD " -1 5 25 " ONION_A,
		HEAD " 10 x 25 " ONION_A,
		HEAD " 10 5 25 " MISTYPED,
		HEAD " 10 5 25 mx.example.org",
		HEAD "  10 5 25 " ONION_A,
		HEAD " 10 5 25 " ONION_A " ",
		HEAD " 10 5 25 " ONION_A " 10",
		"store SRV example.org 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache A example.org 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache srv example.org 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV Example.org 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV _.example.org. 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV _onion-mx._tcp 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV _" L62 ".example.org 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV a*b.org 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV example.org -5 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV example.org 99999999999999999999 3600 + - 0 10 5 25 " ONION_A,
		"cache SRV example.org 1795612345 4294967296 + - 0 10 5 25 " ONION_A,
		"cache SRV example.org 1795612345 3600 - - 0 10 5 25 " ONION_A,
		"cache SRV example.org 1795612345 3600 ? - 0 10 5 25 " ONION_A,
		"cache SRV example.org 1795612345 3600 + b 0 10 5 25 " ONION_A,
		"cache SRV example.org 1795612345 3600 + - 65536 10 5 25 " ONION_A,
		"cache TXT example.org 1795612345 3600 + - 0 10 5 25 " ONION_A,
		"cache MX example.org 1795612345 3600 + - 0",
		"cache MX example.org 1795612345 3600 + - 0 10 5 25 a*b.example",
		"pin MX example.org 1795612345 3600 + - 0 10 5 25 mx.example",
		"pin A example.org 1795612345 3600 + - 0",
		"held TXT example.org 1795612345 3600 + - 0",
	};
	struct state_line s;

	(void)state;
	assert_true(read_sealed(HEAD " 10 5 25 " ONION_A, &s));
	for (size_t i = 0; i < COUNT(rows); i++)
		row_assert(rows[i], !read_sealed(rows[i], &s));
}

static void
test_too_many(void **state)
{
	char text[STATE_LINE_MAX] = HEAD;
	struct state_line s;

	(void)state;
	for (int i = 0; i < TARGETS_MAX; i++)
		sprintf(text + strlen(text), " 10 5 %d " ONION_A, i + 1);
	assert_true(read_sealed(text, &s));
	assert_int_equal(s.fact.set.n, TARGETS_MAX);
	strcat(text, " 10 5 25 " ONION_B);
	assert_false(read_sealed(text, &s));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests_name("state_line", tests, NULL, NULL);
}
