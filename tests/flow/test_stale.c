/* DNS that fails, is slow, or isn't there, and what was known before. */
#include "fakes.h"

#include "core/breaker.h"

#define STALE 86400
#define FAILURE 5

static int
setup(void **state)
{
	static struct world w;
	struct engine_config config = world_config();

	config.cache.stale_s = STALE;
	config.cache.failure_s = FAILURE;
	config.max_lookups = 100;
	config.max_queries = 100;
	config.max_waiters = 3;
	world_open(&w, &config);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	world_close(*state);
	return 0;
}

static void
know_route(struct world *w, const char *domain, uint32_t ttl)
{
	struct result r;

	look_up(w, w->onion, domain, &r);
	answer_srv(w, domain, srv_route(ttl, A_ONION, 25));
	assert_route(&r, A_ONION, 25);
}

/* Prefetch */

static void
renewed_in_the_last_tenth(void **state)
{
	struct world *w = *state;
	struct result r;

	know_route(w, "example.org", 1000);
	pass_ms(w, 900 * 1000 - 1);
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w->srv.asked, 1);
	pass_ms(w, 1);
	for (int i = 0; i < 3; i++) {
		look_up(w, w->onion, "example.org", &r);
		assert_route(&r, A_ONION, 25);
	}
	assert_int_equal(w->srv.asked, 2);
	assert_int_equal(w->counters.prefetches, 1);
	answer_srv(w, "example.org", srv_route(1000, B_ONION, 26));
	pass_ms(w, 800 * 1000);
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, B_ONION, 26);
	assert_int_equal(w->srv.asked, 2);
}

static void
an_absence_is_renewed_too(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", srv_none(100));
	pass_ms(w, 95 * 1000);
	look_up(w, w->onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	answer_srv(w, "example.org", srv_route(100, A_ONION, 25));
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25);
}

/* One try, and then not again at once. */
static void
a_prefetch_that_fails_is_a_failure(void **state)
{
	struct world *w = *state;
	struct result r;

	know_route(w, "example.org", 1000);
	pass_ms(w, 950 * 1000);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", dns_failed(REASON_DNS_FAILED));
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w->srv.asked, 2);
	pass_ms(w, FAILURE * 1000);
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w->counters.prefetches, 2);
}

/* Stale */

static void
an_expired_route_serves_while_dns_fails(void **state)
{
	struct world *w = *state;
	struct result r;

	know_route(w, "example.org", 100);
	pass_ms(w, 100 * 1000);
	look_up(w, w->onion, "example.org", &r);
	assert_int_equal(r.calls, 0); /* a new answer is better */
	answer_srv(w, "example.org", dns_failed(REASON_DNS_FAILED));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w->counters.stale_answers, 1);
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25); /* at once */
	assert_int_equal(w->srv.asked, 2);
	pass_ms(w, FAILURE * 1000);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", srv_route(100, B_ONION, 25));
	assert_route(&r, B_ONION, 25);
}

/* follow_mx: that the domain has another MX is what the NONE would rest on. */
static void
an_expired_mx_is_no_proof(void **state)
{
	struct world *w = *state;
	struct engine_config config = world_config();
	struct result r;

	world_close(w);
	config.follow_mx = true;
	config.cache.stale_s = 1000;
	world_open(w, &config);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", srv_none(1000));
	answer_dns(w, DNS_TYPE_MX, "example.org", dns_mx("mx.example.net", 10));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	pass_ms(w, 301 * 1000);
	look_up(w, w->onion, "example.org", &r);
	answer_dns(w, DNS_TYPE_MX, "example.org", dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
	assert_int_equal(w->counters.stale_answers, 1);
	/* But it is enough for a route. */
	w->map.key = "mx:mx.example.net";
	w->map.value = A_ONION;
	look_up(w, w->onion, "example.org", &r);
	answer_dns(w, DNS_TYPE_MX, "example.org", dns_failed(REASON_DNS_FAILED));
	assert_route(&r, A_ONION, 25);
}

static void
half_the_deadline_is_left_for_tor(void **state)
{
	struct world *w = *state;
	struct monotime when;
	struct result onion, address;

	know_route(w, "example.org", 100);
	pass_ms(w, 100 * 1000);
	look_up(w, w->onion, "example.org", &onion);
	look_up(w, w->address, "example.org", &address);
	assert_true(engine_next_deadline(w->engine, &when));
	assert_int_equal(monotime_diff_ms(when, w->now), 250);
	pass_ms(w, 250);
	assert_route(&onion, A_ONION, 25);
	assert_int_equal(w->tor.asked, 0);
	pass_ms(w, 1750);
	assert_int_equal(address.calls, 0);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	assert_route(&address, A_ONION, 25);
	assert_int_equal(address.ipv4[0], VIRTUAL(1));
	assert_int_equal(w->counters.deadlines, 0);
	/* the late answer still counts, for others */
	answer_srv(w, "example.org", srv_none(100));
	look_up(w, w->onion, "example.org", &onion);
	assert_outcome(&onion, OUTCOME_NONE, REASON_NONE);
}

static void
a_certain_absence_ends_it_at_once(void **state)
{
	struct world *w = *state;
	struct result r;

	know_route(w, "example.org", 100);
	pass_ms(w, 100 * 1000);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", srv_none(60));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	pass_ms(w, 60 * 1000);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
}

/* An absence that isn't to be kept is one all the same. */
static void
an_absence_without_ttl_ends_it_too(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.cache.stale_s = STALE;
	config.ttl_min = 0;
	world_open(&w, &config);
	know_route(&w, "example.org", 100);
	pass_ms(&w, 100 * 1000);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_none(0));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
	world_close(&w);
}

