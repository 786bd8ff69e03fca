/* A network that loses questions and delays answers, on a fake clock: late answers fill
 * the cache, lost questions are repeated, and no lookup is answered after its deadline.
 */
#define FAKE_QUERIES 2048
#include "fakes.h"

#define LOOKUPS 10000
#define DEADLINE_MS 500 /* of world->onion */
#define LOST 5          /* percent */
#define DELAYED 5       /* percent */
#define DELAY_MS 3000
#define QUICK_MS 2

struct network {
	struct world world;
	struct monotime due[FAKE_QUERIES]; /* when a question under way is answered */
	uint64_t random;
	unsigned lost, delayed;
};

static const struct monotime never = {INT64_MAX};

static unsigned
percent(struct network *n)
{
	n->random = n->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(n->random >> 33) % 100;
}

static struct dns_query *
lossy_ask(struct dns_source *source, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	struct network *n =
		(struct network *)((char *)source - offsetof(struct network, world.srv));
	struct dns_query *q = fake_ask(source, type, name, done, arg);
	unsigned fate = percent(n);
	struct monotime *due;

	assert_non_null(q);
	due = &n->due[q - n->world.srv.query];
	*due = monotime_add_ms(n->world.now, QUICK_MS);
	if (fate < LOST) {
		*due = never;
		n->lost++;
	} else if (fate < LOST + DELAYED) {
		*due = monotime_add_ms(n->world.now, DELAY_MS);
		n->delayed++;
	}
	return q;
}

static bool
exists(const char *name)
{
	return strstr(name, ".none.") == NULL;
}

static size_t
first_due(const struct network *n)
{
	size_t first = FAKE_QUERIES;

	for (size_t i = 0; i < FAKE_QUERIES; i++)
		if (n->world.srv.query[i].open && n->due[i].ns != never.ns &&
			(first == FAKE_QUERIES ||
				monotime_before(n->due[i], n->due[first])))
			first = i;
	return first;
}

/* Answers and timers, each at its time, until then. */
static void
run_until(struct network *n, struct monotime end)
{
	struct world *w = &n->world;

	for (;;) {
		size_t i = first_due(n);
		struct dns_query *q = &w->srv.query[i];
		struct dns_answer a;

		if (i == FAKE_QUERIES || monotime_before(end, n->due[i]))
			break;
		pass_ms(w, monotime_diff_ms(n->due[i], w->now));
		if (!q->open)
			continue; /* a timer came first */
		a = exists(q->name) ? srv_route(300, A_ONION, 25) : srv_none(300);
		q->open = false;
		q->done(q->arg, &a, w->now);
	}
	pass_ms(w, monotime_diff_ms(end, w->now));
}

static void
name_of(unsigned i, char name[64])
{
	sprintf(name, i % 10 == 0 ? "d%u.none.example" : "d%u.example", i);
}

/* Looks all names up, one each millisecond. Returns how many were right at once; all the
 * others were "not known now", and no later than they may. */
static unsigned
look_all_up(struct network *n, bool quick[LOOKUPS])
{
	static struct result result[LOOKUPS];
	struct world *w = &n->world;
	unsigned right = 0;
	char name[64];

	for (unsigned i = 0; i < LOOKUPS + DEADLINE_MS; i++) {
		if (i < LOOKUPS) {
			name_of(i, name);
			look_up(w, w->onion, name, &result[i]);
		}
		/* By its deadline, to the millisecond, each has ended. */
		if (i >= DEADLINE_MS)
			assert_int_equal(result[i - DEADLINE_MS].calls, 1);
		run_until(n, monotime_add_ms(w->now, 1));
	}
	for (unsigned i = 0; i < LOOKUPS; i++) {
		enum outcome wanted = i % 10 == 0 ? OUTCOME_NONE : OUTCOME_ROUTE;

		quick[i] = result[i].outcome == wanted;
		right += quick[i];
		assert_true(quick[i] || result[i].outcome == OUTCOME_TEMP);
	}
	return right;
}

static void
lost_and_late_answers(void **state)
{
	static bool quick[LOOKUPS];
	static struct network n;
	struct engine_config config = world_config();
	struct engine_ports ports;
	unsigned right;

	(void)state;
	config.dns = (struct retry_policy){.timeout_ms = 2000, .tries = 3};
	config.cache.entries = 2 * LOOKUPS;
	config.cache.bytes = 100000000;
	config.max_lookups = config.max_waiters = LOOKUPS;
	config.max_queries = FAKE_QUERIES / 4;
	world_prepare(&n.world, &ports);
	n.world.srv.source.ask = lossy_ask;
	world_start(&n.world, &config, &ports);

	right = look_all_up(&n, quick);
	assert_true(n.lost > LOOKUPS * LOST / 200 && n.delayed > LOOKUPS * DELAYED / 200);
	assert_true(right > LOOKUPS * 85 / 100);
	run_until(&n, monotime_add_ms(n.world.now, 20000));
	right = look_all_up(&n, quick);
	assert_true(right >= LOOKUPS * 99 / 100);
	assert_int_equal(n.world.counters.dns_down, 0);
	run_until(&n, monotime_add_ms(n.world.now, 20000));
	world_close(&n.world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_and_late_answers),
	};

	return cmocka_run_group_tests_name("flow/lossy", tests, NULL, NULL);
}
