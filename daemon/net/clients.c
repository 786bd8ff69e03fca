#include "net/clients.h"

#include <stdlib.h>

#include "net/log.h"
#include "watch.h"

/* Requests that are taken in a round of the loop, and of one client at least and at most.
 */
#define ROUND_REQUESTS 4096U
#define TURN_MIN 8U
#define TURN_MAX 512U

TAILQ_HEAD(client_list, client);

struct clients {
	struct clients_config config;
	struct client_list all;
	size_t count;
	uint64_t latest; /* number of the latest */
	LIST_HEAD(, clients_share) shares;

	TAILQ_HEAD(, client_clock)
	running;                     /* one timeout for all: the first ends first */
	struct watch timer;          /* for them */
	struct client_list answered; /* since the loop has taken what came in at once */
	struct watch proceed;        /* for them */
	struct client_list waiting;  /* those with requests left over from their turn */
	size_t nwaiting;
	struct watch round; /* begins the next one */
	unsigned taken;     /* requests, about, in this round */

	bool draining;
	void (*drained)(void *arg);
	void *drained_arg;

	char input[CLIENTS_INPUT];
	char output[CLIENTS_OUTPUT];
};

/* Clocks */

static void
stop_clock(struct client *c, struct client_clock *clock)
{
	if (clock->ends.ns != 0)
		TAILQ_REMOVE(&c->clients->running, clock, entry);
	clock->ends.ns = 0;
}

void
clients_run_clock(struct client *c, struct client_clock *clock, bool runs)
{
	struct clients *all = c->clients;

	if (!runs)
		stop_clock(c, clock);
	if (!runs || clock->ends.ns != 0)
		return;
	clock->client = c;
	clock->ends = monotime_add_ms(loop_now(), all->config.client_timeout_ms);
	TAILQ_INSERT_TAIL(&all->running, clock, entry);
	if (!watch_is_on(&all->timer))
		watch_insist(&all->timer, all->config.client_timeout_ms);
}

/* The timer fires once per timeout at most, not once per client: clocks come and go from
 * the list without touching it. */
static void
timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct clients *all = arg;
	struct monotime now = loop_now();
	struct client_clock *first;

	(void)fd;
	(void)what;
	while ((first = TAILQ_FIRST(&all->running)) != NULL &&
		monotime_reached(first->ends, now))
		first->client->ops->timed_out(first->client->arg);
	if (first != NULL)
		watch_insist(&all->timer, monotime_diff_ms(first->ends, loop_now()));
}

/* Answered lookups */

static void
forget_answer(struct client *c)
{
	if (c->is_answered)
		TAILQ_REMOVE(&c->clients->answered, c, answered);
	c->is_answered = false;
}

void
clients_proceed_soon(struct client *c)
{
	struct clients *all = c->clients;

	if (c->is_answered)
		return;
	if (TAILQ_EMPTY(&all->answered))
		watch_fire(&all->proceed);
	c->is_answered = true;
	TAILQ_INSERT_TAIL(&all->answered, c, answered);
}

static void
proceed_fired(evutil_socket_t fd, short what, void *arg)
{
	struct clients *all = arg;
	struct client *c;

	(void)fd;
	(void)what;
	while ((c = TAILQ_FIRST(&all->answered)) != NULL) {
		forget_answer(c);
		c->ops->proceed(c->arg);
	}
}

/* Turns */

unsigned
clients_turn(const struct clients *all)
{
	if (all->taken + TURN_MIN >= ROUND_REQUESTS)
		return TURN_MIN;
	return all->taken + TURN_MAX < ROUND_REQUESTS ? TURN_MAX
						      : ROUND_REQUESTS - all->taken;
}

static void
end_round(struct clients *all)
{
	if (!watch_is_on(&all->round))
		watch_insist(&all->round, 0);
}

void
clients_took(struct clients *all)
{
	if (++all->taken % (ROUND_REQUESTS / 4) == 0)
		end_round(all);
}

