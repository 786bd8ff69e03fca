/* Tor never frees an address that it has given: how many it is asked for, by whom. */
#include "../unit/onions.h"
#include "fakes.h"

#define MAX 64

static unsigned told;

static void
nearly_full(void *arg, unsigned percent)
{
	(void)arg;
	assert_in_range(percent, 80, 100);
	told++;
}

static int
setup(void **state)
{
	static struct world w;
	struct engine_config config = world_config();
	struct engine_ports ports;

	told = 0;
	config.max_tor_names = MAX;
	config.ttl_min = 0;
	world_prepare(&w, &ports);
	ports.tor_nearly_full = nearly_full;
	world_start(&w, &config, &ports);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	world_close(*state);
	return 0;
}

static const char *
nth(unsigned i)
{
	static char name[ONION_LEN + 1];

	unit_onion(name, i);
	return name;
}

/* How a lookup of the address ends, with tor's answer. */
static struct result
ask(struct world *w, const char *key, unsigned onion, uint32_t ipv4)
{
	struct result r;

	look_up(w, w->address, key, &r);
	if (r.pending != NULL && fake_find_typed(&w->tor, DNS_TYPE_A, nth(onion)) != NULL)
		answer_tor(w, nth(onion), tor_address(ipv4));
	return r;
}

static bool
ask_onion(struct world *w, unsigned i)
{
	struct result r = ask(w, nth(i), i, VIRTUAL(i));

	assert_true(r.calls == 1 &&
		    (r.outcome == OUTCOME_ROUTE || r.reason == REASON_TOR_FULL));
	return r.outcome == OUTCOME_ROUTE;
}

static bool
ask_domain(struct world *w, const char *domain, unsigned onion)
{
	struct result r;

	look_up(w, w->address, domain, &r);
	answer_srv(w, domain, srv_route(300, nth(onion), 25));
	if (r.pending != NULL)
		answer_tor(w, nth(onion), tor_address(VIRTUAL(onion)));
	assert_int_equal(r.calls, 1);
	return r.outcome == OUTCOME_ROUTE;
}

static bool
ask_map(struct world *w, unsigned onion)
{
	static char value[ONION_LEN + 1];

	strcpy(value, nth(onion));
	w->map.key = "map.example";
	w->map.value = value;
	return ask(w, "map.example", onion, VIRTUAL(onion)).outcome == OUTCOME_ROUTE;
}

/* Recipients at names that somebody has made up, and domains of somebody, leave room for
 * other domains, and for the map. */
static void
strangers_have_shares(void **state)
{
	struct world *w = *state;
	char domain[40];
	unsigned i;

	for (i = 0; i < MAX / 4; i++)
		assert_true(ask_onion(w, i));
	assert_false(ask_onion(w, i));
	assert_int_equal(w->counters.tor_full, 1);
	for (i = 0; i < MAX / 8; i++) {
		sprintf(domain, "a%u.evil.example", i);
		assert_true(ask_domain(w, domain, 1000 + i));
	}
	assert_false(ask_domain(w, "late.evil.example", 1000 + i));
	for (i = 0; i < MAX / 2 - MAX / 8; i++) {
		sprintf(domain, "good%u.example", i);
		assert_true(ask_domain(w, domain, 2000 + i));
	}
	assert_false(ask_domain(w, "late.example", 2000 + i));
	for (i = 0; i < MAX / 4; i++)
		assert_true(ask_map(w, 3000 + i));
	assert_false(ask_map(w, 3000 + i));
	/* what tor knows costs nothing */
	assert_true(ask_onion(w, 0));
	assert_true(ask_map(w, 3000));
	assert_true(ask_map(w, 0));
	assert_true(ask_domain(w, "later.evil.example", 3000));
	assert_int_equal(told, 1);
}

/* What tor doesn't answer takes no place. */
static void
failures_take_no_place(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < MAX; i++) {
		struct result r;

		look_up(w, w->address, nth(i), &r);
		answer_tor(w, nth(i), dns_failed(REASON_DNS_FAILED));
		assert_outcome(&r, OUTCOME_TEMP, REASON_TOR_FAILED);
	}
	assert_true(ask_onion(w, 0));
}

/* A name that has another address shows that tor has forgotten all of them. */
static void
a_restart_of_tor(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < MAX / 4; i++)
		ask_onion(w, i);
	assert_false(ask_onion(w, 1000));
	ask(w, nth(3), 3, VIRTUAL(3));
	assert_false(ask_onion(w, 1000));
	ask(w, nth(3), 3, VIRTUAL(999));
	for (unsigned i = 0; i < MAX / 4 - 1; i++)
		assert_true(ask_onion(w, 1000 + i));
	assert_false(ask_onion(w, 2000));
	assert_int_equal(told, 2);
}

/* When tor may have been restarted, and nobody asks for a name that it knew, it is asked
 * for one, once. */
static void
a_restart_that_nobody_sees(void **state)
{
	struct world *w = *state;
	unsigned last = MAX / 4 - 1;

	for (unsigned i = 0; i <= last; i++)
		ask_onion(w, i);
	w->tor.source.restarts++;
	assert_false(ask_onion(w, 1000));
	assert_false(ask_onion(w, 1000));
	assert_int_equal(fake_open(&w->tor), 1);
	answer_tor(w, nth(last), tor_address(VIRTUAL(last)));
	assert_false(ask_onion(w, 1000));
	assert_int_equal(fake_open(&w->tor), 0);
	w->tor.source.restarts++;
	assert_false(ask_onion(w, 1000));
	answer_tor(w, nth(last), tor_address(VIRTUAL(999)));
	assert_true(ask_onion(w, 1000));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(strangers_have_shares),
		T(failures_take_no_place),
		T(a_restart_of_tor),
		T(a_restart_that_nobody_sees),
	};

	return cmocka_run_group_tests_name("flow/tor_names", tests, NULL, NULL);
}
