/* The second half of a lookup in the style "address": from onion names to tor's virtual
 * addresses, while tor comes and goes. */
#include "../unit/onions.h"
#include "fakes.h"

#include "flow/inflight.h"

static int
setup(void **state)
{
	static struct world w;
	struct engine_config config = world_config();

	config.max_lookups = 400;
	config.max_queries = 300;
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
two_targets(struct world *w, struct result *r)
{
	w->map.key = "example.org";
	w->map.value = A_ONION ", " B_ONION ":2525";
	look_up(w, w->address, "example.org", r);
	assert_int_equal(r->calls, 0);
}

static void
each_target_gets_its_address(void **state)
{
	struct world *w = *state;
	struct result r;

	two_targets(w, &r);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(2)));
	assert_int_equal(r.calls, 0);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.outcome, OUTCOME_ROUTE);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.ipv4[0], VIRTUAL(1));
	assert_int_equal(r.port[0], 25);
	assert_int_equal(r.ipv4[1], VIRTUAL(2));
	assert_int_equal(r.port[1], 2525);
}

static void
srv_targets_and_onion_recipients_get_addresses_too(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, w->address, "srv.example", &r);
	answer_srv(w, "srv.example", srv_route(60, A_ONION, 25));
	assert_int_equal(r.calls, 0);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(r.ipv4[0], VIRTUAL(1));
	look_up(w, w->address, "a@" B_ONION, &r);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(2)));
	assert_route(&r, B_ONION, 25);
	assert_int_equal(r.ipv4[0], VIRTUAL(2));
}

static void
an_address_is_asked_for_anew_each_time(void **state)
{
	struct world *w = *state;
	struct result r;

	for (uint32_t i = 1; i < 4; i++) {
		look_up(w, w->address, "a@" A_ONION, &r);
		answer_tor(w, A_ONION, tor_address(VIRTUAL(i)));
		assert_int_equal(r.ipv4[0], VIRTUAL(i));
	}
	assert_int_equal(w->tor.asked, 3);
}

static void
one_question_for_all_who_ask(void **state)
{
	struct world *w = *state;
	struct result r[6];

	for (int i = 0; i < 6; i++)
		look_up(w, w->address, "a@" A_ONION, &r[i]);
	assert_int_equal(w->tor.asked, 1);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(7)));
	for (int i = 0; i < 6; i++)
		assert_int_equal(r[i].ipv4[0], VIRTUAL(7));
}

static void
tor_failing_is_temporary(void **state)
{
	struct world *w = *state;
	struct result r;

	two_targets(w, &r);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	answer_tor(w, B_ONION, dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_FAILED);
	two_targets(w, &r);
	answer_tor(w, A_ONION, dns_failed(REASON_DNS_TIMEOUT));
	assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_TIMEOUT);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(1)));
	assert_int_equal(r.calls, 1);
	two_targets(w, &r);
	answer_tor(w, A_ONION, srv_none(60));
	assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_FAILED);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(1)));
	assert_int_equal(w->counters.tor_failures, 3);
}

/* DNSPort is that of an ordinary resolver, or of a liar. */
static void
an_address_that_isnt_tors_is_never_passed_on(void **state)
{
	static const uint32_t others[] = {0x5db8d822, 0x7f000001, VIRTUAL(0) - 1,
		VIRTUAL(0x3fffff) + 1, 0xffffffff};
	struct world *w = *state;
	struct result r;

	two_targets(w, &r);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		answer_tor(w, A_ONION, tor_address(VIRTUAL(0x3fffff)));
		answer_tor(w, B_ONION, tor_address(others[i]));
		assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_ADDRESS);
		two_targets(w, &r);
	}
	answer_tor(w, A_ONION, tor_address(0));
	assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_ADDRESS);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(1)));
	assert_int_equal(r.calls, 1);
	assert_int_equal(w->counters.tor_failures, 6);
}

static void
silence_ends_at_the_deadline(void **state)
{
	struct world *w = *state;
	struct result r;

	two_targets(w, &r);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	pass_ms(w, 4000);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(2)));
	assert_int_equal(r.calls, 1);
}

/* Old and new addresses never stand in one answer: what tor said before it may have
 * been restarted is asked for again. */
static void
a_restart_between_two_addresses(void **state)
{
	struct world *w = *state;
	struct result r;

	two_targets(w, &r);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	w->tor.source.restarts++;
	answer_tor(w, B_ONION, tor_address(VIRTUAL(0x10002)));
	assert_int_equal(r.calls, 0);
	assert_int_equal(w->counters.tor_requeried, 1);
	assert_null(fake_find_typed(&w->tor, DNS_TYPE_A, B_ONION));
	answer_tor(w, A_ONION, tor_address(VIRTUAL(0x10001)));
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.ipv4[0], VIRTUAL(0x10001));
	assert_int_equal(r.ipv4[1], VIRTUAL(0x10002));
}

