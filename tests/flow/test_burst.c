/* A burst of questions is more than a server's receive buffer holds. */
#include "fakes.h"

#include "flow/inflight.h"

#define BURST 100
#define LOOKUPS 250

static struct result results[LOOKUPS];

static const char *
name_of(unsigned i)
{
	static char name[32];

	snprintf(name, sizeof(name), "d%u.example", i);
	return name;
}

static void
open_burst(struct world *w)
{
	struct engine_config config = world_config();

	config.max_lookups = config.max_queries = LOOKUPS + 1;
	config.cache.entries = 2 * LOOKUPS;
	world_open(w, &config);
	for (unsigned i = 0; i < LOOKUPS; i++)
		look_up(w, w->onion, name_of(i), &results[i]);
}

static void
end_burst(struct world *w)
{
	for (unsigned i = 0; i < LOOKUPS; i++)
		if (results[i].calls == 0)
			lookup_cancel(results[i].pending);
	world_close(w);
}

static void
an_answer_makes_room_for_a_question(void **state)
{
	struct world w;

	(void)state;
	open_burst(&w);
	assert_int_equal(w.srv.asked, BURST);
	assert_int_equal(w.counters.queries_queued, LOOKUPS - BURST);
	for (unsigned i = 0; i < LOOKUPS; i++) {
		answer_srv(&w, name_of(i), srv_none(60));
		assert_outcome(&results[i], OUTCOME_NONE, REASON_NONE);
	}
	assert_int_equal(w.srv.asked, LOOKUPS);
	assert_int_equal(w.counters.dns_queries, LOOKUPS);
	end_burst(&w);
}

/* What isn't answered soon doesn't hold up the others. */
static void
slow_answers_make_room_too(void **state)
{
	struct world w;
	struct monotime when;

	(void)state;
	open_burst(&w);
	assert_true(engine_next_deadline(w.engine, &when));
	assert_int_equal(monotime_diff_ms(when, w.now), INFLIGHT_RECENT_MS);
	pass_ms(&w, INFLIGHT_RECENT_MS - 1);
	assert_int_equal(w.srv.asked, BURST);
	pass_ms(&w, 1);
	assert_int_equal(w.srv.asked, 2 * BURST);
	pass_ms(&w, INFLIGHT_RECENT_MS);
	assert_int_equal(w.srv.asked, LOOKUPS);
	assert_true(engine_next_deadline(w.engine, &when));
	assert_true(monotime_diff_ms(when, w.now) > INFLIGHT_RECENT_MS);
	/* Late answers count like the others. */
	for (unsigned i = 0; i < LOOKUPS; i++) {
		answer_srv(&w, name_of(i), srv_none(60));
		assert_outcome(&results[i], OUTCOME_NONE, REASON_NONE);
	}
	end_burst(&w);
}

/* Nobody waits any more for what hasn't been asked yet: it is, for the cache. And whoever
 * asks again doesn't wait as long again. */
static void
what_is_in_the_queue_is_asked_all_the_same(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_burst(&w);
	for (unsigned i = BURST; i < LOOKUPS; i++) {
		lookup_cancel(results[i].pending);
		results[i].calls = 1;
	}
	pass_ms(&w, INFLIGHT_RECENT_MS);
	assert_int_equal(w.srv.asked, 2 * BURST);
	pass_ms(&w, INFLIGHT_RECENT_MS);
	assert_int_equal(w.srv.asked, LOOKUPS);
	pass_ms(&w, 500);
	look_up(&w, w.onion, name_of(LOOKUPS - 1), &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
	assert_int_equal(w.counters.fast_failures, 1);
	answer_srv(&w, name_of(LOOKUPS - 1), srv_none(60));
	look_up(&w, w.onion, name_of(LOOKUPS - 1), &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	end_burst(&w);
}

/* A question that comes when the last ones have aged goes out at once. */
static void
a_pause_ends_a_burst(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_burst(&w);
	for (int i = 0; i < 3; i++)
		pass_ms(&w, INFLIGHT_RECENT_MS);
	look_up(&w, w.onion, "late.example", &r);
	assert_int_equal(w.srv.asked, LOOKUPS + 1);
	lookup_cancel(r.pending);
	end_burst(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_makes_room_for_a_question),
		cmocka_unit_test(slow_answers_make_room_too),
		cmocka_unit_test(what_is_in_the_queue_is_asked_all_the_same),
		cmocka_unit_test(a_pause_ends_a_burst),
	};

	return cmocka_run_group_tests_name("burst", tests, NULL, NULL);
}
