/* protect_authenticated: DANE and MTA-STS. */
#include "fakes.h"

#define MTA_STS "_mta-sts.example.org"
#define TLSA(host) "_25._tcp." host

static struct dns_answer
there(void)
{
	return (struct dns_answer){.status = DNS_RECORDS, .ttl = 300};
}

/* The address of an MX host. DANE is looked for only if it is validated. */
static void
answer_address(struct world *w, const char *host, struct dns_answer a)
{
	char tlsa[256] = "_25._tcp.";

	strcat(tlsa, host);
	a.ipv4 = 0xc0000201; /* 192.0.2.1 */
	assert_false(asked(w, DNS_TYPE_TLSA, tlsa));
	answer_dns(w, DNS_TYPE_A, host, a);
}

static void
open_protecting(struct world *w)
{
	struct engine_config config = world_config();

	config.protect_authenticated = true;
	config.max_queries = 100;
	world_open(w, &config);
}

static void
a_domain_without_protection(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	assert_true(asked(&w, DNS_TYPE_TXT, MTA_STS));
	assert_true(asked(&w, DNS_TYPE_MX, "example.org"));
	answer_dns(&w, DNS_TYPE_MX, "example.org", dns_mx("mx.example.net", 10));
	answer_address(&w, "mx.example.net", validated(there()));
	assert_true(asked(&w, DNS_TYPE_TLSA, TLSA("mx.example.net")));
	answer_dns(&w, DNS_TYPE_TLSA, TLSA("mx.example.net"), srv_none(300));
	assert_int_equal(r.calls, 0);
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(300));
	assert_route(&r, A_ONION, 25);
	/* all of it is in the cache */
	r = look(&w, "example.org");
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w.srv.asked, 5);
	assert_int_equal(w.counters.dns_queries, 5);
	world_close(&w);
}

static void
a_domain_with_mta_sts(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, there());
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w.counters.protected_refused, 1);
	world_close(&w);
}

static void
a_domain_with_dane(void **state)
{
	struct dns_answer two = dns_mx("mx1.example.net", 10);
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	add_record(&two, "mx2.example.net", 20, 25);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(300));
	answer_dns(&w, DNS_TYPE_MX, "example.org", two);
	answer_address(&w, "mx1.example.net", validated(there()));
	answer_address(&w, "mx2.example.net", validated(there()));
	answer_dns(&w, DNS_TYPE_TLSA, TLSA("mx1.example.net"), srv_none(300));
	assert_int_equal(r.calls, 0);
	answer_dns(&w, DNS_TYPE_TLSA, TLSA("mx2.example.net"), there());
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	world_close(&w);
}

/* MTA-STS may have gone since. */
static void
an_expired_policy_refuses_nothing(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.protect_authenticated = true;
	config.cache.stale_s = 1000;
	world_open(&w, &config);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(10000, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, there());
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	pass_ms(&w, 301 * 1000);
	look_up(&w, w.onion, "example.org", &r);
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
	world_close(&w);
}

/* However often a lookup is thought over while it waits. */
static void
a_refusal_counts_once(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.dnssec = DNSSEC_REQUIRE;
	config.follow_mx = true;
	config.dns.tries = 1;
	world_open(&w, &config);
	w.map.key = "mx:mx.example.net";
	w.map.value = A_ONION;
	for (unsigned i = 1; i <= 2; i++) {
		look_up(&w, w.onion, "example.org", &r);
		if (i == 1) {
			answer_srv(&w, "example.org", srv_none(1000));
			answer_dns(&w, DNS_TYPE_MX, "example.org",
				dns_mx("mx.example.net", 10));
		}
		assert_outcome(&r, OUTCOME_TEMP, REASON_INSECURE);
		assert_int_equal(w.counters.insecure_refused, i);
	}
	world_close(&w);
}

/* An expired route that isn't secure is looked at once when half of the time is over,
 * and again when DNS has failed. */
