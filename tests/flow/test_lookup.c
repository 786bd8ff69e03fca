/* The path of a lookup up to the SRV answer: who is asked, who isn't, and what comes of
 * each answer. */
#include "fakes.h"

static int
setup(void **state)
{
	static struct world w;
	struct engine_config config = world_config();

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
keys_without_a_domain_are_none_at_once(void **state)
{
	struct world *w = *state;
	static const char *const keys[] = {"*", "", "a@[192.0.2.1]", "a@", "\"a@b\"",
		"a@-x.example", ".example.org", "192.0.2.1"};
	struct result r;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		look_up(w, w->onion, keys[i], &r);
		assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	}
	assert_int_equal(w->srv.asked, 0);
	assert_int_equal(w->map.asked, 0);
}

static void
an_onion_recipient_routes_to_itself(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "user@Mail." A_ONION ".", &r);
	assert_route(&r, "mail." A_ONION, 25);
	look_up(w, w->onion, "user@x" A_ONION, &r);
	assert_outcome(&r, OUTCOME_FAIL, REASON_ONION_INVALID);
	look_up(w, w->onion, "onion", &r);
	assert_outcome(&r, OUTCOME_FAIL, REASON_ONION_INVALID);
	assert_int_equal(w->srv.asked, 0);
	assert_int_equal(w->map.asked, 0);
}

static void
the_map_wins_over_dns(void **state)
{
	struct world *w = *state;
	struct result r;

	w->map.key = "example.org";
	w->map.value = A_ONION ":2525";
	look_up(w, w->onion, "a@Example.ORG", &r);
	assert_route(&r, A_ONION, 2525);
	assert_int_equal(w->srv.asked, 0);
}

static void
a_dash_in_the_map_is_none_without_dns(void **state)
{
	struct world *w = *state;
	struct result r;

	w->map.key = ".example.org";
	w->map.value = "-";
	look_up(w, w->onion, "a@deep.below.example.org", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w->srv.asked, 0);
	look_up(w, w->onion, "a@example.org", &r);
	assert_non_null(r.pending); /* ".example.org" isn't example.org itself */
	answer_srv(w, "example.org", srv_none(60));
}

/* The cache remembers that the map has nothing for a domain, until there is another map.
 * One that can change at any time (generation 0) is asked each time. */
static void
what_the_map_lacks_it_is_asked_once(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "a.example", &r);
	answer_srv(w, "a.example", srv_none(60));
	look_up(w, w->onion, "a.example", &r);
	assert_int_equal(w->map.asked, 3 * 2); /* the name and its parent */
	w->map.source.generation = 5;
	look_up(w, w->onion, "a.example", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w->map.asked, 4 * 2);
	look_up(w, w->onion, "a.example", &r);
	look_up(w, w->onion, "b@a.example", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w->map.asked, 4 * 2);
	w->map.source.generation = 6;
	w->map.key = "a.example";
	w->map.value = A_ONION;
	look_up(w, w->onion, "a.example", &r);
	assert_route(&r, A_ONION, 25);
}

/* Two maps of which each has an entry, but not the same: it is never none. */
static void
a_map_that_is_replaced_amid_a_lookup(void **state)
{
	struct world *w = *state;
	struct result r;

	w->map.source.generation = 1;
	w->map.key = ".example";
	w->map.value = A_ONION;
	w->map.replaced_at = 2;
	w->map.new_key = "a.example";
	look_up(w, w->onion, "a.example", &r);
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w->map.asked, 3);
}

static void
a_broken_map_is_temporary(void **state)
{
	struct world *w = *state;
	struct result r;

	w->map.broken = true;
	look_up(w, w->onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_MAP);
	w->map.broken = false;
	w->map.key = "example.org";
	w->map.value = "not an onion";
	look_up(w, w->onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_MAP);
	assert_int_equal(w->counters.map_broken, 2);
	assert_int_equal(w->srv.asked, 0);
}

static void
srv_gives_a_route_and_fills_the_cache(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "a@example.org", &r);
	assert_int_equal(r.calls, 0);
	answer_srv(w, "example.org", srv_route(300, A_ONION, 2525));
	assert_route(&r, A_ONION, 2525);
	look_up(w, w->onion, "b@example.org", &r);
	assert_route(&r, A_ONION, 2525);
	assert_int_equal(w->srv.asked, 1);
	assert_int_equal(w->counters.cache_hits, 1);
	assert_int_equal(w->counters.answers_route, 2);
}

