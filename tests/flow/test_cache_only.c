/* Lookups that only fill the cache, for a policy service. */
#include "fakes.h"

#include "core/shares.h"

#define QUERIES 16

static struct result results[QUERIES + 1];
static struct profile *cache_only;

static void
open_world(struct world *w, const struct engine_config *config)
{
	world_open(w, config);
	cache_only = engine_profile_cache_only(w->engine, 3000);
	assert_non_null(cache_only);
}

static void
ask_numbered(struct world *w, struct profile *profile, unsigned i)
{
	char name[32];

	snprintf(name, sizeof(name), "d%u.dead.example", i);
	look_up(w, profile, name, &results[i]);
}

static void
end_world(struct world *w)
{
	for (unsigned i = 0; i <= QUERIES; i++)
		if (results[i].pending != NULL)
			lookup_cancel(results[i].pending);
	memset(results, 0, sizeof(results));
	world_close(w);
}

/* It waits longer than the other, which then finds what it needs. */
static void
the_next_lookup_is_ready(void **state)
{
	const struct engine_config config = world_config();
	struct result r;
	struct world w;

	(void)state;
	open_world(&w, &config);
	look_up(&w, cache_only, "a@example.org", &results[0]);
	pass_ms(&w, 2000);
	assert_int_equal(results[0].calls, 0);
	answer_srv(&w, "example.org", srv_route(60, A_ONION, 25));
	assert_int_equal(results[0].calls, 1);
	look_up(&w, w.onion, "a@example.org", &r);
	assert_route(&r, A_ONION, 25);
	assert_int_equal(w.srv.asked, 1);
	assert_int_equal(w.counters.policy_lookups, 1);
	assert_int_equal(w.counters.lookups, 1);
	assert_int_equal(w.counters.answers_route, 1);
	end_world(&w);
}

static void
the_deadline_ends_it(void **state)
{
	const struct engine_config config = world_config();
	struct world w;

	(void)state;
	open_world(&w, &config);
	look_up(&w, cache_only, "a@example.org", &results[0]);
	pass_ms(&w, 2999);
	assert_int_equal(results[0].calls, 0);
	pass_ms(&w, 1);
	assert_int_equal(results[0].calls, 1);
	assert_int_equal(w.counters.answers_temp, 0);
	assert_true(asked_srv(&w, "example.org"));
	answer_srv(&w, "example.org", srv_none(60));
	end_world(&w);
}

/* Neither for an onion name nor for a route. */
static void
nothing_is_asked_but_dns(void **state)
{
	const struct engine_config config = world_config();
	struct world w;

	(void)state;
	open_world(&w, &config);
	look_up(&w, cache_only, "a@" A_ONION, &results[0]);
	look_up(&w, cache_only, "", &results[1]);
	assert_int_equal(results[0].calls, 1);
	assert_int_equal(results[1].calls, 1);
	assert_int_equal(w.srv.asked, 0);
	look_up(&w, cache_only, "example.org", &results[2]);
	answer_srv(&w, "example.org", srv_route(60, A_ONION, 25));
	assert_int_equal(results[2].calls, 1);
	assert_int_equal(w.tor.asked, 0);
	end_world(&w);
}

static int64_t
fake_wall(void)
{
	return 5000;
}

/* The first use is that of the mail. */
static void
nothing_is_pinned(void **state)
{
	const struct pins_config pins_config = {.max = 10, .hold_s = 1000};
	const struct engine_config config = world_config();
	struct engine_ports ports;
	struct world w;
	struct result r;

	(void)state;
	world_prepare(&w, &ports);
	ports.pins = pins_new(&pins_config);
	ports.wall = fake_wall;
	world_start(&w, &config, &ports);
	cache_only = engine_profile_cache_only(w.engine, 3000);
	look_up(&w, cache_only, "example.org", &results[0]);
	answer_srv(&w, "example.org", srv_route(60, A_ONION, 25));
	look_up(&w, cache_only, "example.org", &results[0]);
	assert_int_equal(pins_count(ports.pins), 0);
	look_up(&w, w.onion, "example.org", &r);
	assert_int_equal(pins_count(ports.pins), 1);
	end_world(&w);
	pins_free(ports.pins);
}

static void
a_quarter_of_the_queries(void **state)
{
	struct engine_config config = world_config();
	struct world w;

	(void)state;
	config.max_queries = QUERIES;
	config.max_lookups = 4 * QUERIES;
	open_world(&w, &config);
	for (unsigned i = 0; i < QUERIES; i++)
		ask_numbered(&w, cache_only, i);
	assert_int_equal(w.srv.asked, QUERIES / 4);
	assert_int_equal(w.counters.policy_full, QUERIES - QUERIES / 4);
	assert_int_equal(w.counters.queries_full, 0);
	for (unsigned i = 0; i < QUERIES; i++)
		assert_int_equal(results[i].calls, i >= QUERIES / 4);
	/* One that is being asked already takes no more room, and an answer makes some.
	 */
	look_up(&w, cache_only, "d0.dead.example", &results[QUERIES]);
	assert_int_equal(results[QUERIES].calls, 0);
	answer_srv(&w, "d0.dead.example", srv_none(60));
	assert_int_equal(results[QUERIES].calls, 1);
	ask_numbered(&w, cache_only, QUERIES - 1);
	assert_int_equal(results[QUERIES - 1].calls, 0);
	ask_numbered(&w, cache_only, QUERIES - 2);
	assert_int_equal(results[QUERIES - 2].calls, 1);
	end_world(&w);
}

/* However many places the others have. */
static void
nobody_is_displaced(void **state)
{
	struct engine_config config = world_config();
	struct world w;

	(void)state;
	config.max_queries = QUERIES;
	open_world(&w, &config);
	for (unsigned i = 0; i < QUERIES; i++)
		ask_numbered(&w, w.onion, i);
	look_up(&w, cache_only, "good.example.org", &results[QUERIES]);
	assert_int_equal(results[QUERIES].calls, 1);
	assert_int_equal(w.counters.queries_displaced, 0);
	look_up(&w, w.onion, "good.example.org", &results[QUERIES]);
	assert_int_equal(w.counters.queries_displaced, 1);
	end_world(&w);

	config.max_queries = 4 * QUERIES;
	config.max_lookups = QUERIES;
	open_world(&w, &config);
	for (unsigned i = 0; i < QUERIES; i++)
		ask_numbered(&w, w.onion, i);
	look_up(&w, cache_only, "good.example.org", &results[QUERIES]);
	assert_int_equal(results[QUERIES].calls, 1);
	assert_int_equal(w.counters.lookups_displaced, 0);
	assert_int_equal(w.counters.policy_full, 1);
	look_up(&w, w.onion, "good.example.org", &results[QUERIES]);
	assert_int_equal(w.counters.lookups_displaced, 1);
	end_world(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_lookup_is_ready),
		cmocka_unit_test(the_deadline_ends_it),
		cmocka_unit_test(nothing_is_asked_but_dns),
		cmocka_unit_test(nothing_is_pinned),
		cmocka_unit_test(a_quarter_of_the_queries),
		cmocka_unit_test(nobody_is_displaced),
	};

	return cmocka_run_group_tests_name("cache_only", tests, NULL, NULL);
}