static void
after_a_day_it_is_of_no_use(void **state)
{
	struct world *w = *state;
	struct result r;

	know_route(w, "example.org", 100);
	pass_ms(w, (100 + STALE) * 1000LL - 1);
	look_up(w, w->onion, "example.org", &r);
	pass_ms(w, 1);
	answer_srv(w, "example.org", dns_failed(REASON_DNS_BAD));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_BAD);
}

static void
an_absence_never_serves_beyond_its_time(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", srv_none(100));
	pass_ms(w, 100 * 1000);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
}

/* Failures */

static void
a_failure_is_remembered(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", dns_failed(REASON_DNS_UNPROVEN));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_UNPROVEN);
	pass_ms(w, FAILURE * 1000 - 1);
	look_up(w, w->onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_UNPROVEN);
	assert_int_equal(w->counters.failures_remembered, 1);
	pass_ms(w, 1);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", srv_none(100));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
}

static void
a_lack_of_memory_is_not(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", dns_failed(REASON_NOMEM));
	assert_outcome(&r, OUTCOME_TEMP, REASON_NOMEM);
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", srv_none(100));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
}

/* Postfix asks one question after the other. */
static void
nobody_waits_for_what_others_have_waited_for(void **state)
{
	struct world *w = *state;
	struct result first, second, third;

	look_up(w, w->onion, "example.org", &first);
	pass_ms(w, 400);
	look_up(w, w->onion, "example.org", &second);
	pass_ms(w, 100);
	assert_outcome(&first, OUTCOME_TEMP, REASON_DEADLINE);
	look_up(w, w->onion, "example.org", &third);
	assert_outcome(&third, OUTCOME_TEMP, REASON_DEADLINE);
	assert_int_equal(w->counters.fast_failures, 1);
	assert_int_equal(second.calls, 0); /* its own time isn't over */
	answer_srv(w, "example.org", srv_none(100));
	assert_outcome(&second, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w->srv.asked, 1);
}

static void
a_slow_question_with_an_expired_route(void **state)
{
	struct world *w = *state;
	struct result r;

	know_route(w, "example.org", 100);
	pass_ms(w, 100 * 1000);
	look_up(w, w->onion, "example.org", &r);
	pass_ms(w, 500);
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25);
}

static void
a_limit_with_an_expired_route(void **state)
{
	struct world *w = *state;
	struct result r[3], over;

	know_route(w, "example.org", 100);
	pass_ms(w, 100 * 1000);
	for (int i = 0; i < 3; i++)
		look_up(w, w->onion, "example.org", &r[i]);
	look_up(w, w->onion, "example.org", &over);
	assert_route(&over, A_ONION, 25);
	look_up(w, w->address, "example.org", &over); /* but not its address */
	assert_outcome(&over, OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w->counters.waiters_full, 2);
	pass_ms(w, 250);
	for (int i = 0; i < 3; i++)
		assert_route(&r[i], A_ONION, 25);
}

