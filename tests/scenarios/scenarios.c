/* Random scenarios, each from a seed, judged by a simple model of the contract:
 *
 *	scenarios FIRST COUNT [verbose]
 *
 * A wrong answer, a callback too many or too few, a missed deadline or a leak ends it
 *with the seed. It ends with a line that counts what has happened, so that it shows if
 *nothing did. */
#include <stdio.h>
#include <stdlib.h>

#include "world.h"

#define STEPS 60

/* What has happened, in all scenarios. */
#define SUMS(X)                                                                          \
	X(lookups)                                                                       \
	X(route)                                                                         \
	X(by_address)                                                                    \
	X(none)                                                                          \
	X(temp)                                                                          \
	X(stale)                                                                         \
	X(prefetched)                                                                    \
	X(down)                                                                          \
	X(full)                                                                          \
	X(displaced)                                                                     \
	X(hurried)                                                                       \
	X(evicted)                                                                       \
	X(insecure)                                                                      \
	X(protected)                                                                     \
	X(by_mx)                                                                         \
	X(pins_held)                                                                     \
	X(restarts)

static struct {
#define FIELD(name) unsigned long long name;
	SUMS(FIELD)
} sum;

static void
step(struct world *w)
{
	static const int64_t pauses_ms[] = {0, 1, 20, 300, 2000, 30000, 400000};

	switch (roll(w, 12)) {
	case 0:
		world_cancel_some(w);
		break;
	case 1:
		if (one_in(w, 4)) {
			world_restart(w);
			sum.restarts++;
		}
		break;
	case 2:
	case 3:
	case 4:
		world_pass_ms(w, pauses_ms[roll(w, 7)]);
		break;
	default:
		for (unsigned i = roll(w, 5); i > 0; i--)
			world_look_up(w);
		world_pass_ms(w, pauses_ms[roll(w, 4)]);
	}
}

/* By then every lookup has ended. */
static void
let_all_end(struct world *w)
{
	world_pass_ms(w, 4001);
	for (size_t i = 0; i < w->lookups; i++)
		if (w->lookup[i].pending != NULL)
			wrong(w, "a lookup never ended");
	if (engine_pending(w->engine) != 0)
		wrong(w, "lookups are pending that nobody has");
}

static void
add_up(const struct world *w)
{
	const struct counters *c = &w->counters;

	sum.lookups += c->lookups;
	sum.route += c->answers_route;
	sum.by_address += w->routes_by_address;
	sum.none += c->answers_none;
	sum.temp += c->answers_temp;
	sum.stale += c->stale_answers;
	sum.prefetched += c->prefetches;
	sum.down += c->dns_down + c->tor_down;
	sum.full += c->lookups_full + c->queries_full + c->waiters_full;
	sum.displaced += c->lookups_displaced + c->queries_displaced;
	sum.hurried += c->deadlines_shortened;
	sum.evicted += c->cache_evictions;
	sum.insecure += c->insecure_refused;
	sum.protected += c->protected_refused;
	sum.by_mx += c->mx_routes;
	sum.pins_held += c->pins_held;
}

static void
run(uint64_t seed)
{
	static struct world w;

	world_open(&w, seed);
	tell(&w, "dnssec %d, on_insecure %d, protect %d, follow_mx %d, pins %d, stale %u",
		(int)w.config.dnssec, (int)w.config.on_insecure,
		(int)w.config.protect_authenticated, (int)w.config.follow_mx,
		w.pins != NULL, w.config.cache.stale_s);
	for (int i = 0; i < STEPS; i++)
		step(&w);
	let_all_end(&w);
	world_close(&w);
	add_up(&w);
}

/* In a few thousand scenarios everything happens. */
static bool
print_sums(unsigned long long count)
{
	bool all = true;

	printf("%llu scenarios", count);
#define PRINT(name)                                                                      \
	printf(", %s %llu", #name, sum.name);                                            \
	all &= sum.name > 0;
	SUMS(PRINT)
	putchar('\n');
	return all || count < 5000;
}

int
main(int argc, char **argv)
{
	unsigned long long first, count;

	if (argc < 3) {
		fprintf(stderr, "usage: scenarios FIRST COUNT [verbose]\n");
		return 2;
	}
	verbose = argc > 3;
	first = strtoull(argv[1], NULL, 10);
	count = strtoull(argv[2], NULL, 10);
	for (unsigned long long i = 0; i < count; i++)
		run(first + i);
	if (!print_sums(count)) {
		fprintf(stderr, "something never happened\n");
		return 1;
	}
	return 0;
}
