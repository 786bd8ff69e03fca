#include "tor_dns.h"

#include <stdlib.h>

/* Tor's receive buffer holds 256 queries and drops the rest without a word. */
#define TOR_OUTSTANDING 100

/* Tor reads as long as there is a question, keeps what belongs to each until it has done
 * so, and looks through all of that for the next. So it gets as many as it may, and more
 * when it has answered them all: it takes a third of the time for each, and comes to its
 * circuits in between. */
#define TOR_BURST TOR_OUTSTANDING
#define TOR_REFILL 0

struct tor_dns {
	const struct engine_config *config;
	struct counters *counters;
	struct upstream *upstream;
	struct inflight *inflight;
	struct tor_names *names;
	uint32_t checked; /* the count of restarts when tor was last asked about one */
};

bool
tor_dns_has_address(const struct tor_dns *t, uint32_t ipv4)
{
	for (size_t i = 0; i < t->config->ntor_addresses; i++)
		if (net4_has(&t->config->tor_addresses[i], ipv4))
			return true;
	return false;
}

static void
answered(void *arg, enum dns_type type, const char *subject,
	const struct dns_answer *answer, struct monotime now)
{
	struct tor_dns *t = arg;

	(void)type;
	(void)now;
	if (answer->status == DNS_RECORDS && tor_dns_has_address(t, answer->ipv4))
		tor_names_answered(t->names, subject, answer->ipv4);
	else
		t->counters->tor_failures++;
}

static struct upstream *
open_upstream(const struct engine_config *config, const struct engine_ports *ports)
{
	const struct upstream_config upstream = {.server = {ports->tor},
		.n = 1,
		.timeout_ms = config->tor.timeout_ms,
		.tries = config->tor.tries,
		.opened = &ports->counters->tor_down,
		.bare = &ports->counters->bare_negatives,
		.event = ports->server_event,
		.event_arg = ports->server_event_arg,
		.alarm = ports->alarm,
		.alarm_arg = ports->alarm_arg};

	return upstream_new(&upstream);
}

static struct inflight *
open_inflight(struct tor_dns *t, const struct engine_ports *ports)
{
	const struct inflight_config inflight = {.upstream = t->upstream,
		.max = t->config->max_queries,
		.max_waiters = t->config->max_waiters,
		.outstanding = TOR_OUTSTANDING,
		.burst = TOR_BURST,
		.refill = TOR_REFILL,
		.drops_queued = true,
		.queued = &t->counters->queries_queued,
		.displaced = &t->counters->queries_displaced,
		.full = &t->counters->queries_full,
		.waiters_full = &t->counters->waiters_full,
		.answered = answered,
		.arg = t,
		.alarm = ports->alarm,
		.alarm_arg = ports->alarm_arg};

	return inflight_new(&inflight);
}

struct tor_dns *
tor_dns_new(const struct engine_config *config, const struct engine_ports *ports)
{
	struct tor_dns *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->config = config;
	t->counters = ports->counters;
	t->upstream = open_upstream(config, ports);
	t->inflight = open_inflight(t, ports);
	t->names = tor_names_new(config->max_tor_names, &config->cache.key,
		ports->tor_nearly_full, ports->tor_nearly_full_arg);
	if (t->upstream != NULL && t->inflight != NULL && t->names != NULL)
		return t;
	tor_dns_free(t);
	return NULL;
}

void
tor_dns_free(struct tor_dns *t)
{
	if (t == NULL)
		return;
	inflight_free(t->inflight);
	upstream_free(t->upstream);
	tor_names_free(t->names);
	free(t);
}

uint32_t
tor_dns_restarts(const struct tor_dns *t)
{
	return upstream_restarts(t->upstream);
}

void
tor_dns_own(struct tor_dns *t, const char *name, const struct tor_asker *asker)
{
	tor_names_own(t->names, name, asker);
}

static enum reason
join(struct tor_dns *t, const char *name, struct share_keys keys,
	struct inflight_waiter *waiter, struct monotime now)
{
	struct inflight_question question = {DNS_TYPE_A, name, keys};
	struct inflight_joined joined;
	enum reason reason;

	question.keys.key[SHARE_ZONE] = share_zone(&t->config->cache.key, name);
	reason = inflight_join(t->inflight, &question, now, waiter, &joined);
	if (reason == REASON_NONE)
		t->counters->tor_queries += joined.asked;
	return reason;
}

/* A name that tor knows shows whether it has been restarted, and has forgotten all. */
static void
check_restart(struct tor_dns *t, struct monotime now)
{
	const char *name = tor_names_any(t->names);

	if (name == NULL || upstream_restarts(t->upstream) == t->checked)
		return;
	t->checked = upstream_restarts(t->upstream);
	join(t, name, (struct share_keys){0}, NULL, now);
}

enum reason
tor_dns_ask(struct tor_dns *t, const char *name, const struct tor_asker *asker,
	struct share_keys keys, struct inflight_waiter *waiter, struct monotime now)
{
	if (upstream_is_down(t->upstream)) {
		t->counters->tor_down_answers++;
		return REASON_TOR_FAILED;
	}
	if (!tor_names_may_ask(t->names, name, asker)) {
		t->counters->tor_full++;
		check_restart(t, now);
		return REASON_TOR_FULL;
	}
	return join(t, name, keys, waiter, now);
}

/* Time */

void
tor_dns_expire(struct tor_dns *t, struct monotime now)
{
	upstream_expire(t->upstream, now);
	inflight_expire(t->inflight, now);
}

bool
tor_dns_next_deadline(const struct tor_dns *t, struct monotime *when)
{
	struct monotime other;

	if (!upstream_next_deadline(t->upstream, when))
		return inflight_next_deadline(t->inflight, when);
	if (inflight_next_deadline(t->inflight, &other) && monotime_before(other, *when))
		*when = other;
	return true;
}