static void
a_refusal_of_an_expired_route_counts_once(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.dnssec = DNSSEC_REQUIRE;
	config.cache.stale_s = 1000;
	world_open(&w, &config);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(100, A_ONION, 25));
	assert_int_equal(w.counters.insecure_refused, 1);
	pass_ms(&w, 101 * 1000);
	look_up(&w, w.onion, "example.org", &r);
	pass_ms(&w, 250);
	assert_int_equal(w.counters.insecure_refused, 1);
	pass_ms(&w, 250);
	assert_outcome(&r, OUTCOME_TEMP, REASON_INSECURE);
	assert_int_equal(w.counters.insecure_refused, 2);
	answer_srv(&w, "example.org", srv_route(100, A_ONION, 25));
	assert_int_equal(w.counters.insecure_refused, 2);
	world_close(&w);
}

/* RFC 5321 section 5.1; and RFC 7505, where there is no host at all. */
static void
a_domain_without_mx(void **state)
{
	struct dns_answer null_mx = srv_none(300);
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(300));
	answer_dns(&w, DNS_TYPE_MX, "example.org", srv_none(300));
	answer_address(&w, "example.org", validated(there()));
	answer_dns(&w, DNS_TYPE_TLSA, TLSA("example.org"), there());
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	null_mx.dropped = 1;
	look_up(&w, w.onion, "null.example", &r);
	answer_srv(&w, "null.example", srv_route(300, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, "_mta-sts.null.example", srv_none(300));
	answer_dns(&w, DNS_TYPE_MX, "null.example", null_mx);
	assert_route(&r, A_ONION, 25);
	world_close(&w);
}

static void
a_validated_route_needs_no_more(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", validated(srv_route(300, A_ONION, 25)));
	assert_route(&r, A_ONION, 25);
	look_up(&w, w.onion, "none.example", &r);
	answer_srv(&w, "none.example", srv_none(300));
	assert_int_equal(w.srv.asked, 2);
	world_close(&w);
}

/* RFC 7672 section 2.2.2. Where DNS isn't signed, _25._tcp is often not answered at all.
 */
static void
a_host_that_is_not_validated_has_no_dane(void **state)
{
	struct dns_answer addresses[] = {there(), srv_none(300)};
	struct world w;
	struct result r;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		open_protecting(&w);
		look_up(&w, w.onion, "example.org", &r);
		answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
		answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(300));
		answer_dns(&w, DNS_TYPE_MX, "example.org", dns_mx("mx.example.net", 10));
		answer_address(&w, "mx.example.net", addresses[i]);
		assert_route(&r, A_ONION, 25);
		r = look(&w, "example.org");
		assert_route(&r, A_ONION, 25);
		assert_int_equal(w.srv.asked, 4);
		world_close(&w);
	}
}

static void
a_validated_absence_of_an_address(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(300));
	answer_dns(&w, DNS_TYPE_MX, "example.org", dns_mx("mx.example.net", 10));
	answer_address(&w, "mx.example.net", validated(srv_none(300)));
	answer_dns(&w, DNS_TYPE_TLSA, TLSA("mx.example.net"), there());
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	world_close(&w);
}

/* As many hosts as an MX can have, of which every second one is validated. */
static void
hosts_of_both_kinds(void **state)
{
	struct dns_answer many = {.status = DNS_RECORDS, .ttl = 300};
	struct world w;
	struct result r;
	char host[TARGETS_MAX][32], tlsa[64];

	(void)state;
	open_protecting(&w);
	for (uint16_t i = 0; i < TARGETS_MAX; i++) {
		sprintf(host[i], "mx%u.example.net", i);
		add_record(&many, host[i], i, 25);
	}
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_MX, "example.org", many);
	assert_int_equal(fake_open(&w.srv), 1 + TARGETS_MAX);
	for (uint16_t i = 0; i < TARGETS_MAX; i++)
		answer_address(&w, host[i], i % 2 ? validated(there()) : there());
	assert_int_equal(fake_open(&w.srv), 1 + TARGETS_MAX / 2);
	for (uint16_t i = 1; i < TARGETS_MAX; i += 2) {
		sprintf(tlsa, "_25._tcp.%s", host[i]);
		answer_dns(&w, DNS_TYPE_TLSA, tlsa, srv_none(300));
	}
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(300));
	assert_route(&r, A_ONION, 25);
	world_close(&w);
}