void
clients_wait_turn(struct client *c)
{
	struct clients *all = c->clients;

	if (c->is_waiting)
		return;
	end_round(all);
	c->is_waiting = true;
	all->nwaiting++;
	TAILQ_INSERT_TAIL(&all->waiting, c, waiting);
}

static void
stop_waiting(struct client *c)
{
	if (!c->is_waiting)
		return;
	c->is_waiting = false;
	c->clients->nwaiting--;
	TAILQ_REMOVE(&c->clients->waiting, c, waiting);
}

/* Clients that come to wait meanwhile have their turn in the next round. */
static void
round_fired(evutil_socket_t fd, short what, void *arg)
{
	struct clients *all = arg;
	struct client *c;

	(void)fd;
	(void)what;
	all->taken = 0;
	for (size_t n = all->nwaiting; n > 0; n--) {
		if ((c = TAILQ_FIRST(&all->waiting)) == NULL)
			return;
		stop_waiting(c);
		c->ops->proceed(c->arg);
	}
}

char *
clients_input(struct clients *all)
{
	return all->input;
}

char *
clients_output(struct clients *all)
{
	return all->output;
}

/* File descriptors */

void
clients_add_share(struct clients *all, struct clients_share *share, size_t max)
{
	places_init(&share->places, max);
	LIST_INSERT_HEAD(&all->shares, share, entry);
}

bool
clients_has_descriptor(const struct clients *all, const struct clients_share *share)
{
	const size_t reserve = all->config.reserve;
	const struct clients_share *other;
	size_t kept = 0;

	LIST_FOREACH (other, &all->shares, entry)
		if (other->places.taken < reserve)
			kept += reserve - other->places.taken;
	return share->places.taken < reserve ||
	       all->count + kept < all->config.max_clients;
}

/* The whole */

uint64_t
clients_add(struct clients *all, struct client *c)
{
	c->clients = all;
	TAILQ_INSERT_TAIL(&all->all, c, all);
	all->count++;
	return ++all->latest;
}

void
clients_remove(struct client *c)
{
	struct clients *all = c->clients;

	stop_clock(c, &c->request);
	stop_clock(c, &c->answer);
	forget_answer(c);
	stop_waiting(c);
	TAILQ_REMOVE(&all->all, c, all);
	all->count--;
	if (all->draining && all->count == 0)
		all->drained(all->drained_arg);
}

struct clients *
clients_new(const struct clients_config *config)
{
	struct clients *all = calloc(1, sizeof(*all));

	if (all == NULL) {
		log_error("clients");
		return NULL;
	}
	all->config = *config;
	TAILQ_INIT(&all->all);
	LIST_INIT(&all->shares);
	TAILQ_INIT(&all->running);
	TAILQ_INIT(&all->answered);
	TAILQ_INIT(&all->waiting);
	watch_init_timer(&all->timer, config->loop, timer_fired, all);
	watch_init_timer(&all->proceed, config->loop, proceed_fired, all);
	watch_init_timer(&all->round, config->loop, round_fired, all);
	return all;
}

void
clients_free(struct clients *all)
{
	struct client *c;

	if (all == NULL)
		return;
	all->draining = false;
	while ((c = TAILQ_FIRST(&all->all)) != NULL)
		c->ops->close(c->arg);
	watch_stop(&all->timer);
	watch_stop(&all->proceed);
	watch_stop(&all->round);
	free(all);
}

size_t
clients_count(const struct clients *all)
{
	return all->count;
}

const struct clients_config *
clients_config(const struct clients *all)
{
	return &all->config;
}

void
clients_drain(struct clients *all, void (*drained)(void *arg), void *arg)
{
	struct client *c, *next;

	/* Set last, so that drained can't run before this returns. */
	for (c = TAILQ_FIRST(&all->all); c != NULL; c = next) {
		next = TAILQ_NEXT(c, all);
		c->ops->drain(c->arg);
	}
	if (all->count == 0) {
		drained(arg);
		return;
	}
	all->draining = true;
	all->drained = drained;
	all->drained_arg = arg;
}
