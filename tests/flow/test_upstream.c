/* Several servers: who is asked when, and what becomes of those that don't answer. */
#include "servers.h"

static void
the_first_is_asked_and_no_other(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 3, 2);
	assert_non_null(ask(&s));
	assert_next(&s, 1000);
	assert_int_equal(s.alarms, 1);
	answer(&s, 0, srv_none(60));
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.status, DNS_NONE);
	assert_int_equal(s.server[1].asked + s.server[2].asked, 0);
	assert_false(upstream_next_deadline(s.upstream, &(struct monotime){0}));
	close_servers(&s);
}

/* Each in turn, then each once more with twice the time, then it has failed. */
static void
silence_goes_on_to_the_next(void **state)
{
	static const int64_t timeouts[] = {1000, 1000, 1000, 2000, 2000, 2000};
	struct servers s;

	(void)state;
	open_servers(&s, 3, 2);
	ask(&s);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(s.server[i % 3].asked, 1 + i / 3);
		assert_next(&s, timeouts[i]);
		pass(&s, timeouts[i] - 1);
		assert_int_equal(s.calls, 0);
		pass(&s, 1);
	}
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.status, DNS_FAILED);
	assert_int_equal(s.answer.reason, REASON_DNS_TIMEOUT);
	close_servers(&s);
}

static void
whoever_answers_first_counts(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	ask(&s);
	pass(&s, 1000);
	answer(&s, 0, srv_route(60, A_ONION, 25)); /* late, but the first */
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.status, DNS_RECORDS);
	assert_int_equal(fake_open(&s.server[1]), 0);
	close_servers(&s);
}

/* What was asked of it before may still be answered, and counts. */
static void
a_server_is_asked_again(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 3);
	ask(&s);
	pass(&s, 1000);
	pass(&s, 2000);
	assert_int_equal(s.server[0].asked, 3);
	assert_int_equal(fake_open(&s.server[0]), 3);
	answer(&s, 0, srv_none(60)); /* to the first of the three */
	assert_int_equal(s.calls, 1);
	assert_int_equal(fake_open(&s.server[0]), 0);
	close_servers(&s);
}

/* A failure is an answer: the next one is asked at once, and it is not asked again. */
static void
a_failure_goes_on_to_the_next(void **state)
{
	static const enum reason reasons[] = {
		REASON_DNS_FAILED, REASON_DNS_BAD, REASON_DNS_UNPROVEN, REASON_DNS_DOWN};
	struct servers s;

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		open_servers(&s, 3, 3);
		ask(&s);
		answer(&s, 0, dns_failed(reasons[i]));
		assert_int_equal(s.server[1].asked, 1);
		pass(&s, 1000); /* the second is silent */
		answer(&s, 2, dns_failed(reasons[i]));
		assert_int_equal(s.server[0].asked, 1);
		assert_int_equal(s.server[1].asked, 2);
		assert_int_equal(s.calls, 0);
		answer(&s, 1, dns_failed(reasons[i]));
		assert_int_equal(s.calls, 1);
		assert_int_equal(s.answer.reason, reasons[i]);
		close_servers(&s);
	}
}

static void
a_late_failure_doesnt_end_the_wait(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 1);
	ask(&s);
	pass(&s, 1000);
	answer(&s, 0, dns_failed(REASON_DNS_FAILED));
	assert_int_equal(s.calls, 0);
	answer(&s, 1, srv_none(60));
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.status, DNS_NONE);
	close_servers(&s);
}

/* An answer by TCP that doesn't come is no answer, but its time is up. */
static void
a_connection_that_hangs_is_given_up(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 3);
	ask(&s);
	pass(&s, 1000);
	assert_int_equal(s.server[0].asked, 2);
	answer(&s, 0, dns_failed(REASON_DNS_TCP_TIMEOUT)); /* of the first try */
	assert_int_equal(s.server[0].asked, 2);
	answer(&s, 0, dns_failed(REASON_DNS_TCP_TIMEOUT)); /* of the second */
	assert_int_equal(s.server[0].asked, 3);
	assert_int_equal(s.calls, 0);
	answer(&s, 0, srv_none(60));
	assert_int_equal(s.answer.status, DNS_NONE);
	ask(&s);
	for (int i = 0; i < 3; i++)
		answer(&s, 0, dns_failed(REASON_DNS_TCP_TIMEOUT));
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.reason, REASON_DNS_TCP_TIMEOUT);
	close_servers(&s);
}

