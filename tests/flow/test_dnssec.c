/* DNSSEC, the MX of hosted domains, and the policies of map entries. */
#include "fakes.h"

static void
open_world(struct world *w, struct engine_config *config)
{
	config->max_queries = 100;
	world_open(w, config);
}

/* DNSSEC */

static void
require_wants_validated_routes(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.dnssec = DNSSEC_REQUIRE;
	open_world(&w, &config);
	look_up(&w, w.onion, "a.example", &r);
	answer_srv(&w, "a.example", srv_route(300, A_ONION, 25));
	assert_outcome(&r, OUTCOME_TEMP, REASON_INSECURE);
	look_up(&w, w.onion, "b.example", &r);
	answer_srv(&w, "b.example", validated(srv_route(300, B_ONION, 25)));
	assert_route(&r, B_ONION, 25);
	look_up(&w, w.onion, "b.example", &r); /* from the cache */
	assert_route(&r, B_ONION, 25);
	/* that there is none needs no more proof than ever */
	look_up(&w, w.onion, "c.example", &r);
	answer_srv(&w, "c.example", srv_none(300));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w.counters.insecure_refused, 1);
	/* the map is the site's own word */
	w.map.key = "d.example";
	w.map.value = C_ONION " dnssec=require";
	r = look(&w, "d.example");
	assert_route(&r, C_ONION, 25);
	world_close(&w);
}

static void
insecure_mail_may_go_by_clearnet(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.dnssec = DNSSEC_REQUIRE;
	config.on_insecure = ON_FAILURE_CLEARNET;
	open_world(&w, &config);
	look_up(&w, w.onion, "a.example", &r);
	answer_srv(&w, "a.example", srv_route(300, A_ONION, 25));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	look_up(&w, w.onion, "b.example", &r);
	answer_srv(&w, "b.example", dns_failed(REASON_DNS_FAILED)); /* bogus */
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
	world_close(&w);
}

/* Policies of map entries */

static void
an_entry_may_require_dnssec(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	open_world(&w, &config);
	w.map.key = ".example.org";
	w.map.value = "srv dnssec=require";
	look_up(&w, w.onion, "a.example.org", &r);
	answer_srv(&w, "a.example.org", srv_route(300, A_ONION, 25));
	assert_outcome(&r, OUTCOME_TEMP, REASON_INSECURE);
	look_up(&w, w.onion, "b.example.org", &r);
	answer_srv(&w, "b.example.org", validated(srv_route(300, A_ONION, 25)));
	assert_route(&r, A_ONION, 25);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(300, A_ONION, 25));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w.counters.map_hits, 0); /* it decided nothing */
	world_close(&w);
}

static void
an_entry_may_choose_clearnet(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	open_world(&w, &config);
	w.map.key = "srv.example";
	w.map.value = "srv on_failure=clearnet";
	w.map.more[0].key = "own.example";
	w.map.more[0].value = A_ONION " on_failure=clearnet";
	w.map.more[1].key = "defers.example";
	w.map.more[1].value = A_ONION;
	look_up(&w, w.onion, "srv.example", &r);
	answer_srv(&w, "srv.example", dns_failed(REASON_DNS_BAD));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	look_up(&w, w.onion, "srv.example", &r); /* at the deadline */
	pass_ms(&w, 500);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	look_up(&w, w.address, "own.example", &r);
	answer_tor(&w, A_ONION, dns_failed(REASON_DNS_DOWN));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	look_up(&w, w.address, "own.example", &r);
	pass_ms(&w, 4000);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	answer_tor(&w, A_ONION, dns_failed(REASON_DNS_DOWN));
	look_up(&w, w.address, "defers.example", &r);
	answer_tor(&w, A_ONION, dns_failed(REASON_DNS_DOWN));
	assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_FAILED);
	assert_int_equal(w.counters.failures_as_none, 4);
	world_close(&w);
}

static void
an_entry_may_choose_to_defer(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result first, r;

	(void)state;
	config.on_failure = ON_FAILURE_CLEARNET;
	config.max_lookups = 1;
	open_world(&w, &config);
	w.map.key = "a.example";
	w.map.value = "srv on_failure=defer";
	look_up(&w, w.onion, "a.example", &first);
	r = look(&w, "a.example"); /* one too many */
	assert_outcome(&r, OUTCOME_TEMP, REASON_BUSY);
	r = look(&w, "b.example");
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	pass_ms(&w, 500);
	assert_outcome(&first, OUTCOME_TEMP, REASON_DEADLINE);
	look_up(&w, w.onion, "b.example", &r);
	pass_ms(&w, 500);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	w.map.broken = true; /* then nothing is known of entries */
	r = look(&w, "a.example");
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	world_close(&w);
}

/* The MX of hosted domains */