static void
too_many_waiters(void **state)
{
	struct world *w = *state;
	struct result r[3], over;

	for (int i = 0; i < 3; i++)
		look_up(w, w->onion, "example.org", &r[i]);
	look_up(w, w->onion, "example.org", &over);
	assert_outcome(&over, OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w->counters.waiters_full, 1);
	lookup_cancel(r[0].pending);
	look_up(w, w->onion, "example.org", &over);
	answer_srv(w, "example.org", srv_none(100));
	assert_outcome(&over, OUTCOME_NONE, REASON_NONE);
}

/* Breakers */

static void
dns_goes_down(struct world *w)
{
	struct result r;
	char domain[32];

	for (int i = 0; i < BREAKER_FAILURES; i++) {
		sprintf(domain, "down%d.example", i);
		look_up(w, w->onion, domain, &r);
		answer_srv(w, domain, dns_failed(REASON_DNS_TIMEOUT));
		assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_TIMEOUT);
	}
	assert_int_equal(w->counters.dns_down, 0);
	pass_ms(w, 0); /* a probe */
	answer_dns(w, DNS_TYPE_A, "", dns_failed(REASON_DNS_DOWN));
	assert_int_equal(w->counters.dns_down, 1);
}

static void
without_dns_nobody_waits(void **state)
{
	struct world *w = *state;
	struct result r;
	unsigned asked;

	know_route(w, "expired.example", 100);
	know_route(w, "known.example", 1000);
	pass_ms(w, 950 * 1000);
	dns_goes_down(w);
	asked = w->srv.asked;
	look_up(w, w->onion, "new.example", &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_DOWN);
	look_up(w, w->onion, "expired.example", &r);
	assert_route(&r, A_ONION, 25);
	look_up(w, w->onion, "known.example", &r); /* to be renewed */
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w->srv.asked, asked);
	assert_int_equal(w->counters.dns_down_answers, 2);
	/* a probe, which is answered */
	pass_ms(w, BREAKER_PAUSE_MIN_MS);
	assert_int_equal(w->srv.asked, asked + 1);
	answer_dns(w, DNS_TYPE_A, "", srv_none(100)); /* the root */
	look_up(w, w->onion, "new.example", &r);
	answer_srv(w, "new.example", srv_none(100));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
}

static void
without_tor_nobody_waits(void **state)
{
	struct world *w = *state;
	struct result r;
	unsigned asked;

	for (int i = 0; i < BREAKER_FAILURES; i++) {
		look_up(w, w->address, "a@" A_ONION, &r);
		answer_tor(w, A_ONION, dns_failed(REASON_DNS_DOWN));
		assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_FAILED);
	}
	pass_ms(w, 0); /* a probe */
	answer_tor(w, A_ONION, dns_failed(REASON_DNS_DOWN));
	assert_int_equal(w->counters.tor_down, 1);
	asked = w->tor.asked;
	look_up(w, w->address, "a@" B_ONION, &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_FAILED);
	assert_int_equal(w->tor.asked, asked);
	assert_int_equal(w->counters.tor_down_answers, 1);
	look_up(w, w->onion, "a@" B_ONION, &r);
	assert_route(&r, B_ONION, 25);
	pass_ms(w, BREAKER_PAUSE_MIN_MS);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	look_up(w, w->address, "a@" B_ONION, &r);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(2)));
	assert_route(&r, B_ONION, 25);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(renewed_in_the_last_tenth),
		T(an_absence_is_renewed_too),
		T(a_prefetch_that_fails_is_a_failure),
		T(an_expired_route_serves_while_dns_fails),
		T(an_expired_mx_is_no_proof),
		T(half_the_deadline_is_left_for_tor),
		T(a_certain_absence_ends_it_at_once),
		cmocka_unit_test(an_absence_without_ttl_ends_it_too),
		T(after_a_day_it_is_of_no_use),
		T(an_absence_never_serves_beyond_its_time),
		T(a_failure_is_remembered),
		T(a_lack_of_memory_is_not),
		T(nobody_waits_for_what_others_have_waited_for),
		T(a_slow_question_with_an_expired_route),
		T(a_limit_with_an_expired_route),
		T(too_many_waiters),
		T(without_dns_nobody_waits),
		T(without_tor_nobody_waits),
	};

	return cmocka_run_group_tests_name("flow/stale", tests, NULL, NULL);
}
