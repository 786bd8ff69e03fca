/* What doesn't fit into a datagram, or came malformed in one, is asked for by TCP. */
#include "questions.h"

#include "core/shares.h"

#include <unistd.h>

/* As TCP_CHANNELS_MAX in resolver.c. */
#define CONNECTIONS_MAX 256

static struct world *
open_tcp(enum by_udp by_udp, enum by_tcp by_tcp, int tcp_ms)
{
	struct world *w = world_open(&(struct world_options){.tcp_ms = tcp_ms});

	w->server.by_udp = by_udp;
	w->server.by_tcp = by_tcp;
	return w;
}

static void
assert_heard(const struct world *w, struct monotime since)
{
	assert_false(monotime_before(w->source->heard, since));
}

/* What the server does by TCP, and how the question ends. */
static const struct row {
	enum by_udp by_udp;
	enum by_tcp by_tcp;
	int tcp_ms;
	bool refuses;
	enum reason reason; /* REASON_NONE: it is answered */
} rows[] = {
	{BY_UDP_TRUNCATED, BY_TCP_ANSWER, 0, false, REASON_NONE},
	{BY_UDP_TRUNCATED, BY_TCP_PIECES, 0, false, REASON_NONE},
	{BY_UDP_TRUNCATED, BY_TCP_SILENCE, 0, true, REASON_DNS_TCP},
	{BY_UDP_TRUNCATED, BY_TCP_SILENCE, 100, false, REASON_DNS_TCP_TIMEOUT},
	{BY_UDP_TRUNCATED, BY_TCP_CLOSE, 0, false, REASON_DNS_TCP},
	{BY_UDP_TRUNCATED, BY_TCP_TRUNCATED, 0, false, REASON_DNS_BAD},
	{BY_UDP_GARBAGE, BY_TCP_ANSWER, 0, false, REASON_NONE},
	{BY_UDP_GARBAGE, BY_TCP_PIECES, 0, false, REASON_NONE},
	{BY_UDP_GARBAGE, BY_TCP_GARBAGE, 0, false, REASON_DNS_BAD},
	{BY_UDP_GARBAGE, BY_TCP_SILENCE, 0, true, REASON_DNS_BAD},
	{BY_UDP_GARBAGE, BY_TCP_SILENCE, 100, false, REASON_DNS_BAD},
	{BY_UDP_GARBAGE, BY_TCP_CLOSE, 0, false, REASON_DNS_BAD},
};

static void
each_way_of_tcp_has_its_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct world *w = open_tcp(r->by_udp, r->by_tcp, r->tcp_ms);
		const struct monotime start = loop_now();

		if (r->refuses)
			server_stop_tcp(&w->server);
		ask_many(w, 20);
		wait_ended(w, 20);
		for (unsigned q = 0; q < 20; q++)
			if (r->reason == REASON_NONE)
				assert_answered(&w->question[q]);
			else
				assert_failed(&w->question[q], r->reason);
		assert_heard(w, start);
		assert_int_equal(w->counters.dns_tcp_queries, 20);
		assert_works(w);
		world_close(w);
	}
}

static void
cancelled_while_under_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = open_tcp(rows[i].by_udp, rows[i].by_tcp, 0);
		const unsigned files = open_files();

		for (int turns = 0; turns < 6; turns++) {
			const unsigned asked = w->asked;

			ask_many(w, 20);
			for (int turn = 0; turn < turns; turn++)
				run_once(w->loop);
			cancel_all(w);
			for (unsigned q = asked; q < w->asked; q++)
				assert_in_range(w->question[q].calls, 0, 1);
		}
		assert_works(w);
		WAIT_UNTIL(w->loop, open_files() == files);
		world_close(w);
	}
}

static void
free_resolver(struct question *q)
{
	resolver_free(q->world->resolver);
	q->world->resolver = NULL;
}

static void
freed_while_under_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = open_tcp(rows[i].by_udp, rows[i].by_tcp, 0);

		ask_many(w, 20);
		WAIT_UNTIL(w->loop, w->counters.dns_tcp_queries > 0);
		free_resolver(&w->question[0]);
		run_ready(w->loop);
		world_close(w);
	}
}