static void
open_following(struct world *w)
{
	struct engine_config config = world_config();

	config.follow_mx = true;
	open_world(w, &config);
	w->map.key = "mx:mx1.host.example";
	w->map.value = A_ONION ", " B_ONION ":26";
	w->map.more[0].key = "mx:.cluster.example";
	w->map.more[0].value = B_ONION;
	w->map.more[1].key = "mx:never.example";
	w->map.more[1].value = "-";
	w->map.more[2].key = "mx:signed.example";
	w->map.more[2].value = C_ONION " dnssec=require on_failure=clearnet";
}

static struct result
look_hosted(struct world *w, const char *domain, struct dns_answer mx)
{
	static struct result r;

	look_up(w, w->onion, domain, &r);
	answer_srv(w, domain, srv_none(300));
	assert_int_equal(r.calls, 0);
	answer_dns(w, DNS_TYPE_MX, domain, mx);
	return r;
}

static void
a_hosted_domain_goes_by_its_hosts_onion(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_following(&w);
	r = look_hosted(&w, "customer.example", dns_mx("mx1.host.example", 10));
	assert_int_equal(r.outcome, OUTCOME_ROUTE);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.host[0], A_ONION);
	assert_int_equal(r.port[1], 26);
	r = look_hosted(&w, "other.example", dns_mx("b.cluster.example", 10));
	assert_route(&r, B_ONION, 25);
	r = look_hosted(&w, "third.example", dns_mx("elsewhere.example", 10));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	r = look_hosted(&w, "fourth.example", dns_mx("never.example", 10));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w.counters.mx_routes, 2);
	r = look(&w, "customer.example"); /* from the cache */
	assert_int_equal(r.n, 2);
	/* a route of its own comes first */
	look_up(&w, w.onion, "own.example", &r);
	answer_srv(&w, "own.example", srv_route(300, C_ONION, 25));
	assert_route(&r, C_ONION, 25);
	assert_false(asked(&w, DNS_TYPE_MX, "own.example"));
	world_close(&w);
}

static void
only_the_most_preferred_hosts_count(void **state)
{
	struct dns_answer a = dns_mx("elsewhere.example", 10);
	struct world w;
	struct result r;

	(void)state;
	open_following(&w);
	add_record(&a, "mx1.host.example", 20, 25);
	r = look_hosted(&w, "a.example", a);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	add_record(&a, "x.cluster.example", 10, 25);
	add_record(&a, "mx1.host.example", 10, 25);
	r = look_hosted(&w, "b.example", a);
	assert_int_equal(r.n, 2); /* of two, the first by name */
	world_close(&w);
}

static void
a_domain_is_its_own_mx(void **state)
{
	struct dns_answer null_mx = srv_none(300);
	struct world w;
	struct result r;

	(void)state;
	open_following(&w);
	r = look_hosted(&w, "a.cluster.example", srv_none(300));
	assert_route(&r, B_ONION, 25);
	null_mx.dropped = 1;
	r = look_hosted(&w, "b.cluster.example", null_mx);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	world_close(&w);
}

static void
an_mx_that_may_be_forged(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_following(&w);
	w.map.more[3].key = "own.example";
	w.map.more[3].value = "srv dnssec=require on_failure=defer";
	r = look_hosted(&w, "a.example", dns_mx("signed.example", 10));
	/* on_failure=clearnet doesn't help: nothing has failed */
	assert_outcome(&r, OUTCOME_TEMP, REASON_INSECURE);
	r = look_hosted(&w, "b.example", validated(dns_mx("signed.example", 10)));
	assert_route(&r, C_ONION, 25);
	/* the domain's own options are in force, too */
	r = look_hosted(&w, "own.example", dns_mx("mx1.host.example", 10));
	assert_outcome(&r, OUTCOME_TEMP, REASON_INSECURE);
	assert_int_equal(w.counters.insecure_refused, 2);
	world_close(&w);
}

static void
an_mx_that_fails_is_temporary(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_following(&w);
	r = look_hosted(&w, "a.example", dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
	w.map.more[3].key = "mx:bad.example";
	w.map.more[3].value = "srv";
	r = look_hosted(&w, "b.example", dns_mx("bad.example", 10));
	assert_outcome(&r, OUTCOME_TEMP, REASON_MAP);
	assert_int_equal(w.counters.map_broken, 1);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(require_wants_validated_routes),
		cmocka_unit_test(insecure_mail_may_go_by_clearnet),
		cmocka_unit_test(an_entry_may_require_dnssec),
		cmocka_unit_test(an_entry_may_choose_clearnet),
		cmocka_unit_test(an_entry_may_choose_to_defer),
		cmocka_unit_test(a_hosted_domain_goes_by_its_hosts_onion),
		cmocka_unit_test(only_the_most_preferred_hosts_count),
		cmocka_unit_test(a_domain_is_its_own_mx),
		cmocka_unit_test(an_mx_that_may_be_forged),
		cmocka_unit_test(an_mx_that_fails_is_temporary),
	};

	return cmocka_run_group_tests_name("flow/trust", tests, NULL, NULL);
}
