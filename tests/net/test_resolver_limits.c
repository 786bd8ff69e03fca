/* What a resolver takes of this machine, and what it says when the machine has no more.
 */
#include "questions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

/* As in resolver.c. */
#define UDP_CHANNELS_MAX 320
#define FORGOTTEN_MAX 256

#define MANY 10000

static struct world *
open_silent(bool is_tor)
{
	return world_open(&(struct world_options){.is_tor = is_tor});
}

/* As in dead zones: 3,000 under way at any time, each given up by the caller. */
static void
lost_questions_leave_nothing(void **state)
{
	struct world *w = open_silent(false);
	const unsigned files = open_files();
	const size_t memory = memory_used();

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		assert_non_null(ask(w));
		if (i >= 3000)
			cancel(&w->question[i - 3000]);
		if (i % 50 == 0) {
			run_ready(w->loop);
			assert_true(open_files() <= files + UDP_CHANNELS_MAX);
		}
	}
	cancel_all(w);
	run_ready(w->loop);
	assert_int_equal(w->ended, 0);
	assert_int_equal(open_files(), files);
	assert_true(memory_used() < memory + 500000);
	assert_works(w);
	world_close(w);
}

/* Names of which all but a few are given up soon. */
static void
give_up_most(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct question *q = ask(w);

		assert_non_null(q);
		if (i % 64 != 0)
			cancel(q);
		if (i % 50 == 0)
			run_ready(w->loop);
	}
}

/* Each channel has one that somebody still waits for. */
static void
a_few_questions_keep_no_others(void **state)
{
	struct world *w = open_silent(false);
	const unsigned files = open_files();
	size_t memory;

	(void)state;
	ask_many(w, 256);
	give_up_most(w, 5000);
	memory = memory_used();
	give_up_most(w, 5000);
	assert_true(memory_used() < memory + 1000000);
	assert_true(open_files() <= files + UDP_CHANNELS_MAX);
	assert_int_equal(w->ended, 0);
	/* Those are asked anew when their channel is given up. */
	w->server.by_udp = BY_UDP_ANSWER;
	give_up_most(w, 1000);
	run_ready(w->loop);
	for (unsigned i = 0; i < w->asked; i++)
		if (w->question[i].calls > 0)
			assert_answered(&w->question[i]);
	assert_true(w->ended > 1000 / 64 + 1);
	cancel_all(w);
	world_close(w);
}

/* The library can't forget one question, so tor's channel is renewed now and then. */
static void
lost_questions_to_tor_leave_nothing(void **state)
{
	struct world *w = open_silent(true);
	const unsigned files = open_files();
	unsigned renewed;
	size_t memory;

	(void)state;
	ask_many(w, FORGOTTEN_MAX / 2);
	cancel_all(w);
	memory = memory_used();
	for (unsigned i = 0; i < MANY; i++) {
		cancel(ask(w));
		if (i % 50 == 0)
			run_ready(w->loop);
	}
	run_ready(w->loop);
	assert_true(open_files() <= files + 1);
	assert_true(memory_used() < memory + 1000000);
	renewed = w->source->restarts;
	assert_in_range(renewed, MANY / FORGOTTEN_MAX, MANY / FORGOTTEN_MAX + 2);
	assert_works(w);
	assert_int_equal(w->source->restarts, renewed);
	world_close(w);
}

/* One that somebody waits for isn't lost when the channel is renewed. */
static void
a_renewed_channel_of_tor_is_kept_for_who_waits(void **state)
{
	struct world *w = open_silent(true);

	(void)state;
	ask_many(w, 1);
	for (unsigned i = 0; i < 3 * FORGOTTEN_MAX; i++) {
		cancel(ask(w));
		if (i % 50 == 0)
			run_ready(w->loop);
	}
	assert_in_range(w->source->restarts, 3, 4);
	server_answer(&w->server, 0, BY_UDP_ANSWER);
	wait_ended(w, 1);
	assert_answered(&w->question[0]);
	world_close(w);
}

/* All within one turn of the loop, so that no channel is destroyed by an event. */
static void
asked_and_cancelled_in_one_turn(void **state)
{
	struct world *w = open_silent(false);
	const unsigned files = open_files();

	(void)state;
	ask_many(w, 4096 + 256);
	assert_in_range(
		open_files(), files + UDP_CHANNELS_MAX - 5, files + UDP_CHANNELS_MAX);
	for (unsigned i = 0; i < 2000; i++)
		cancel(ask(w));
	assert_true(open_files() <= files + UDP_CHANNELS_MAX);
	cancel_all(w);
	for (unsigned i = 0; i < 2000; i++) {
		cancel(ask(w));
		assert_true(open_files() <= files + UDP_CHANNELS_MAX);
	}
	run_ready(w->loop);
	assert_int_equal(open_files(), files);
	world_close(w);
}

/* This machine has no more */

static void
set_descriptors(rlim_t n)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
without_descriptors(void **state)
{
	(void)state;
	for (int is_tor = 0; is_tor <= 1; is_tor++) {
		struct world *w = open_silent(is_tor);

		set_descriptors(3);
		ask_many(w, 20);
		wait_ended(w, 20);
		for (unsigned i = 0; i < 20; i++)
			assert_failed(&w->question[i], REASON_DESCRIPTORS);
		allow_many_files();
		assert_works(w);
		world_close(w);
	}
}

