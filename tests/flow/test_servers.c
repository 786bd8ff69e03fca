/* Servers that come and go, and their probes. */
#include "servers.h"

static void
what_a_server_that_leaves_was_asked_is_asked_of_another(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	for (int i = 0; i < 3; i++)
		upstream_ask(s.upstream, DNS_TYPE_SRV, NAME, s.now, done, &s);
	pass(&s, 500);
	s.alarms = 0;
	SET_SERVERS(&s, 1);
	assert_int_equal(fake_open(&s.server[0]), 0);
	assert_true(s.alarms > 0);
	assert_next(&s, 0);
	pass(&s, 0);
	assert_int_equal(fake_open(&s.server[1]), 3);
	assert_next(&s, 1000); /* it has all of its time */
	for (int i = 0; i < 3; i++)
		answer(&s, 1, srv_route(60, A_ONION, 25));
	assert_int_equal(s.calls, 3);
	close_servers(&s);
}

/* Its receive buffer may not hold them all. */
static void
a_server_that_comes_gets_them_in_batches(void **state)
{
	const unsigned batch = 64, many = 3 * batch + 1;
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	for (unsigned i = 0; i < many; i++)
		upstream_ask(s.upstream, DNS_TYPE_SRV, NAME, s.now, done, &s);
	SET_SERVERS(&s, 1);
	pass(&s, 0);
	assert_int_equal(fake_open(&s.server[1]), batch);
	SET_SERVERS(&s, 2); /* again, with most of them still to be asked */
	assert_int_equal(fake_open(&s.server[1]), 0);
	for (unsigned i = 1; fake_open(&s.server[2]) < many; i++) {
		pass(&s, 19);
		assert_next(&s, 1);
		pass(&s, 1);
		assert_int_equal(
			fake_open(&s.server[2]), i * batch < many ? i * batch : many);
	}
	for (unsigned i = 0; i < many; i++)
		answer(&s, 2, srv_none(60));
	assert_int_equal(s.calls, many);
	close_servers(&s);
}

/* It keeps what it was asked, and what is known of it. */
static void
a_server_that_stays_stays_as_it_is(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	say(&s, 0, srv_none(60)); /* it knows the type */
	ask(&s);
	SET_SERVERS(&s, 2, 0);
	pass(&s, 0);
	assert_int_equal(s.server[2].asked, 0);
	answer(&s, 0, bare(DNS_BARE_NODATA));
	assert_int_equal(s.answer.status, DNS_NONE);
	ask(&s);
	assert_int_equal(s.server[2].asked, 1); /* it is the preferred one now */
	answer(&s, 2, srv_none(60));
	close_servers(&s);
}

static void
one_of_two_leaves(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	ask(&s);
	pass(&s, 1000); /* asked of both */
	SET_SERVERS(&s, 0);
	assert_int_equal(fake_open(&s.server[1]), 0);
	answer(&s, 0, srv_none(60)); /* the first counts all the same */
	assert_int_equal(s.answer.status, DNS_NONE);
	close_servers(&s);
}

static void
a_probe_leaves_with_its_server(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	break_down(&s);
	pass(&s, BREAKER_PAUSE_MIN_MS);
	assert_int_equal(fake_open(&s.server[0]), 1);
	SET_SERVERS(&s, 1);
	assert_int_equal(fake_open(&s.server[0]), 0);
	assert_false(upstream_is_down(s.upstream));
	close_servers(&s);
}

static void
without_servers_all_fails_at_once(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 0, 3);
	assert_true(upstream_is_down(s.upstream));
	assert_non_null(ask(&s));
	assert_next(&s, 0);
	pass(&s, 0);
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.answer.reason, REASON_DNS_DOWN);
	SET_SERVERS(&s, 0);
	assert_int_equal(say(&s, 0, srv_none(60)), DNS_NONE);
	ask(&s);
	assert_true(upstream_set_servers(s.upstream, NULL, 0, s.now));
	pass(&s, 0);
	assert_int_equal(s.answer.reason, REASON_DNS_DOWN);
	close_servers(&s);
}

/* It is asked once a round, and leaves as a whole. */
static void
a_server_that_is_listed_twice_counts_once(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 1, 1);
	SET_SERVERS(&s, 1, 1, 2, 1);
	ask(&s);
	pass(&s, 1000);
	assert_int_equal(s.server[1].asked, 1);
	assert_int_equal(s.server[2].asked, 1);
	SET_SERVERS(&s, 2, 2);
	assert_int_equal(fake_open(&s.server[1]), 0);
	answer(&s, 2, srv_none(60));
	assert_int_equal(s.answer.status, DNS_NONE);
	ask(&s);
	SET_SERVERS(&s, 0);
	pass(&s, 0);
	answer(&s, 0, srv_none(60));
	assert_int_equal(s.answer.status, DNS_NONE);
	close_servers(&s);
}

