/* The second half of a lookup in the style "bridge": an address of the bridge is answered
 * once it is on the disk. */
#include "fakes.h"

#define ADDRESS 0x7f2a0001

/* What the bridge says next, and what it was asked last. */
static struct bridge {
	enum reason reason;
	struct bridge_wait wait;
	unsigned asked;
	enum route_origin origin;
	char domain[DOMAIN_MAX + 1];
} bridge;

static struct profile *profile;

static enum reason
cross(void *arg, const struct domain *d, const struct map_options *options,
	struct answer *a, struct bridge_wait *wait)
{
	(void)arg;
	(void)options;
	bridge.asked++;
	bridge.origin = a->origin;
	strcpy(bridge.domain, d->text);
	if (bridge.reason != REASON_NONE)
		return bridge.reason;
	a->route.n = 1;
	a->route.target[0].ipv4 = ADDRESS;
	a->route.target[0].port = 14525;
	*wait = bridge.wait;
	return REASON_NONE;
}

static int
setup(void **state)
{
	static struct world w;
	struct engine_config config = world_config();
	struct engine_ports ports;

	config.max_lookups = 3;
	config.follow_mx = true;
	config.cache.stale_s = 86400;
	memset(&bridge, 0, sizeof(bridge));
	world_prepare(&w, &ports);
	ports.bridge = cross;
	world_start(&w, &config, &ports);
	profile = engine_profile_new(w.engine, STYLE_BRIDGE, 500);
	w.map.key = "map.example";
	w.map.value = A_ONION;
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
assert_crossed(const struct result *r)
{
	assert_route(r, A_ONION, 14525);
	assert_int_equal(r->ipv4[0], ADDRESS);
}

static void
what_is_on_the_disk_is_answered_at_once(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, profile, "map.example", &r);
	assert_crossed(&r);
	bridge.reason = REASON_BRIDGE_FULL;
	look_up(w, profile, "map.example", &r);
	assert_outcome(&r, OUTCOME_TEMP, REASON_BRIDGE_FULL);
}

/* Ready or found out first. */
static void
a_new_address_is_waited_for(void **state)
{
	struct world *w = *state;
	struct result first, second, third;

	bridge.wait.number = 1;
	look_up(w, profile, "map.example", &first);
	look_up(w, profile, "dns.example", &second);
	bridge.wait.number = 2;
	answer_srv(w, "dns.example", srv_route(300, A_ONION, 25));
	look_up(w, profile, "dns.example", &third);
	assert_int_equal(first.calls + second.calls + third.calls, 0);
	engine_bridge_kept(w->engine, 0, true, w->now);
	assert_int_equal(first.calls, 0);
	engine_bridge_kept(w->engine, 1, true, w->now);
	assert_crossed(&first);
	assert_int_equal(second.calls + third.calls, 0);
	engine_bridge_kept(w->engine, 5, true, w->now);
	assert_crossed(&second);
	assert_crossed(&third);
	assert_int_equal(w->counters.answers_route, 3);
}

/* If it can't be written, what is new isn't answered; what was known before is. */
static void
a_disk_that_fails(void **state)
{
	struct world *w = *state;
	struct result new, known;

	bridge.wait.number = 1;
	look_up(w, profile, "map.example", &new);
	bridge.wait.known = true;
	look_up(w, profile, "map.example", &known);
	engine_bridge_kept(w->engine, 1, false, w->now);
	assert_outcome(&new, OUTCOME_TEMP, REASON_BRIDGE_STATE);
	assert_crossed(&known);
}

/* The same at the deadline, which nothing extends. */
static void
a_slow_disk(void **state)
{
	struct world *w = *state;
	struct result new, known, late;

	bridge.wait.number = 1;
	look_up(w, profile, "map.example", &new);
	look_up(w, profile, "dns.example", &late);
	bridge.wait.known = true;
	look_up(w, profile, "map.example", &known);
	pass_ms(w, 499);
	answer_srv(w, "dns.example", srv_route(300, A_ONION, 25));
	assert_int_equal(new.calls + known.calls + late.calls, 0);
	pass_ms(w, 1);
	assert_outcome(&new, OUTCOME_TEMP, REASON_DEADLINE);
	assert_crossed(&known);
	assert_crossed(&late);
	assert_int_equal(w->counters.deadlines, 3);
	engine_bridge_kept(w->engine, 1, true, w->now);
}

