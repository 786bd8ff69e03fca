/* Questions to a server by UDP: each ends once, never inside ask(), and not after it was
 * cancelled; whatever the server does, and whatever a callback does. */
#include "questions.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How questions travel: each by a channel of its own, many by shared ones, or all by the
 * only one of tor. */
static const struct way {
	bool is_tor;
	unsigned n;
} ways[] = {{false, 20}, {false, 700}, {true, 100}};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static struct world *
open_way(const struct way *way)
{
	return world_open(&(struct world_options){.is_tor = way->is_tor});
}

static void
each_is_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);

		w->server.by_udp = BY_UDP_ANSWER;
		ask_many(w, ways[i].n);
		wait_ended(w, ways[i].n);
		for (unsigned n = 0; n < ways[i].n; n++)
			assert_answered(&w->question[n]);
		world_close(w);
	}
}

/* Some of them inside the call that asks another. */
static void
all_end_when_nobody_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);
		const unsigned n = ways[i].n;

		ask_many(w, n);
		WAIT_UNTIL(w->loop, w->server.udp_seen == n);
		server_stop(&w->server);
		if (!ways[i].is_tor) { /* nobody says that it has gone */
			run_ready(w->loop);
			assert_int_equal(w->ended, 0);
			world_close(w);
			continue;
		}
		ask_many(w, 4);
		wait_ended(w, n + 4);
		for (unsigned q = 0; q < n + 4; q++)
			assert_failed(&w->question[q], REASON_DNS_DOWN);
		server_restart(&w->server);
		assert_works(w);
		world_close(w);
	}
}

static void
nobody_was_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);

		server_stop(&w->server);
		ask_many(w, ways[i].n);
		wait_ended(w, ways[i].n);
		for (unsigned n = 0; n < ways[i].n; n++)
			assert_failed(&w->question[n], REASON_DNS_DOWN);
		server_restart(&w->server);
		assert_works(w);
		world_close(w);
	}
}

/* What a callback may do */

static void
cancel_some(struct question *q)
{
	struct world *w = q->world;

	for (unsigned i = q->number + 1; i < w->asked; i += 2)
		if (w->question[i].query != NULL)
			cancel(&w->question[i]);
}

static void
ask_another(struct question *q)
{
	assert_non_null(ask(q->world));
}

static void
cancel_and_ask(struct question *q)
{
	cancel_some(q);
	ask_another(q);
	ask_another(q);
}

static void
free_resolver(struct question *q)
{
	resolver_free(q->world->resolver);
	q->world->resolver = NULL;
}

static void
cancel_ask_and_free(struct question *q)
{
	cancel_and_ask(q);
	free_resolver(q);
}

/* Asks n questions, of which number i does something when it has ended. */
static void
ask_with(struct world *w, unsigned n, unsigned i, void (*then)(struct question *))
{
	ask_many(w, n);
	w->question[i].then = then;
}

/* All that hasn't been cancelled ends once. */
static void
assert_all_over(struct world *w)
{
	unsigned calls = 0;

	for (unsigned i = 0; i < w->asked; i++) {
		assert_in_range(w->question[i].calls, 0, 1);
		calls += w->question[i].calls;
	}
	assert_int_equal(calls, w->ended);
}

/* The answers come at once, or nobody is there. */
static void
end_all(struct world *w, bool answered)
{
	unsigned n = w->asked;

	WAIT_UNTIL(w->loop, w->server.udp_seen >= n);
	if (answered) {
		for (unsigned i = 0; i < n; i++)
			server_answer(&w->server, i, BY_UDP_ANSWER);
		w->server.by_udp = BY_UDP_ANSWER;
		return;
	}
	server_stop(&w->server);
	ask_many(w, 2);
}

static void
act_in_callback(
	const struct way *way, bool answered, unsigned i, void (*then)(struct question *))
{
	struct world *w = open_way(way);

	ask_with(w, way->n, i, then);
	end_all(w, answered);
	WAIT_UNTIL(w->loop, w->question[i].calls > 0);
	run_ready(w->loop);
	assert_all_over(w);
	if (w->resolver != NULL)
		for (unsigned n = 0; n < w->asked; n++)
			assert_null(w->question[n].query);
	world_close(w);
}

static void
a_callback_may_do_anything(void **state)
{
	static void (*const acts[])(struct question *) = {cancel_some, ask_another,
		cancel_and_ask, free_resolver, cancel_ask_and_free};

	(void)state;
	for (size_t i = 0; i < WAYS; i++)
		for (size_t a = 0; a < sizeof(acts) / sizeof(acts[0]); a++) {
			act_in_callback(&ways[i], true, 0, acts[a]);
			act_in_callback(&ways[i], true, ways[i].n / 2, acts[a]);
			if (ways[i].is_tor) {
				act_in_callback(&ways[i], false, 0, acts[a]);
				act_in_callback(&ways[i], false, 50, acts[a]);
			}
		}
}

/* Cancelling */

static void
cancel_every_third(struct world *w)
{
	for (unsigned i = 0; i < w->asked; i += 3)
		if (w->question[i].query != NULL)
			cancel(&w->question[i]);
}

static void
assert_others_answered(struct world *w, unsigned n)
{
	wait_ended(w, n - (n + 2) / 3);
	for (unsigned i = 0; i < n; i++)
		if (i % 3 == 0)
			assert_never_ended(&w->question[i]);
		else
			assert_answered(&w->question[i]);
}

static void
cancelled_before_the_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);

		w->server.by_udp = BY_UDP_ANSWER;
		ask_many(w, ways[i].n);
		cancel_every_third(w);
		assert_others_answered(w, ways[i].n);
		world_close(w);
	}
}

