/* Tables that strangers fill, and clients that ask for names of theirs. */
#define FAKE_QUERIES 4096
#include "fakes.h"

#include "core/shares.h"

#define QUERIES 64

static struct result results[QUERIES + 1];
static struct lookup_client strangers = {.user = 1, .id = 1},
			    honest = {.user = 1, .id = 2};

/* "d*.example": d0.example, d1.example and so on */
static const char *
numbered(const char *pattern, unsigned i)
{
	static char name[64];
	const char *star = strchr(pattern, '*');

	snprintf(name, sizeof(name), "%.*s%u%s", (int)(star - pattern), pattern, i,
		star + 1);
	return name;
}

/* The table is full of names that are never answered, one for each millisecond. */
static void
open_full(struct world *w, const char *names)
{
	struct engine_config config = world_config();

	config.max_lookups = 4 * QUERIES;
	config.max_queries = QUERIES;
	world_open(w, &config);
	for (unsigned i = 0; i < QUERIES; i++) {
		look_up_as(w, &strangers, w->onion, numbered(names, i), &results[i]);
		pass_ms(w, 1);
	}
	assert_int_equal(w->srv.asked, QUERIES);
}

static void
end_full(struct world *w)
{
	for (unsigned i = 0; i <= QUERIES; i++)
		if (results[i].pending != NULL)
			lookup_cancel(results[i].pending);
	memset(results, 0, sizeof(results));
	world_close(w);
}

static void
another_client_gets_a_place_at_once(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_full(&w, "d*.dead.example");
	look_up_as(&w, &honest, w.onion, "good.example.org", &r);
	assert_true(asked_srv(&w, "good.example.org"));
	/* The one that made room is told, but not amid the other's start. */
	assert_int_equal(results[QUERIES / 2].calls, 0);
	assert_false(asked_srv(&w, numbered("d*.dead.example", QUERIES / 2)));
	pass_ms(&w, 0);
	assert_outcome(&results[QUERIES / 2], OUTCOME_TEMP, REASON_BUSY);
	answer_srv(&w, "good.example.org", srv_route(60, A_ONION, 25));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w.counters.queries_displaced, 1);
	assert_int_equal(w.counters.queries_full, 0);
	end_full(&w);
}

/* So it is on one connection of a mail server. */
static void
another_zone_gets_a_place_at_once(void **state)
{
	struct world w;
	struct result r;

	(void)state;
	open_full(&w, "d*.dead.example");
	look_up_as(&w, &strangers, w.onion, "good.example.org", &r);
	answer_srv(&w, "good.example.org", srv_none(60));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	end_full(&w);
}

static void
whoever_has_waited_longest_makes_room(void **state)
{
	struct world w;

	(void)state;
	open_full(&w, "d*.example");
	look_up_as(&w, &strangers, w.onion, "e.example", &results[QUERIES]);
	assert_outcome(&results[QUERIES], OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w.counters.queries_full, 1);
	pass_ms(&w, SHARES_WAIT_MS);
	look_up_as(&w, &strangers, w.onion, "e.example", &results[QUERIES]);
	pass_ms(&w, 0);
	assert_outcome(&results[QUERIES / 2], OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w.counters.queries_displaced, 1);
	answer_srv(&w, "e.example", srv_none(60));
	assert_outcome(&results[QUERIES], OUTCOME_NONE, REASON_NONE);
	end_full(&w);
}

/* Long after their lookups' deadline: the answer is still of use. */
static void
half_is_never_given_up(void **state)
{
	struct world w;

	(void)state;
	open_full(&w, "d*.example");
	for (unsigned i = 0; i < 2 * QUERIES; i++) {
		struct result r;

		pass_ms(&w, SHARES_WAIT_MS);
		look_up_as(&w, &strangers, w.onion, numbered("e*.example", i), &r);
		pass_ms(&w, 500);
		assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
	}
	for (unsigned i = 0; i < QUERIES; i++)
		assert_int_equal(
			asked_srv(&w, numbered("d*.example", i)), i < QUERIES / 2);
	end_full(&w);
}

/* Many ask for one name. */
static void
a_lookup_makes_room(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.max_lookups = QUERIES;
	config.max_waiters = 2 * QUERIES;
	world_open(&w, &config);
	for (unsigned i = 0; i < QUERIES; i++)
		look_up_as(&w, &strangers, w.onion, "dead.example", &results[i]);
	look_up_as(&w, &strangers, w.onion, "dead.example", &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w.counters.lookups_full, 1);
	look_up_as(&w, &honest, w.onion, "good.example.org", &r);
	assert_int_equal(results[QUERIES / 2].calls, 0);
	pass_ms(&w, 0);
	assert_outcome(&results[QUERIES / 2], OUTCOME_TEMP, REASON_BUSY);
	assert_int_equal(w.counters.lookups_displaced, 1);
	assert_int_equal(w.counters.deadlines, 0);
	answer_srv(&w, "good.example.org", srv_none(60));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	end_full(&w);
}

/* A hundred thousand names a second from a hundred clients, in a zone each; and one that
 * asks for a name that takes its time. */