/* A file that changes all the time, faster than a question is given up. */
static void
a_question_has_an_end_though_servers_come_and_go(void **state)
{
	static const size_t sets[][2] = {{1, 0}, {2, 0}};
	struct servers s;

	(void)state;
	for (size_t with_same = 0; with_same < 2; with_same++) {
		open_servers(&s, 1, 2);
		ask(&s);
		for (unsigned i = 0; i < 100 && s.calls == 0; i++) {
			set_servers(&s, 1 + with_same, sets[i % 2]);
			pass(&s, 999);
			pass(&s, 1);
			assert_true(fake_open(&s.server[0]) <= 2 * UPSTREAM_SERVERS);
		}
		assert_int_equal(s.calls, 1);
		assert_int_equal(s.answer.status, DNS_FAILED);
		close_servers(&s);
	}
}

/* Under load, many times within one turn of the loop. */
static void
servers_change_quickly_under_load(void **state)
{
	struct servers s;

	(void)state;
	open_servers(&s, 2, 2);
	for (unsigned i = 0; i < 20; i++)
		upstream_ask(s.upstream, DNS_TYPE_SRV, NAME, s.now, done, &s);
	for (unsigned i = 0; i < 50; i++) {
		SET_SERVERS(&s, i % 3);
		SET_SERVERS(&s, (i + 1) % 3, i % 3);
		assert_true(upstream_set_servers(s.upstream, NULL, 0, s.now));
	}
	SET_SERVERS(&s, 2, 1);
	pass(&s, 0);
	assert_int_equal(fake_open(&s.server[0]) + fake_open(&s.server[1]), 0);
	assert_int_equal(fake_open(&s.server[2]), 20); /* each by one of them only */
	for (unsigned i = 0; i < 20; i++)
		answer(&s, 2, srv_none(60));
	assert_int_equal(s.calls, 20);
	close_servers(&s);
}

/* Otherwise an address of before a restart would count as one of after it. */
static void
a_count_of_restarts_never_comes_back(void **state)
{
	struct servers s;
	uint32_t last;

	(void)state;
	open_servers(&s, 2, 1);
	last = upstream_restarts(s.upstream);
	for (size_t i = 0; i < 6; i++) {
		ask(&s);
		pass(&s, 1000);
		pass(&s, 1000);
		assert_true(upstream_restarts(s.upstream) > last);
		last = upstream_restarts(s.upstream);
		SET_SERVERS(&s, i % 3, (i + 1) % 3);
		assert_true(upstream_restarts(s.upstream) >= last);
		last = upstream_restarts(s.upstream);
	}
	close_servers(&s);
}

/* Probes */

/* While it is under way, a question is answered: it has nothing more to tell. Much later
 * the server is silent again. */
static void
a_lost_probe_says_nothing_of_later(void **state)
{
	struct servers s;

	(void)state;
	open_configured(&s, (struct upstream_config){.n = 1, .tries = 1, .probe = ""});
	for (int round = 0; round < 2; round++) {
		unsigned before = s.server[0].asked;

		for (int i = 0; i < BREAKER_FAILURES; i++)
			ask(&s);
		pass(&s, 1000);
		assert_int_equal(s.server[0].asked, before + BREAKER_FAILURES + 1);
		assert_non_null(fake_find_typed(&s.server[0], DNS_TYPE_A, ""));
		assert_int_equal(say(&s, 0, srv_none(60)), DNS_NONE);
		assert_int_equal(fake_open(&s.server[0]), 0);
		pass(&s, 3600000);
	}
	assert_int_equal(s.opened, 0);
	close_servers(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_server_that_leaves_was_asked_is_asked_of_another),
		cmocka_unit_test(a_server_that_comes_gets_them_in_batches),
		cmocka_unit_test(a_server_that_stays_stays_as_it_is),
		cmocka_unit_test(one_of_two_leaves),
		cmocka_unit_test(a_probe_leaves_with_its_server),
		cmocka_unit_test(without_servers_all_fails_at_once),
		cmocka_unit_test(a_server_that_is_listed_twice_counts_once),
		cmocka_unit_test(a_question_has_an_end_though_servers_come_and_go),
		cmocka_unit_test(servers_change_quickly_under_load),
		cmocka_unit_test(a_count_of_restarts_never_comes_back),
		cmocka_unit_test(a_lost_probe_says_nothing_of_later),
	};

	return cmocka_run_group_tests_name("flow/servers", tests, NULL, NULL);
}