/* The answer is in the socket already. */
static void
cancelled_after_the_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);
		const unsigned n = ways[i].n;

		ask_many(w, n);
		WAIT_UNTIL(w->loop, w->server.udp_seen == n);
		for (unsigned q = 0; q < n; q++)
			server_answer(&w->server, q, BY_UDP_ANSWER);
		cancel_every_third(w);
		assert_others_answered(w, n);
		world_close(w);
	}
}

/* It has ended inside ask(), but that isn't handed out yet. */
static void
cancelled_after_the_end(void **state)
{
	const struct way tor = {true, 20};
	struct world *w = open_way(&tor);

	(void)state;
	ask_many(w, 20);
	WAIT_UNTIL(w->loop, w->server.udp_seen == 20);
	server_stop(&w->server);
	ask_many(w, 4);
	cancel_every_third(w);
	wait_ended(w, 16);
	ask_many(w, 3);
	cancel_all(w);
	run_ready(w->loop);
	assert_int_equal(w->ended, 16);
	world_close(w);
}

static void
freed_with_all_under_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);

		ask_many(w, ways[i].n);
		cancel_every_third(w);
		free_resolver(&w->question[0]); /* those that ended aren't handed out */
		run_ready(w->loop);
		assert_int_equal(w->ended, 0);
		world_close(w);
		w = open_way(&ways[i]);
		server_stop(&w->server);
		ask_many(w, ways[i].n);
		cancel_every_third(w);
		free_resolver(&w->question[0]);
		run_ready(w->loop);
		assert_int_equal(w->ended, 0);
		world_close(w);
	}
}

/* Strange answers */

static void
an_answer_that_comes_twice_ends_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);

		w->server.by_udp = BY_UDP_TWICE;
		ask_many(w, ways[i].n);
		wait_ended(w, ways[i].n);
		for (unsigned n = 0; n < ways[i].n; n++)
			assert_answered(&w->question[n]);
		assert_works(w);
		world_close(w);
	}
}

static void
a_wrong_id_is_no_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);

		w->server.by_udp = BY_UDP_WRONG_ID;
		ask_many(w, ways[i].n);
		wait_ended(w, ways[i].n);
		for (unsigned n = 0; n < ways[i].n; n++)
			assert_answered(&w->question[n]);
		world_close(w);
	}
}

static void
an_answer_after_all_were_cancelled(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = open_way(&ways[i]);

		ask_many(w, ways[i].n);
		WAIT_UNTIL(w->loop, w->server.udp_seen == ways[i].n);
		cancel_all(w);
		for (unsigned n = 0; n < ways[i].n; n++)
			server_answer(&w->server, n, BY_UDP_ANSWER);
		run_ready(w->loop);
		for (unsigned n = 0; n < ways[i].n; n++)
			server_answer(&w->server, n, BY_UDP_ANSWER);
		run_ready(w->loop);
		assert_int_equal(w->ended, 0);
		assert_works(w);
		world_close(w);
	}
}

/* Tor isn't asked by TCP. */
static void
garbage_from_tor(void **state)
{
	struct world *w = world_open(&(struct world_options){.is_tor = true});

	(void)state;
	w->server.by_udp = BY_UDP_GARBAGE;
	ask_many(w, 1);
	wait_ended(w, 1);
	assert_failed(&w->question[0], REASON_DNS_BAD);
	w->server.by_udp = BY_UDP_TRUNCATED;
	ask_many(w, 1);
	wait_ended(w, 2);
	assert_int_equal(w->question[1].status, DNS_FAILED);
	assert_int_equal(w->counters.dns_tcp_queries, 0);
	world_close(w);
}

/* The rule that none of this runs inside a call of c-ares */

static void
ask_inside(void *arg)
{
	ask(arg);
}

static void
cancel_inside(void *arg)
{
	cancel(&((struct world *)arg)->question[0]);
}

static void
free_inside(void *arg)
{
	resolver_free(((struct world *)arg)->resolver);
}

static void
code_inside_c_ares_ends_the_process(void **state)
{
	static void (*const acts[])(void *) = {ask_inside, cancel_inside, free_inside};

	(void)state;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		struct world *w = world_open(&(struct world_options){0});
		int status;
		pid_t pid;

		log_capture();
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			setrlimit(RLIMIT_CORE, &(struct rlimit){0});
			signal(SIGABRT, SIG_DFL);
			ask_many(w, 1);
			faults.on_connect = acts[i];
			faults.arg = w;
			ask(w);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(
			count_words(log_taken(), "ran inside a call of c-ares"), 1);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
		world_close(w);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_answered),
		cmocka_unit_test(all_end_when_nobody_is_there),
		cmocka_unit_test(nobody_was_there),
		cmocka_unit_test(a_callback_may_do_anything),
		cmocka_unit_test(cancelled_before_the_answer),
		cmocka_unit_test(cancelled_after_the_answer),
		cmocka_unit_test(cancelled_after_the_end),
		cmocka_unit_test(freed_with_all_under_way),
		cmocka_unit_test(an_answer_that_comes_twice_ends_nothing_else),
		cmocka_unit_test(a_wrong_id_is_no_answer),
		cmocka_unit_test(an_answer_after_all_were_cancelled),
		cmocka_unit_test(garbage_from_tor),
		cmocka_unit_test(code_inside_c_ares_ends_the_process),
	};

	allow_many_files();
	return cmocka_run_group_tests_name("net/resolver", tests, NULL, NULL);
}
