/* The timer that the engine's deadlines hang on. */
#include "shell.h"

#include "flow/lookup.h"
#include "net/engine_timer.h"

static struct counters counters;
static struct engine_timer *timer;

/* A DNS server that never answers. */

struct dns_query {
	struct dns_source *source;
};

static struct dns_query under_way;

static struct dns_query *
ask_nobody(struct dns_source *source, enum dns_type type, const char *name,
	dns_done *done, void *arg)
{
	(void)source;
	(void)type;
	(void)name;
	(void)done;
	(void)arg;
	return &under_way;
}

static void
forget(struct dns_query *query)
{
	(void)query;
}

static uint64_t
no_number(void)
{
	return 1;
}

static void
deadline_changed(void *arg)
{
	(void)arg;
	if (timer != NULL)
		engine_timer_update(timer);
}

static void
count(void *arg, const struct answer *answer, struct monotime now)
{
	(void)now;
	assert_int_equal(answer->outcome, OUTCOME_TEMP);
	++*(unsigned *)arg;
}

static void
look_up(struct engine *engine, struct profile *profile, const char *key, unsigned *ended)
{
	struct lookup_request request = {.profile = profile,
		.key = key,
		.keylen = strlen(key),
		.done = count,
		.arg = ended};
	struct lookup *pending;
	struct answer answer;

	assert_int_equal(lookup_start(engine, &request, loop_now(), &answer, &pending),
		LOOKUP_PENDING);
}

static struct engine *
open_engine(struct dns_source *dns)
{
	const struct engine_config config = {.srv_prefix = "_onion-mx._tcp.",
		.dns = {60000, 1},
		.cache = {.entries = 100, .bytes = 100000},
		.max_lookups = 10,
		.max_queries = 10,
		.max_waiters = 10};
	const struct engine_ports ports = {.dns = {dns},
		.ndns = 1,
		.random = no_number,
		.counters = &counters,
		.alarm = deadline_changed};

	return engine_new(&config, &ports);
}

/* No timer can be set for the lookup until after its deadline, and no other lookup comes
 * that would set one. */
static void
a_deadline_needs_no_memory(void **state)
{
	struct dns_source dns = {.name = "nobody", .ask = ask_nobody, .cancel = forget};
	struct loop *loop = loop_new();
	struct engine *engine = open_engine(&dns);
	struct profile *profile;
	unsigned ended = 0;

	(void)state;
	assert_true(loop != NULL && engine != NULL);
	profile = engine_profile_new(engine, STYLE_ONION, 100);
	timer = engine_timer_new(loop, engine);
	assert_true(profile != NULL && timer != NULL);
	faults.event_add = true;
	look_up(engine, profile, "one.example", &ended);
	engine_timer_update(timer);
	WAIT_UNTIL(loop, ended == 1);
	assert_true(faults.event_adds > 0);
	faults.event_add = false;
	look_up(engine, profile, "two.example", &ended);
	engine_timer_update(timer);
	WAIT_UNTIL(loop, ended == 2);
	engine_timer_free(timer);
	timer = NULL;
	engine_free(engine);
	loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_needs_no_memory),
	};

	return cmocka_run_group_tests_name("net/deadline", tests, NULL, NULL);
}