static void
every_dns_failure_is_temporary_and_not_remembered(void **state)
{
	struct world *w = *state;
	static const enum reason reasons[] = {REASON_DNS_TIMEOUT, REASON_DNS_FAILED,
		REASON_DNS_BAD, REASON_DNS_UNPROVEN, REASON_NOMEM};
	const unsigned n = sizeof(reasons) / sizeof(reasons[0]);
	struct result r;

	for (unsigned i = 0; i < n; i++) {
		look_up(w, w->onion, "example.org", &r);
		answer_srv(w, "example.org", dns_failed(reasons[i]));
		assert_outcome(&r, OUTCOME_TEMP, reasons[i]);
	}
	assert_int_equal(w->srv.asked, n);
	assert_int_equal(w->counters.dns_failures, n);
	assert_int_equal(w->counters.answers_temp, n);
}

static void
one_question_for_all_who_ask(void **state)
{
	struct world *w = *state;
	struct result r[5];

	for (int i = 0; i < 5; i++)
		look_up(w, i % 2 ? w->onion : w->address, "a@example.org", &r[i]);
	assert_int_equal(w->srv.asked, 1);
	answer_srv(w, "example.org", srv_none(60));
	for (int i = 0; i < 5; i++)
		assert_outcome(&r[i], OUTCOME_NONE, REASON_NONE);
}

static void
ttls_are_clamped(void **state)
{
	struct world *w = *state;
	static const struct {
		struct dns_answer (*answer)(uint32_t ttl);
		uint32_t ttl, kept; /* seconds */
	} cases[] = {{srv_none, 0, 60}, {srv_none, 100, 100}, {srv_none, 999999, 3600}};
	struct result r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		look_up(w, w->onion, "example.org", &r);
		answer_srv(w, "example.org", cases[i].answer(cases[i].ttl));
		pass_ms(w, cases[i].kept * 1000 - 1);
		look_up(w, w->onion, "example.org", &r);
		assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
		pass_ms(w, 1);
	}
	look_up(w, w->onion, "example.org", &r);
	assert_non_null(r.pending);
	answer_srv(w, "example.org", srv_route(999999, A_ONION, 25));
	pass_ms(w, 86400 * 1000 - 1);
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25);
	pass_ms(w, 1);
	look_up(w, w->onion, "example.org", &r);
	assert_non_null(r.pending);
	lookup_cancel(r.pending);
}

static void
the_deadline_ends_it_and_the_late_answer_is_kept(void **state)
{
	struct world *w = *state;
	struct monotime when;
	struct result r;

	look_up(w, w->onion, "example.org", &r);
	assert_true(engine_next_deadline(w->engine, &when));
	assert_int_equal(monotime_diff_ms(when, w->now), 500);
	pass_ms(w, 499);
	assert_int_equal(r.calls, 0);
	pass_ms(w, 1);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
	assert_int_equal(w->counters.deadlines, 1);
	/* the next one is that of the question itself */
	assert_true(engine_next_deadline(w->engine, &when));
	assert_int_equal(monotime_diff_ms(when, w->now), 100000 - 500);
	answer_srv(w, "example.org", srv_route(60, A_ONION, 25));
	look_up(w, w->onion, "example.org", &r);
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w->srv.asked, 1);
}

static void
the_nearest_deadline_comes_first(void **state)
{
	struct world *w = *state;
	struct monotime when;
	struct result slow, quick;

	look_up(w, w->address, "example.org", &slow);
	look_up(w, w->onion, "example.org", &quick);
	assert_true(engine_next_deadline(w->engine, &when));
	assert_int_equal(monotime_diff_ms(when, w->now), 500);
	pass_ms(w, 500);
	assert_outcome(&quick, OUTCOME_TEMP, REASON_DEADLINE);
	assert_int_equal(slow.calls, 0);
	answer_srv(w, "example.org", srv_none(60));
	assert_outcome(&slow, OUTCOME_NONE, REASON_NONE);
}

static void
a_cancelled_lookup_is_never_called_back(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->onion, "example.org", &r);
	lookup_cancel(r.pending);
	answer_srv(w, "example.org", srv_none(60));
	pass_ms(w, 1000);
	assert_int_equal(r.calls, 0);
	look_up(w, w->onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
}