/* A stale route at the deadline leaves no time to wait. */
static void
no_time_left(void **state)
{
	struct world *w = *state;
	struct result r;

	look_up(w, profile, "dns.example", &r);
	answer_srv(w, "dns.example", srv_route(60, A_ONION, 25));
	assert_crossed(&r);
	pass_ms(w, 61000);
	bridge.wait.number = 1;
	look_up(w, profile, "dns.example", &r);
	pass_ms(w, 250);
	assert_int_equal(r.calls, 0); /* the stale one, on its way to the disk */
	pass_ms(w, 250);
	assert_outcome(&r, OUTCOME_TEMP, REASON_DEADLINE);
}

static void
it_can_be_cancelled(void **state)
{
	struct world *w = *state;
	struct result r;

	bridge.wait.number = 1;
	look_up(w, profile, "map.example", &r);
	lookup_cancel(r.pending);
	engine_bridge_kept(w->engine, 1, true, w->now);
	assert_int_equal(r.calls, 0);
}

static void
too_many_lookups(void **state)
{
	struct world *w = *state;
	struct result r[4];

	bridge.wait.number = 1;
	for (int i = 0; i < 4; i++)
		look_up(w, profile, "map.example", &r[i]);
	assert_outcome(&r[3], OUTCOME_TEMP, REASON_BUSY);
	bridge.wait.known = true;
	look_up(w, profile, "map.example", &r[3]);
	assert_crossed(&r[3]);
	engine_bridge_kept(w->engine, 1, true, w->now);
	for (int i = 0; i < 3; i++)
		assert_crossed(&r[i]);
}

/* The bridge is told who has made a route: strangers have shares of its addresses. */
static void
where_routes_come_from(void **state)
{
	static const struct {
		const char *key, *domain;
		enum route_origin origin;
	} rows[] = {
		{"map.example", "map.example", ORIGIN_MAP},
		{"a.below.example", "a.below.example", ORIGIN_MAP_MANY},
		{"hosted.example", "hosted.example", ORIGIN_MAP_MANY},
		{"dns.example", "dns.example", ORIGIN_DNS},
		{"srv.example", "srv.example", ORIGIN_DNS},
		{"x@a." B_ONION, "a." B_ONION, ORIGIN_ONION},
	};
	struct world *w = *state;
	struct result r;

	w->map.more[0].key = ".below.example";
	w->map.more[0].value = A_ONION;
	w->map.more[1].key = "mx:mx.example";
	w->map.more[1].value = A_ONION;
	w->map.more[2].key = "srv.example";
	w->map.more[2].value = "srv";
	look_up(w, w->onion, "hosted.example", &r);
	answer_srv(w, "hosted.example", srv_none(300));
	answer_dns(w, DNS_TYPE_MX, "hosted.example", dns_mx("mx.example", 10));
	look_up(w, w->onion, "dns.example", &r);
	answer_srv(w, "dns.example", srv_route(300, A_ONION, 25));
	look_up(w, w->onion, "srv.example", &r);
	answer_srv(w, "srv.example", srv_route(300, A_ONION, 25));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		look_up(w, profile, rows[i].key, &r);
		assert_int_equal(r.outcome, OUTCOME_ROUTE);
		assert_string_equal(bridge.domain, rows[i].domain);
		assert_int_equal(bridge.origin, rows[i].origin);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_on_the_disk_is_answered_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_new_address_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(a_disk_that_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slow_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(no_time_left, setup, teardown),
		cmocka_unit_test_setup_teardown(it_can_be_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_lookups, setup, teardown),
		cmocka_unit_test_setup_teardown(where_routes_come_from, setup, teardown),
	};

	return cmocka_run_group_tests_name("crossing", tests, NULL, NULL);
}