static void
without_memory_it_fails(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	s.server[0].no_memory = true;
	assert_null(ask(&s));
	s.server[0].no_memory = false;
	s.server[1].no_memory = true;
	ask(&s);
	pass(&s, 1000);
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.reason, REASON_NOMEM);
	close_servers(&s);
}

static void
a_cancelled_question_is_never_called_back(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	upstream_cancel(ask(&s));
	ask(&s);
	pass(&s, 1000);
	ask(&s);
	pass(&s, 1);
	close_servers(&s); /* two are under way, one of them at two servers */
	assert_int_equal(s.calls, 0);
}

/* Breakers */

static void
a_dead_server_is_left_out(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		ask(&s);
		pass(&s, 1000);
		answer(&s, 1, srv_none(60));
	}
	fail_probe(&s, 0);
	assert_int_equal(s.opened, 1);
	assert_false(upstream_is_down(s.upstream));
	ask(&s);
	assert_int_equal(s.server[0].asked, BREAKER_FAILURES + 1);
	pass(&s, 400); /* before the next probe is due */
	answer(&s, 1, srv_none(60));
	assert_int_equal(s.calls, 1);
	close_servers(&s);
}

/* Names in a dead zone, one after the other: they fail, and nothing else does. */
static void
a_dead_zone_is_no_dead_server(void **state)
{
	struct servers s;

	(void)state;
	open_configured(&s, (struct upstream_config){.n = 1, .tries = 1, .probe = ""});
	for (int i = 0; i < 4 * BREAKER_FAILURES; i++) {
		ask(&s);
		pass(&s, 1000);
		assert_int_equal(s.calls, 1);
		assert_int_equal(s.answer.reason, REASON_DNS_TIMEOUT);
		assert_false(upstream_is_down(s.upstream));
		if (fake_find_typed(&s.server[0], DNS_TYPE_A, "") != NULL)
			answer_question(&s, 0, DNS_TYPE_A, "", srv_none(60));
		pass(&s, 1);
	}
	assert_int_equal(s.opened, 0);
	assert_int_equal(s.server[0].asked, 4 * BREAKER_FAILURES + 4);
	close_servers(&s);
}

/* While it isn't known, questions are asked as ever. */
static void
nobody_is_refused_before_a_probe_has_failed(void **state)
{
	struct servers s;

	(void)state;
	open_configured(&s, (struct upstream_config){.n = 1, .tries = 1, .probe = ""});
	for (int i = 0; i < BREAKER_FAILURES; i++)
		ask(&s);
	pass(&s, 1000);
	assert_non_null(fake_find_typed(&s.server[0], DNS_TYPE_A, ""));
	ask(&s);
	pass(&s, 999);
	assert_false(upstream_is_down(s.upstream));
	answer(&s, 0, srv_none(60));
	assert_int_equal(s.answer.status, DNS_NONE);
	pass(&s, 1); /* what the probe has to say doesn't matter any more */
	assert_false(upstream_is_down(s.upstream));
	assert_int_equal(s.events[UPSTREAM_DOWN] + s.events[UPSTREAM_UP], 0);
	close_servers(&s);
}

/* The source has had a part of an answer: the server is there. */
static void
a_part_of_an_answer_is_a_sign_of_life(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	for (int i = 0; i < 2 * BREAKER_FAILURES; i++) {
		ask(&s);
		s.server[0].source.heard = s.now;
		pass(&s, 1000);
		assert_int_equal(s.calls, 1);
	}
	assert_false(upstream_next_deadline(s.upstream, &(struct monotime){0}));
	assert_int_equal(s.server[0].asked, 2 * BREAKER_FAILURES);
	close_servers(&s);
}

/* Nor does it make a server dead that this machine lacks something. */
static void
what_this_machine_lacks_is_about_no_server(void **state)
{
	static const enum reason reasons[] = {
		REASON_NOMEM, REASON_DESCRIPTORS, REASON_BUSY};
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	for (int i = 0; i < 3 * BREAKER_FAILURES; i++) {
		ask(&s);
		answer(&s, 0, dns_failed(reasons[i % 3]));
		assert_int_equal(s.answer.reason, reasons[i % 3]);
	}
	assert_false(upstream_next_deadline(s.upstream, &(struct monotime){0}));
	close_servers(&s);
}