static void
limits_refuse_what_is_too_much(void **state)
{
	struct world *w = *state;
	struct result r[21], over;
	char name[32];

	for (int i = 0; i < 10; i++) {
		sprintf(name, "d%d.example", i);
		look_up(w, w->onion, name, &r[i]);
	}
	look_up(w, w->onion, "one-too-many.example", &over);
	assert_outcome(&over, OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w->counters.queries_full, 1);
	for (int i = 10; i < 20; i++)
		look_up(w, w->onion, "d0.example", &r[i]);
	look_up(w, w->onion, "d0.example", &over);
	assert_outcome(&over, OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w->counters.lookups_full, 1);
	pass_ms(w, 500);
	for (int i = 0; i < 20; i++)
		assert_outcome(&r[i], OUTCOME_TEMP, REASON_DEADLINE);
}

static void
without_memory_it_is_temporary(void **state)
{
	struct world *w = *state;
	struct result r;

	w->srv.no_memory = true;
	look_up(w, w->onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_NOMEM);
	w->srv.no_memory = false;
	look_up(w, w->onion, "example.org", &r);
	assert_non_null(r.pending);
	answer_srv(w, "example.org", srv_none(60));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
}

static void
a_name_too_long_for_dns_has_no_record(void **state)
{
	struct world *w = *state;
	char name[254];
	struct result r;

	memset(name, 'a', 253);
	name[253] = '\0';
	for (int i = 49; i < 253; i += 50)
		name[i] = '.';
	look_up(w, w->onion, name, &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w->srv.asked, 0);
	assert_true(w->map.asked > 0);
}

static void
names_of_the_site_are_not_asked_for_in_dns(void **state)
{
	struct world *w = *state;
	static const char *const keys[] = {"postmaster", "root@localhost",
		"root@mailhost", "a@b.localhost", "alt", "a@b.alt", "a@B.I2P.",
		"a@c.b.exit", "a@mail.internal"};
	struct result r;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		look_up(w, w->onion, keys[i], &r);
		assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	}
	assert_int_equal(w->srv.asked, 0);
	w->map.key = "mailhost";
	w->map.value = A_ONION;
	look_up(w, w->onion, "root@mailhost", &r);
	assert_route(&r, A_ONION, 25);
	w->map.key = ".internal";
	look_up(w, w->onion, "a@mail.internal", &r);
	assert_route(&r, A_ONION, 25);
	look_up(w, w->onion, "a@alt.internal.example", &r);
	assert_non_null(r.pending);
	answer_srv(w, "alt.internal.example", srv_none(60));
	look_up(w, w->onion, "a@notinternal", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	look_up(w, w->onion, "a@b.notinternal", &r);
	assert_non_null(r.pending);
	answer_srv(w, "b.notinternal", srv_none(60));
	look_up(w, w->onion, "a@notlocalhost.example", &r);
	assert_non_null(r.pending);
	answer_srv(w, "notlocalhost.example", srv_none(60));
}

static void
on_failure_clearnet_turns_temporary_into_none(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.on_failure = ON_FAILURE_CLEARNET;
	world_open(&w, &config);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", dns_failed(REASON_DNS_TIMEOUT));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	w.map.broken = true;
	look_up(&w, w.onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(w.counters.failures_as_none, 2);
	assert_int_equal(w.counters.answers_none, 2);
	assert_int_equal(w.counters.answers_temp, 0);
	look_up(&w, w.onion, "bad.onion", &r);
	assert_outcome(&r, OUTCOME_FAIL, REASON_ONION_INVALID);
	assert_int_equal(w.counters.answers_fail, 1);
	world_close(&w);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(keys_without_a_domain_are_none_at_once),
		T(an_onion_recipient_routes_to_itself),
		T(the_map_wins_over_dns),
		T(a_dash_in_the_map_is_none_without_dns),
		T(what_the_map_lacks_it_is_asked_once),
		T(a_map_that_is_replaced_amid_a_lookup),
		T(a_broken_map_is_temporary),
		T(srv_gives_a_route_and_fills_the_cache),
		T(every_dns_failure_is_temporary_and_not_remembered),
		T(one_question_for_all_who_ask),
		T(ttls_are_clamped),
		T(the_deadline_ends_it_and_the_late_answer_is_kept),
		T(the_nearest_deadline_comes_first),
		T(a_cancelled_lookup_is_never_called_back),
		T(limits_refuse_what_is_too_much),
		T(without_memory_it_is_temporary),
		T(a_name_too_long_for_dns_has_no_record),
		T(names_of_the_site_are_not_asked_for_in_dns),
		cmocka_unit_test(on_failure_clearnet_turns_temporary_into_none),
	};

	return cmocka_run_group_tests_name("flow/lookup", tests, NULL, NULL);
}