static void
freed_by_the_first_that_ends(void **state)
{
	struct world *w = open_tcp(BY_UDP_TRUNCATED, BY_TCP_SILENCE, 100);

	(void)state;
	ask_many(w, 20);
	for (unsigned q = 0; q < 20; q++)
		w->question[q].then = free_resolver;
	wait_ended(w, 1);
	world_close(w);
}

/* More truncated answers than there may be connections. */
static void
connections_are_limited(void **state)
{
	const unsigned n = CONNECTIONS_MAX + 100;
	struct world *w = open_tcp(BY_UDP_TRUNCATED, BY_TCP_SILENCE, 3000);

	(void)state;
	ask_many(w, n);
	wait_ended(w, 100);
	assert_int_equal(w->counters.dns_tcp_full, 100);
	assert_in_range(w->counters.dns_tcp_queries, CONNECTIONS_MAX, n);
	for (unsigned q = 0; q < n; q++)
		if (w->question[q].calls > 0)
			assert_failed(&w->question[q], REASON_BUSY);
	wait_ended(w, n);
	for (unsigned q = 0; q < n; q++)
		assert_in_range(w->question[q].reason == REASON_BUSY ||
					w->question[q].reason == REASON_DNS_TCP_TIMEOUT,
			1, 1);
	w->server.by_tcp = BY_TCP_ANSWER;
	ask_many(w, 1);
	wait_ended(w, n + 1);
	assert_answered(&w->question[n]);
	world_close(w);
}

/* Those that hang don't keep others from being answered. */
static void
a_connection_that_hangs_makes_room(void **state)
{
	const unsigned n = CONNECTIONS_MAX;
	struct world *w = open_tcp(BY_UDP_TRUNCATED, BY_TCP_SILENCE, 0);
	struct monotime until;

	(void)state;
	ask_many(w, n);
	WAIT_UNTIL(w->loop, w->server.tcp_seen == n);
	until = monotime_add_ms(loop_now(), SHARES_WAIT_MS);
	WAIT_UNTIL(w->loop, monotime_reached(until, loop_now()));
	w->server.by_tcp = BY_TCP_ANSWER;
	ask_many(w, 1);
	wait_ended(w, 2);
	assert_answered(&w->question[n]);
	for (unsigned i = 0; i < n; i++)
		if (w->question[i].calls > 0)
			assert_failed(&w->question[i], REASON_BUSY);
	assert_int_equal(w->counters.dns_tcp_full, 1);
	world_close(w);
}

static void
cancel_connections(struct question *q)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		cancel(&q->world->question[i]);
}

/* Connections that nobody waits for any more are closed a moment later, but others may
 * take their places at once. */
static void
cancelled_connections_make_room(void **state)
{
	const unsigned n = CONNECTIONS_MAX;
	struct world *w = open_tcp(BY_UDP_TRUNCATED, BY_TCP_SILENCE, 0);

	(void)state;
	ask_many(w, n);
	WAIT_UNTIL(w->loop, w->server.tcp_seen == n);
	w->server.by_udp = BY_UDP_SILENCE;
	w->server.by_tcp = BY_TCP_ANSWER;
	ask_many(w, 3); /* by one socket, so that all three end in one turn */
	w->question[n].then = cancel_connections;
	server_answer(&w->server, n, BY_UDP_ANSWER);
	server_answer(&w->server, n + 1, BY_UDP_TRUNCATED);
	server_answer(&w->server, n + 2, BY_UDP_TRUNCATED);
	wait_ended(w, 3);
	for (unsigned i = n; i < n + 3; i++)
		assert_answered(&w->question[i]);
	assert_int_equal(w->counters.dns_tcp_full, 0);
	world_close(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_of_tcp_has_its_end),
		cmocka_unit_test(cancelled_while_under_way),
		cmocka_unit_test(freed_while_under_way),
		cmocka_unit_test(freed_by_the_first_that_ends),
		cmocka_unit_test(connections_are_limited),
		cmocka_unit_test(a_connection_that_hangs_makes_room),
		cmocka_unit_test(cancelled_connections_make_room),
	};

	allow_many_files();
	return cmocka_run_group_tests_name("net/resolver_tcp", tests, NULL, NULL);
}