static void
a_second_restart_asks_again(void **state)
{
	struct world *w = *state;
	struct result r;

	two_targets(w, &r);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	w->tor.source.restarts++;
	answer_tor(w, B_ONION, tor_address(VIRTUAL(2)));
	w->tor.source.restarts++;
	answer_tor(w, A_ONION, tor_address(VIRTUAL(3)));
	assert_int_equal(r.calls, 0);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(4)));
	assert_int_equal(r.ipv4[0], VIRTUAL(3));
	assert_int_equal(r.ipv4[1], VIRTUAL(4));
}

static const char *
nth(int i)
{
	static char name[ONION_LEN + 1];

	unit_onion(name, (unsigned)i);
	return name;
}

/* More than 100 could overrun tor's receive buffer. The others wait until all of these
 * are answered, so that tor comes to its other work, too. */
static void
a_hundred_questions_at_once(void **state)
{
	static struct result r[150];
	struct world *w = *state;

	for (int i = 0; i < 150; i++)
		look_up(w, w->address, nth(i), &r[i]);
	assert_int_equal(fake_open(&w->tor), 100);
	for (int i = 0; i < 150; i++) {
		answer_tor(w, nth(i), tor_address(VIRTUAL(i + 1)));
		assert_int_equal(r[i].ipv4[0], VIRTUAL(i + 1));
		assert_int_equal(fake_open(&w->tor), i < 99 ? 99 - i : 149 - i);
	}
}

/* One that tor doesn't answer holds up the others for a moment. */
static void
a_question_without_an_answer(void **state)
{
	static struct result r[150];
	struct world *w = *state;

	for (int i = 0; i < 150; i++)
		look_up(w, w->address, nth(i), &r[i]);
	for (int i = 1; i < 100; i++)
		answer_tor(w, nth(i), tor_address(VIRTUAL(1)));
	assert_int_equal(fake_open(&w->tor), 1);
	pass_ms(w, INFLIGHT_RECENT_MS - 1);
	assert_int_equal(fake_open(&w->tor), 1);
	pass_ms(w, 1);
	assert_int_equal(fake_open(&w->tor), 51);
	for (int i = 100; i < 150; i++) {
		answer_tor(w, nth(i), tor_address(VIRTUAL(i)));
		assert_int_equal(r[i].ipv4[0], VIRTUAL(i));
	}
	answer_tor(w, nth(0), tor_address(VIRTUAL(1)));
	assert_int_equal(r[0].ipv4[0], VIRTUAL(1));
}

static void
nobody_waits_any_more_for_a_question_in_the_queue(void **state)
{
	static struct result r[101];
	struct world *w = *state;

	for (int i = 0; i < 101; i++)
		look_up(w, w->address, nth(i), &r[i]);
	lookup_cancel(r[100].pending);
	for (int i = 0; i < 100; i++)
		answer_tor(w, nth(i), tor_address(VIRTUAL(1)));
	assert_int_equal(w->tor.asked, 100);
}

static void
cancel_with_addresses_under_way(void **state)
{
	struct world *w = *state;
	struct result r;

	two_targets(w, &r);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(1)));
	lookup_cancel(r.pending);
	answer_tor(w, B_ONION, tor_address(VIRTUAL(2)));
	assert_int_equal(r.calls, 0);
}

static void
without_memory_for_the_second_question(void **state)
{
	struct world *w = *state;
	struct result r;

	w->tor.no_memory = true;
	look_up(w, w->address, "a@" A_ONION, &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_NOMEM);
	look_up(w, w->address, "srv.example", &r);
	answer_srv(w, "srv.example", srv_route(60, A_ONION, 25));
	assert_outcome(&r, OUTCOME_TEMP, REASON_NOMEM);
}

/* Names below an onion lead to the same service: tor is asked for that. */
static void
names_below_an_onion(void **state)
{
	struct world *w = *state;
	struct result r[3];

	look_up(w, w->address, "a@a1." A_ONION, &r[0]);
	look_up(w, w->address, "a@a2.b." A_ONION, &r[1]);
	look_up(w, w->address, "a@" A_ONION, &r[2]);
	assert_int_equal(w->tor.asked, 1);
	answer_tor(w, A_ONION, tor_address(VIRTUAL(7)));
	for (int i = 0; i < 3; i++)
		assert_int_equal(r[i].ipv4[0], VIRTUAL(7));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_target_gets_its_address),
		T(srv_targets_and_onion_recipients_get_addresses_too),
		T(an_address_is_asked_for_anew_each_time),
		T(one_question_for_all_who_ask),
		T(tor_failing_is_temporary),
		T(an_address_that_isnt_tors_is_never_passed_on),
		T(silence_ends_at_the_deadline),
		T(a_restart_between_two_addresses),
		T(a_second_restart_asks_again),
		T(a_hundred_questions_at_once),
		T(a_question_without_an_answer),
		T(nobody_waits_any_more_for_a_question_in_the_queue),
		T(cancel_with_addresses_under_way),
		T(without_memory_for_the_second_question),
		T(names_below_an_onion),
	};

	return cmocka_run_group_tests_name("flow/address", tests, NULL, NULL);
}