enum failing { MX_FAILS, TXT_FAILS, ADDRESS_FAILS, TLSA_FAILS, ALL_THAT_FAIL };

static void
unknown_protection_is_temporary(void **state)
{
	const struct dns_answer failure = dns_failed(REASON_DNS_BAD);
	struct world w;
	struct result r;

	(void)state;
	for (enum failing f = 0; f < ALL_THAT_FAIL; f++) {
		open_protecting(&w);
		look_up(&w, w.onion, "example.org", &r);
		answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
		answer_dns(&w, DNS_TYPE_MX, "example.org",
			f == MX_FAILS ? failure : dns_mx("mx.example.net", 10));
		if (f > MX_FAILS)
			answer_dns(&w, DNS_TYPE_TXT, MTA_STS,
				f == TXT_FAILS ? failure : srv_none(300));
		if (f > TXT_FAILS)
			answer_address(&w, "mx.example.net",
				f == ADDRESS_FAILS ? failure : validated(there()));
		if (f > ADDRESS_FAILS)
			answer_dns(&w, DNS_TYPE_TLSA, TLSA("mx.example.net"), failure);
		assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_BAD);
		world_close(&w);
	}
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	pass_ms(&w, 500);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
	world_close(&w);
}

static void
an_mx_at_an_onion_is_never_asked_for(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(300));
	answer_dns(&w, DNS_TYPE_MX, "example.org", dns_mx(B_ONION, 10));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w.srv.asked, 3);
	world_close(&w);
}

/* Answers that may not be kept are still good for the lookup that asked. */
static void
answers_without_ttl(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.protect_authenticated = true;
	config.ttl_min = 0;
	config.max_queries = 100;
	world_open(&w, &config);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(0, A_ONION, 2525));
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, srv_none(0));
	answer_dns(&w, DNS_TYPE_MX, "example.org", srv_none(0));
	answer_address(&w, "example.org", validated(srv_none(0)));
	answer_dns(&w, DNS_TYPE_TLSA, TLSA("example.org"), srv_none(0));
	assert_route(&r, A_ONION, 2525);
	assert_int_equal(w.srv.asked, 5);
	world_close(&w);
}

static void
cancelled_amid_its_questions(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_protecting(&w);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	lookup_cancel(r.pending);
	answer_dns(&w, DNS_TYPE_TXT, MTA_STS, there());
	answer_dns(&w, DNS_TYPE_MX, "example.org", srv_none(300));
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_without_protection),
		cmocka_unit_test(a_domain_with_mta_sts),
		cmocka_unit_test(a_domain_with_dane),
		cmocka_unit_test(an_expired_policy_refuses_nothing),
		cmocka_unit_test(a_refusal_counts_once),
		cmocka_unit_test(a_refusal_of_an_expired_route_counts_once),
		cmocka_unit_test(a_domain_without_mx),
		cmocka_unit_test(a_validated_route_needs_no_more),
		cmocka_unit_test(a_host_that_is_not_validated_has_no_dane),
		cmocka_unit_test(a_validated_absence_of_an_address),
		cmocka_unit_test(hosts_of_both_kinds),
		cmocka_unit_test(unknown_protection_is_temporary),
		cmocka_unit_test(an_mx_at_an_onion_is_never_asked_for),
		cmocka_unit_test(answers_without_ttl),
		cmocka_unit_test(cancelled_amid_its_questions),
	};

	return cmocka_run_group_tests_name("flow/protect", tests, NULL, NULL);
}
