/* Routes that are pinned at their first use. */
#include "fakes.h"

#define HOLD 1000

static int64_t wall;

static int64_t
fake_wall(void)
{
	return wall;
}

struct told {
	unsigned calls;
	enum pin_verdict last;
	char domain[DOMAIN_MAX + 1];
};

static void
note_pin(void *arg, const struct domain *d, enum pin_verdict verdict)
{
	struct told *told = arg;

	told->calls++;
	told->last = verdict;
	strcpy(told->domain, d->text);
}

static struct pins *pins;
static struct told told;

static void
open_pinning(struct world *w, const struct engine_config *config, size_t max)
{
	const struct pins_config pins_config = {.max = max, .hold_s = HOLD};
	struct engine_ports ports;

	world_prepare(w, &ports);
	told = (struct told){0};
	wall = 5000;
	ports.pins = pins = pins_new(&pins_config);
	ports.wall = fake_wall;
	ports.pinned = note_pin;
	ports.pinned_arg = &told;
	world_start(w, config, &ports);
}

static void
close_pinning(struct world *w)
{
	world_close(w);
	pins_free(pins);
}

/* What DNS says, and how a lookup then ends. */
static struct result
says(struct world *w, struct dns_answer a)
{
	static struct result r;

	pass_ms(w, 86400000); /* nothing is in the cache */
	look_up(w, w->onion, "example.org", &r);
	answer_srv(w, "example.org", a);
	assert_int_equal(r.calls, 1);
	return r;
}

static void
a_change_waits_for_its_time(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	open_pinning(&w, &config, 10);
	r = says(&w, srv_route(60, A_ONION, 25));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.last, PIN_NONE);
	assert_string_equal(told.domain, "example.org");
	r = says(&w, srv_route(60, B_ONION, 25));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(told.last, PIN_CHANGED);
	look_up(&w, w.onion, "example.org", &r); /* from the cache */
	assert_route(&r, A_ONION, 25);
	assert_int_equal(told.calls, 2);
	r = says(&w, srv_none(60));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(told.calls, 3);
	for (int i = 1; i < PINS_HOLD_PARTS; i++) {
		wall += HOLD;
		look_up(&w, w.onion, "example.org", &r);
		assert_route(&r, A_ONION, 25);
	}
	wall += HOLD;
	look_up(&w, w.onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(told.last, PIN_RENEWED);
	assert_int_equal(pins_count(pins), 0);
	assert_int_equal(w.counters.pins_new, 1);
	assert_int_equal(w.counters.pins_changed, 2);
	assert_int_equal(w.counters.pins_held, 3 + PINS_HOLD_PARTS - 1);
	assert_int_equal(w.counters.pins_renewed, 1);
	close_pinning(&w);
}

/* What DNS said before it failed isn't what it says when the hold is over. */
static void
what_has_expired_changes_no_pin(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.cache.stale_s = 1000;
	open_pinning(&w, &config, 10);
	r = says(&w, srv_route(60, A_ONION, 25));
	r = says(&w, srv_route(60, B_ONION, 25));
	assert_int_equal(told.calls, 2);
	wall += HOLD;
	pass_ms(&w, 61 * 1000);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", dns_failed(REASON_DNS_FAILED));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(told.calls, 2);
	assert_int_equal(w.counters.pins_renewed, 0);
	close_pinning(&w);
}

static void
a_failure_is_no_change(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	open_pinning(&w, &config, 10);
	says(&w, srv_route(60, A_ONION, 25));
	r = says(&w, dns_failed(REASON_DNS_FAILED));
	assert_outcome(&r, OUTCOME_TEMP, REASON_DNS_FAILED);
	assert_int_equal(told.calls, 1);
	close_pinning(&w);
}

static void
validated_changes_count_at_once(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	open_pinning(&w, &config, 10);
	says(&w, srv_route(60, A_ONION, 25));
	r = says(&w, validated(srv_route(60, B_ONION, 25)));
	assert_route(&r, B_ONION, 25);
	assert_int_equal(told.last, PIN_RENEWED);
	r = says(&w, validated(srv_none(60)));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	close_pinning(&w);
}

static void
beyond_the_limit_nothing_is_pinned(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	open_pinning(&w, &config, 1);
	says(&w, srv_route(60, A_ONION, 25));
	look_up(&w, w.onion, "other.example", &r);
	answer_srv(&w, "other.example", srv_route(60, B_ONION, 25));
	assert_route(&r, B_ONION, 25);
	assert_int_equal(w.counters.pins_full, 1);
	assert_int_equal(told.calls, 1);
	close_pinning(&w);
}

/* A domain of the map has no route from DNS that could be pinned, and none without one.
 */
static void
what_is_never_pinned(void **state)
{
	struct engine_config config = world_config();
	struct world w;
	struct result r;

	(void)state;
	config.dnssec = DNSSEC_REQUIRE;
	open_pinning(&w, &config, 10);
	w.map.key = "example.net";
	w.map.value = A_ONION;
	look_up(&w, w.onion, "example.net", &r);
	assert_route(&r, A_ONION, 25);
	r = says(&w, srv_none(60));
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	r = says(&w, srv_route(60, A_ONION, 25)); /* isn't used */
	assert_outcome(&r, OUTCOME_TEMP, REASON_INSECURE);
	assert_int_equal(pins_count(pins), 0);
	close_pinning(&w);
}

/* A pinned route isn't a forged one, so DANE and MTA-STS don't matter. At the first use
 * they do. */
static void
protected_domains(void **state)
{
	struct engine_config config = world_config();
	struct dns_answer sts = {.status = DNS_RECORDS, .ttl = 86400 * 7};
	struct world w;
	struct result r;

	(void)state;
	config.protect_authenticated = true;
	config.ttl_max = 86400 * 7;
	open_pinning(&w, &config, 10);
	look_up(&w, w.onion, "example.org", &r);
	answer_srv(&w, "example.org", srv_route(60, A_ONION, 25));
	answer_dns(&w, DNS_TYPE_TXT, "_mta-sts.example.org", sts);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	assert_int_equal(pins_count(pins), 0);
	look_up(&w, w.onion, "example.org", &r);
	assert_outcome(&r, OUTCOME_NONE, REASON_NONE);
	r = says(&w, validated(srv_route(60, A_ONION, 25)));
	assert_route(&r, A_ONION, 25);
	assert_int_equal(pins_count(pins), 1);
	r = says(&w, srv_route(60, A_ONION, 25));
	assert_route(&r, A_ONION, 25);
	close_pinning(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_waits_for_its_time),
		cmocka_unit_test(what_has_expired_changes_no_pin),
		cmocka_unit_test(a_failure_is_no_change),
		cmocka_unit_test(validated_changes_count_at_once),
		cmocka_unit_test(beyond_the_limit_nothing_is_pinned),
		cmocka_unit_test(what_is_never_pinned),
		cmocka_unit_test(protected_domains),
	};

	return cmocka_run_group_tests_name("flow/pins", tests, NULL, NULL);
}