/* Silence about some names, while others are answered, is about the names. */
static void
a_server_that_answers_others_works(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	for (int i = 0; i < 2 * BREAKER_FAILURES; i++)
		upstream_ask(s.upstream, DNS_TYPE_SRV, "silent.example", s.now, done, &s);
	pass(&s, 500);
	ask(&s);
	answer(&s, 0, srv_none(60));
	pass(&s, 500);
	assert_int_equal(s.calls, 1 + 2 * BREAKER_FAILURES);
	assert_false(upstream_next_deadline(s.upstream, &(struct monotime){0}));
	assert_false(upstream_is_down(s.upstream));
	close_servers(&s);
}

static void
a_probe_asks_for_what_is_configured(void **state)
{
	struct servers s;

	(void)state;
	open_configured(&s,
		(struct upstream_config){.n = 1, .tries = 1, .probe = "probe.example"});
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		ask(&s);
		answer(&s, 0, dns_failed(REASON_DNS_DOWN));
	}
	pass(&s, 0);
	assert_non_null(fake_find_typed(&s.server[0], DNS_TYPE_A, "probe.example"));
	close_servers(&s);
}

static void
all_are_down_until_a_probe_is_answered(void **state)
{
	struct servers s;
	unsigned asked;

	(void)state;
	open_servers(&s, 1, 1);
	break_down(&s);
	assert_true(upstream_is_down(s.upstream));
	asked = s.server[0].asked;
	assert_next(&s, BREAKER_PAUSE_MIN_MS);
	pass(&s, BREAKER_PAUSE_MIN_MS);
	assert_int_equal(s.server[0].asked, asked + 1);
	assert_next(&s, 1000);
	pass(&s, 1000); /* no answer: later again */
	assert_int_equal(fake_open(&s.server[0]), 0);
	assert_true(upstream_is_down(s.upstream));
	assert_next(&s, 2 * BREAKER_PAUSE_MIN_MS);
	pass(&s, 2 * BREAKER_PAUSE_MIN_MS);
	answer(&s, 0, dns_failed(REASON_DNS_FAILED)); /* it is there again */
	assert_int_equal(s.events[UPSTREAM_UP], 1);
	assert_false(upstream_is_down(s.upstream));
	assert_false(upstream_next_deadline(s.upstream, &(struct monotime){0}));
	assert_int_equal(s.calls, 1); /* the probe was nobody's question */
	close_servers(&s);
}

static void
a_question_goes_through_all_the_same(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		ask(&s);
		answer(&s, 0, dns_failed(REASON_DNS_DOWN));
		answer(&s, 1, dns_failed(REASON_DNS_DOWN));
	}
	pass(&s, 0);
	answer(&s, 0, dns_failed(REASON_DNS_DOWN));
	answer(&s, 1, dns_failed(REASON_DNS_DOWN));
	assert_int_equal(s.opened, 2);
	assert_true(upstream_is_down(s.upstream));
	ask(&s);
	answer(&s, 0, srv_none(60));
	assert_int_equal(s.calls, 1);
	assert_false(upstream_is_down(s.upstream));
	close_servers(&s);
}

static void
a_probe_without_memory_is_tried_again(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	break_down(&s);
	s.server[0].no_memory = true;
	pass(&s, BREAKER_PAUSE_MIN_MS);
	s.server[0].no_memory = false;
	assert_next(&s, BREAKER_PAUSE_MIN_MS);
	pass(&s, BREAKER_PAUSE_MIN_MS);
	answer(&s, 0, srv_none(60));
	assert_false(upstream_is_down(s.upstream));
	close_servers(&s);
}

/* A question that is left unanswered may mean a restart. */
static void
the_count_tells_of_possible_restarts(void **state)
{
	struct servers s;
	uint32_t restarts;

	(void)state;
	open_servers(&s, 1, 2);
	restarts = upstream_restarts(s.upstream);
	ask(&s);
	answer(&s, 0, srv_none(60));
	assert_int_equal(upstream_restarts(s.upstream), restarts);
	ask(&s);
	answer(&s, 0, dns_failed(REASON_DNS_FAILED));
	assert_int_equal(upstream_restarts(s.upstream), restarts);
	ask(&s);
	pass(&s, 1000);
	assert_int_not_equal(upstream_restarts(s.upstream), restarts);
	restarts = upstream_restarts(s.upstream);
	answer(&s, 0, dns_failed(REASON_DNS_DOWN));
	assert_int_not_equal(upstream_restarts(s.upstream), restarts);
	restarts = upstream_restarts(s.upstream);
	s.server[0].source.restarts++;
	assert_int_not_equal(upstream_restarts(s.upstream), restarts);
	close_servers(&s);
}