static void
without_descriptors_for_tcp(void **state)
{
	struct world *w = open_silent(false);

	(void)state;
	ask_many(w, 20);
	WAIT_UNTIL(w->loop, w->server.udp_seen == 20);
	set_descriptors(3);
	for (unsigned i = 0; i < 20; i++)
		server_answer(&w->server, i, BY_UDP_TRUNCATED);
	wait_ended(w, 20);
	allow_many_files();
	for (unsigned i = 0; i < 20; i++)
		assert_failed(&w->question[i], REASON_DESCRIPTORS);
	assert_works(w);
	world_close(w);
}

/* Without IPv6 the kernel has no socket for such a server: it is down, which isn't about
 * descriptors. */
static void
without_the_address_family(void **state)
{
	(void)state;
	for (int is_tor = 0; is_tor <= 1; is_tor++) {
		struct world *w = open_silent(is_tor);

		faults.socket_errno = EAFNOSUPPORT;
		ask_many(w, 20);
		wait_ended(w, 20);
		faults.socket_errno = 0;
		for (unsigned i = 0; i < 20; i++)
			assert_failed(&w->question[i], REASON_DNS_DOWN);
		assert_works(w);
		world_close(w);
	}
}

/* So is a link-local one whose interface has gone, and the log isn't filled with that. */
static void
without_the_interface(void **state)
{
	struct world *w = open_silent(false);
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(53),
		.sin6_scope_id = 7654321};
	struct resolver_config config = {
		.loop = w->loop, .counters = &w->counters, .tcp_ms = 1000};
	const char *log;

	(void)state;
	inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
	memcpy(&config.server.sa, &in6, sizeof(in6));
	config.server.len = sizeof(in6);
	resolver_free(w->resolver);
	w->resolver = resolver_new(&config);
	w->source = resolver_source(w->resolver);
	log_capture();
	ask_many(w, 20);
	wait_ended(w, 20);
	log = log_taken();
	for (unsigned i = 0; i < 20; i++)
		assert_failed(&w->question[i], REASON_DNS_DOWN);
	assert_in_range(count_words(log, "\n"), 0, 1);
	world_close(w);
}

/* The socket can't be watched. */
static void
without_an_event(void **state)
{
	(void)state;
	for (int is_tor = 0; is_tor <= 1; is_tor++) {
		struct world *w = open_silent(is_tor);

		faults.event_add = true;
		ask_many(w, 20);
		run_ready(w->loop);
		faults.event_add = false;
		wait_ended(w, 20);
		for (unsigned i = 0; i < 20; i++)
			assert_failed(&w->question[i], REASON_NOMEM);
		assert_works(w);
		world_close(w);
	}
}

/* Nor the connection, or its time. */
static void
without_an_event_for_tcp(void **state)
{
	struct world *w = open_silent(false);

	(void)state;
	ask_many(w, 20);
	WAIT_UNTIL(w->loop, w->server.udp_seen == 20);
	faults.event_add = true;
	for (unsigned i = 0; i < 20; i++)
		server_answer(&w->server, i, BY_UDP_TRUNCATED);
	run_ready(w->loop);
	faults.event_add = false;
	wait_ended(w, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_failed(&w->question[i], REASON_NOMEM);
	assert_works(w);
	world_close(w);
}

/* The connection is there, and then its socket can't be watched any more. */
static void
without_an_event_later(void **state)
{
	struct world *w = open_silent(false);

	(void)state;
	w->server.by_udp = BY_UDP_TRUNCATED;
	w->server.by_tcp = BY_TCP_SILENCE;
	ask_many(w, 1);
	WAIT_UNTIL(w->loop, w->counters.dns_tcp_queries == 1);
	faults.event_add = true;
	wait_ended(w, 1);
	faults.event_add = false;
	assert_failed(&w->question[0], REASON_NOMEM);
	assert_works(w);
	world_close(w);
}

/* Whichever socket or timer it is that can't be watched. */
static void
without_one_event(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		for (unsigned n = 1; n == 1 || faults.event_adds > 0; n++) {
			struct world *w = open_silent(i % 2 == 0);

			w->server.by_udp = BY_UDP_ANSWER;
			*(i < 2 ? &faults.nth_event_add : &faults.nth_epoll_ctl) = n;
			ask_many(w, 3);
			wait_ended(w, 3);
			faults.nth_event_add = faults.nth_epoll_ctl = 0;
			assert_works(w);
			world_close(w);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_questions_leave_nothing),
		cmocka_unit_test(a_few_questions_keep_no_others),
		cmocka_unit_test(lost_questions_to_tor_leave_nothing),
		cmocka_unit_test(a_renewed_channel_of_tor_is_kept_for_who_waits),
		cmocka_unit_test(asked_and_cancelled_in_one_turn),
		cmocka_unit_test(without_descriptors),
		cmocka_unit_test(without_descriptors_for_tcp),
		cmocka_unit_test(without_the_address_family),
		cmocka_unit_test(without_the_interface),
		cmocka_unit_test(without_an_event),
		cmocka_unit_test(without_an_event_for_tcp),
		cmocka_unit_test(without_an_event_later),
		cmocka_unit_test(without_one_event),
	};

	allow_many_files();
	return cmocka_run_group_tests_name("net/resolver_limits", tests, NULL, NULL);
}