static void
a_flood_holds_up_nobody_else(void **state)
{
	static struct lookup_client crowd[100];
	static struct result flood[100];
	struct engine_config config = world_config();
	struct world w;
	unsigned names = 0, answered = 0;

	(void)state;
	memset(flood, 0, sizeof(flood));
	config.max_lookups = 4 * QUERIES;
	config.max_queries = QUERIES;
	world_open(&w, &config);
	for (unsigned ms = 0; ms < 4800; ms++) {
		static struct result r;

		for (unsigned i = 0; i < 100; i++) {
			crowd[i].id = 10 + i;
			if (flood[i].pending == NULL)
				look_up_as(&w, &crowd[i], w.onion,
					numbered("d.e*.example", names++), &flood[i]);
		}
		if (ms % 400 == 10)
			look_up_as(&w, &honest, w.onion, numbered("g*.good.org", ms), &r);
		pass_ms(&w, 1);
		if (ms % 400 == 310 && asked_srv(&w, numbered("g*.good.org", ms - 300))) {
			answer_srv(&w, numbered("g*.good.org", ms - 300), srv_none(60));
			assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
			answered++;
		}
	}
	assert_int_equal(answered, 12);
	for (unsigned i = 0; i < 100; i++)
		if (flood[i].pending != NULL)
			lookup_cancel(flood[i].pending);
	world_close(&w);
}

/* One mail server, which asks for one name after the other. */

static struct engine_config
slow_config(void)
{
	struct engine_config config = world_config();

	config.dns = (struct retry_policy){.timeout_ms = 2000, .tries = 3};
	config.max_queries = 1024;
	config.max_lookups = 4096;
	config.cache.entries = 10000;
	return config;
}

struct mail {
	struct world w;
	struct lookup_client client;
	unsigned right; /* of the good ones, at the first asking */
};

static struct result
ask_and_wait(struct mail *m, const char *name, int64_t answer_ms)
{
	struct result r;

	look_up_as(&m->w, &m->client, m->w.onion, name, &r);
	for (int64_t ms = 0; r.calls == 0; ms++) {
		if (ms == answer_ms)
			answer_srv(&m->w, name, srv_route(60, A_ONION, 25));
		else
			pass_ms(&m->w, 1);
	}
	return r;
}

/* A thousand names that are never answered, and a hundred good ones between them. */
static int64_t
deliver(struct mail *m, const char *dead)
{
	struct monotime start = m->w.now;

	m->right = 0;
	for (unsigned i = 0; i < 1000; i++) {
		struct result r = ask_and_wait(m, numbered(dead, i), -1);

		assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
		if (i % 10 != 0)
			continue;
		r = ask_and_wait(m, numbered("good*.org", i), i % 7 == 0 ? 30 : 3);
		m->right += r.outcome == OUTCOME_ROUTE;
	}
	return monotime_diff_ms(m->w.now, start);
}

static void
assert_delivered(const char *dead)
{
	static struct mail m;
	struct engine_config config = slow_config();

	m = (struct mail){.client = {.id = 1}};
	world_open(&m.w, &config);
	lookup_client_limit(&m.client, m.w.onion, m.w.now);
	assert_in_range(deliver(&m, dead), 0, 60000);
	assert_int_equal(m.right, 100);
	assert_true(m.w.counters.deadlines_shortened > 900);
	assert_int_equal(m.w.counters.queries_full, 0);
	world_close(&m.w);
}

static void
a_dead_zone_holds_up_no_mail(void **state)
{
	(void)state;
	assert_delivered("d*.dead.example");
}

static void
a_thousand_dead_zones_hold_up_no_mail(void **state)
{
	(void)state;
	assert_delivered("dead*.example");
}

/* One whose answer takes longer than that is right at the next asking. */
static void
a_late_answer_is_of_use(void **state)
{
	static struct mail m;
	struct engine_config config = slow_config();
	struct result r;

	(void)state;
	m = (struct mail){.client = {.id = 1}};
	world_open(&m.w, &config);
	lookup_client_limit(&m.client, m.w.onion, m.w.now);
	for (unsigned i = 0; i < 10; i++)
		ask_and_wait(&m, numbered("d*.example", i), -1);
	r = ask_and_wait(&m, "slow.example", 300);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
	pass_ms(&m.w, 300);
	answer_srv(&m.w, "slow.example", srv_route(60, A_ONION, 25));
	r = ask_and_wait(&m, "slow.example", -1);
	assert_route(&r, A_ONION, 25);
	world_close(&m.w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_client_gets_a_place_at_once),
		cmocka_unit_test(another_zone_gets_a_place_at_once),
		cmocka_unit_test(whoever_has_waited_longest_makes_room),
		cmocka_unit_test(half_is_never_given_up),
		cmocka_unit_test(a_lookup_makes_room),
		cmocka_unit_test(a_flood_holds_up_nobody_else),
		cmocka_unit_test(a_dead_zone_holds_up_no_mail),
		cmocka_unit_test(a_thousand_dead_zones_hold_up_no_mail),
		cmocka_unit_test(a_late_answer_is_of_use),
	};

	return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