/* Negative answers without an SOA */

static void
a_bare_denial_counts_from_who_knows_the_type(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NXDOMAIN)), DNS_NONE);
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_FAILED);
	assert_int_equal(s.answer.reason, REASON_DNS_UNPROVEN);
	/* Another type isn't this one. */
	upstream_ask(s.upstream, DNS_TYPE_MX, "x.example", s.now, done, &s);
	answer_question(&s, 0, DNS_TYPE_MX, "x.example", srv_none(60));
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_FAILED);
	say(&s, 0, dns_failed(REASON_DNS_FAILED));
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_FAILED);
	say(&s, 0, srv_none(60)); /* with an SOA */
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_NONE);
	assert_int_equal(s.bare, 5);
	/* It is said once. */
	assert_int_equal(s.events[UPSTREAM_BARE_COUNTS], 1);
	assert_int_equal(s.events[UPSTREAM_BARE_REFUSED], 0);
	close_servers(&s);
}

static void
a_record_shows_that_the_type_is_known(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_FAILED);
	assert_int_equal(s.events[UPSTREAM_BARE_REFUSED], 1);
	say(&s, 0, srv_route(60, A_ONION, 25));
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_NONE);
	close_servers(&s);
}

/* The next server may know better. */
static void
a_bare_denial_that_doesnt_count_goes_on_to_the_next(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	ask(&s);
	answer(&s, 0, bare(DNS_BARE_NODATA));
	assert_int_equal(s.calls, 0);
	answer(&s, 1, srv_none(60));
	assert_int_equal(s.answer.status, DNS_NONE);
	assert_int_equal(s.opened, 0);
	close_servers(&s);
}

static void
bare_negative_decides(void **state)
{
	struct servers s;

	(void)state;
	open_configured(
		&s, (struct upstream_config){
			    .n = 1, .tries = 1, .bare_negative = BARE_NEGATIVE_ANY});
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_NONE);
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NXDOMAIN)), DNS_NONE);
	close_servers(&s);
	open_configured(
		&s, (struct upstream_config){
			    .n = 1, .tries = 1, .bare_negative = BARE_NEGATIVE_NONE});
	say(&s, 0, srv_none(60));
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NODATA)), DNS_FAILED);
	assert_int_equal(say(&s, 0, bare(DNS_BARE_NXDOMAIN)), DNS_FAILED);
	close_servers(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_asked_and_no_other),
		cmocka_unit_test(silence_goes_on_to_the_next),
		cmocka_unit_test(whoever_answers_first_counts),
		cmocka_unit_test(a_server_is_asked_again),
		cmocka_unit_test(a_failure_goes_on_to_the_next),
		cmocka_unit_test(a_late_failure_doesnt_end_the_wait),
		cmocka_unit_test(a_connection_that_hangs_is_given_up),
		cmocka_unit_test(without_memory_it_fails),
		cmocka_unit_test(a_cancelled_question_is_never_called_back),
		cmocka_unit_test(a_dead_server_is_left_out),
		cmocka_unit_test(a_dead_zone_is_no_dead_server),
		cmocka_unit_test(nobody_is_refused_before_a_probe_has_failed),
		cmocka_unit_test(a_part_of_an_answer_is_a_sign_of_life),
		cmocka_unit_test(what_this_machine_lacks_is_about_no_server),
		cmocka_unit_test(a_server_that_answers_others_works),
		cmocka_unit_test(a_probe_asks_for_what_is_configured),
		cmocka_unit_test(all_are_down_until_a_probe_is_answered),
		cmocka_unit_test(a_question_goes_through_all_the_same),
		cmocka_unit_test(a_probe_without_memory_is_tried_again),
		cmocka_unit_test(the_count_tells_of_possible_restarts),
		cmocka_unit_test(a_bare_denial_counts_from_who_knows_the_type),
		cmocka_unit_test(a_record_shows_that_the_type_is_known),
		cmocka_unit_test(a_bare_denial_that_doesnt_count_goes_on_to_the_next),
		cmocka_unit_test(bare_negative_decides),
	};

	return cmocka_run_group_tests_name("flow/upstream", tests, NULL, NULL);
}
