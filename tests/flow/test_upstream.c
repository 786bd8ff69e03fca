/* Several servers: who is asked when, and what becomes of those that don't answer. */
#include "fakes.h"

#include "core/breaker.h"
#include "flow/upstream.h"

#define NAME "_onion-mx._tcp.example.org"

struct servers {
	struct monotime now;
	struct fake_dns server[3];
	struct upstream *upstream;
	uint64_t opened;
	unsigned alarms;

	/* the last answer */
	unsigned calls;
	struct dns_answer answer;
};

static void
rang(void *arg)
{
	((struct servers *)arg)->alarms++;
}

static void
open_servers(struct servers *s, size_t n, unsigned tries)
{
	struct upstream_config config = {.n = n,
		.timeout_ms = 1000,
		.tries = tries,
		.opened = &s->opened,
		.alarm = rang,
		.alarm_arg = s};

	memset(s, 0, sizeof(*s));
	s->now.ns = 1000000000;
	for (size_t i = 0; i < n; i++) {
		s->server[i].source.ask = fake_ask;
		s->server[i].source.cancel = fake_cancel;
		config.server[i] = &s->server[i].source;
	}
	s->upstream = upstream_new(&config);
}

static void
close_servers(struct servers *s)
{
	upstream_free(s->upstream);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fake_open(&s->server[i]), 0);
}

static void
done(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct servers *s = arg;

	assert_int_equal(now.ns, s->now.ns);
	s->calls++;
	s->answer = *answer;
}

static struct upstream_query *
ask(struct servers *s)
{
	s->calls = 0;
	return upstream_ask(s->upstream, DNS_TYPE_SRV, NAME, s->now, done, s);
}

static void
pass(struct servers *s, int64_t ms)
{
	s->now = monotime_add_ms(s->now, ms);
	upstream_expire(s->upstream, s->now);
}

static void
answer(struct servers *s, size_t i, struct dns_answer a)
{
	struct dns_query *q = fake_find_typed(&s->server[i], DNS_TYPE_SRV, NAME);

	assert_non_null(q);
	q->open = false;
	q->done(q->arg, &a, s->now);
}

static void
assert_next(struct servers *s, int64_t ms)
{
	struct monotime when;

	assert_true(upstream_next_deadline(s->upstream, &when));
	assert_int_equal(monotime_diff_ms(when, s->now), ms);
}

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
break_down(struct servers *s)
{
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		ask(s);
		answer(s, 0, dns_failed(REASON_DNS_TIMEOUT));
	}
	assert_int_equal(s->opened, 1);
}

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
	assert_int_equal(s.opened, 1);
	assert_false(upstream_is_down(s.upstream));
	ask(&s);
	assert_int_equal(s.server[0].asked, BREAKER_FAILURES);
	pass(&s, 400); /* before a probe is due */
	answer(&s, 1, srv_none(60));
	assert_int_equal(s.calls, 1);
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
	assert_int_equal(s.opened, 0);
	assert_false(upstream_is_down(s.upstream));
	close_servers(&s);
}

static void
a_probe_asks_for_what_is_configured(void **state)
{
	struct upstream_config config = {
		.n = 1, .timeout_ms = 1000, .tries = 1, .probe = "probe.example"};
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	upstream_free(s.upstream);
	config.server[0] = &s.server[0].source;
	config.opened = &s.opened;
	s.upstream = upstream_new(&config);
	break_down(&s);
	pass(&s, BREAKER_PAUSE_MIN_MS);
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
	assert_next(&s, 2 * BREAKER_PAUSE_MIN_MS);
	pass(&s, 2 * BREAKER_PAUSE_MIN_MS);
	answer(&s, 0, srv_none(60));
	assert_false(upstream_is_down(s.upstream));
	close_servers(&s);
}

/* A question that is left unanswered may mean a restart. */
static void
the_epoch_tells_of_possible_restarts(void **state)
{
	struct servers s;
	uint32_t epoch;

	(void)state;
	open_servers(&s, 1, 2);
	epoch = upstream_epoch(s.upstream);
	ask(&s);
	answer(&s, 0, srv_none(60));
	assert_int_equal(upstream_epoch(s.upstream), epoch);
	ask(&s);
	answer(&s, 0, dns_failed(REASON_DNS_FAILED));
	assert_int_equal(upstream_epoch(s.upstream), epoch);
	ask(&s);
	pass(&s, 1000);
	assert_int_not_equal(upstream_epoch(s.upstream), epoch);
	epoch = upstream_epoch(s.upstream);
	answer(&s, 0, dns_failed(REASON_DNS_DOWN));
	assert_int_not_equal(upstream_epoch(s.upstream), epoch);
	epoch = upstream_epoch(s.upstream);
	s.server[0].source.epoch++;
	assert_int_not_equal(upstream_epoch(s.upstream), epoch);
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
		cmocka_unit_test(without_memory_it_fails),
		cmocka_unit_test(a_cancelled_question_is_never_called_back),
		cmocka_unit_test(a_dead_server_is_left_out),
		cmocka_unit_test(a_server_that_answers_others_works),
		cmocka_unit_test(a_probe_asks_for_what_is_configured),
		cmocka_unit_test(all_are_down_until_a_probe_is_answered),
		cmocka_unit_test(a_question_goes_through_all_the_same),
		cmocka_unit_test(a_probe_without_memory_is_tried_again),
		cmocka_unit_test(the_epoch_tells_of_possible_restarts),
	};

	return cmocka_run_group_tests_name("flow/upstream", tests, NULL, NULL);
}
