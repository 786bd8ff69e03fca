#include "engine.h"

#include <stdlib.h>
#include <string.h>

/* Tor's receive buffer holds 256 queries and drops the rest without a word. So does that
 * of a DNS server, as Linux has it by default. */
#define TOR_OUTSTANDING 100
#define DNS_BURST 100

/* Tor reads as long as there is a question, keeps what belongs to each until it has done
 * so, and looks through all of that for the next. So it gets as many as it may, and more
 * when it has answered them all: it takes a third of the time for each, and comes to its
 * circuits in between. */
#define TOR_BURST TOR_OUTSTANDING
#define TOR_REFILL 0

static uint32_t
cache_ttl(const struct engine_config *c, const struct dns_answer *answer)
{
	uint32_t max = answer->status == DNS_NONE ? c->negative_ttl_max : c->ttl_max;
	uint32_t ttl = answer->ttl;

	if (ttl < c->ttl_min)
		ttl = c->ttl_min;
	return ttl < max ? ttl : max;
}

static void
dns_name(
	void *arg, enum dns_type type, const char *subject, char out[FLIGHT_NAME_MAX + 1])
{
	/* know() lets no subject through that is too long. */
	dns_name_of(arg, type, subject, out);
}

/* Whether anybody is there, and what this machine lacks, isn't. */
static bool
is_about_the_name(enum reason reason)
{
	return reason != REASON_DNS_DOWN && reason != REASON_NOMEM &&
	       reason != REASON_DESCRIPTORS && reason != REASON_BUSY;
}

/* Every answer passes here, wanted or late. */
static void
dns_landed(void *arg, enum dns_type type, const char *subject,
	const struct dns_answer *answer, struct monotime now)
{
	struct engine *e = arg;
	struct domain d = {.len = (uint8_t)strlen(subject)};
	struct fact fact;

	memcpy(d.text, subject, d.len);
	if (type == DNS_TYPE_SRV) {
		counters(e)->srv_targets_dropped += answer->dropped;
		counters(e)->srv_records_over += answer->over;
	}
	if (answer->status != DNS_FAILED) {
		fact_of_answer(&fact, answer);
		counters(e)->cache_evictions += cache_put(
			e->cache, type, &d, &fact, cache_ttl(&e->config, answer), now);
		return;
	}
	counters(e)->dns_failures++;
	if (is_about_the_name(answer->reason))
		counters(e)->cache_evictions +=
			cache_fail(e->cache, type, &d, answer->reason, now);
}

static void
tor_landed(void *arg, enum dns_type type, const char *subject,
	const struct dns_answer *answer, struct monotime now)
{
	struct engine *e = arg;

	(void)type;
	(void)now;
	if (answer->status == DNS_RECORDS && address_is_tors(e, answer->ipv4))
		tor_names_answered(e->tor_names, subject, answer->ipv4);
	else
		counters(e)->tor_failures++;
}

/* Time */

static void
expire_pace(struct pace *p, struct monotime now)
{
	struct lookup *l;

	while ((l = TAILQ_FIRST(&p->pending)) != NULL &&
		monotime_reached(l->deadline, now))
		lookup_deadline(l, now);
	while ((l = TAILQ_FIRST(&p->patient)) != NULL &&
		monotime_reached(l->patience_ends, now))
		lookup_patience_ends(l, now);
}

void
engine_expire(struct engine *e, struct monotime now)
{
	struct profile *p;

	SLIST_FOREACH (p, &e->profiles, entry)
		for (int i = 0; i < PACES; i++)
			expire_pace(&p->pace[i], now);
	upstream_expire(e->dns, now);
	flights_expire(e->dns_flights, now);
	if (e->tor == NULL)
		return;
	upstream_expire(e->tor, now);
	flights_expire(e->tor_flights, now);
}

struct earliest {
	bool any;
	struct monotime when;
};

static void
note(struct earliest *first, struct monotime when)
{
	if (!first->any || monotime_before(when, first->when))
		first->when = when;
	first->any = true;
}

static void
note_upstream(
	struct earliest *first, const struct upstream *u, const struct flights *flights)
{
	struct monotime when;

	if (u != NULL && upstream_next_deadline(u, &when))
		note(first, when);
	if (u != NULL && flights_next_deadline(flights, &when))
		note(first, when);
}

static void
note_pace(struct earliest *first, const struct pace *p)
{
	if (!TAILQ_EMPTY(&p->pending))
		note(first, TAILQ_FIRST(&p->pending)->deadline);
	if (!TAILQ_EMPTY(&p->patient))
		note(first, TAILQ_FIRST(&p->patient)->patience_ends);
}

bool
engine_next_deadline(const struct engine *e, struct monotime *when)
{
	struct earliest first = {0};
	const struct profile *p;

	SLIST_FOREACH (p, &e->profiles, entry)
		for (int i = 0; i < PACES; i++)
			note_pace(&first, &p->pace[i]);
	note_upstream(&first, e->dns, e->dns_flights);
	note_upstream(&first, e->tor, e->tor_flights);
	if (first.any)
		*when = first.when;
	return first.any;
}

size_t
engine_pending(const struct engine *e)
{
	return e->pending;
}

bool
engine_set_dns(
	struct engine *e, struct dns_source *const dns[], size_t n, struct monotime now)
{
	return upstream_set_servers(e->dns, dns, n, now);
}

/* Restarts */

void
engine_recall(struct engine *e, cache_each *each, void *arg)
{
	cache_walk(e->cache, each, arg);
}

void
engine_remember(struct engine *e, enum dns_type type, const struct domain *d,
	const struct cached *old, struct monotime now)
{
	bool none = old->fact.status == DNS_NONE;
	uint32_t max = none ? e->config.negative_ttl_max : e->config.ttl_max;
	struct monotime last = monotime_add_s(now, max);
	struct cached kept = *old;

	if (kept.ttl > max)
		kept.ttl = max;
	if (monotime_before(last, kept.expires))
		kept.expires = last;
	counters(e)->cache_evictions += cache_restore(e->cache, type, d, &kept, now);
}

size_t
engine_known(const struct engine *e)
{
	return cache_entries(e->cache);
}

/* Profiles */

static void
pace_set(struct pace *p, int64_t deadline_ms)
{
	p->deadline_ms = deadline_ms;
	TAILQ_INIT(&p->pending);
	TAILQ_INIT(&p->patient);
}

struct profile *
profile_new(struct engine *e, enum answer_style style, int64_t deadline_ms)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->style = style;
	pace_set(&p->pace[PACE_WHOLE], deadline_ms);
	pace_set(&p->pace[PACE_SHORT],
		deadline_ms < BUDGET_SHORT_MS ? deadline_ms : BUDGET_SHORT_MS);
	SLIST_INSERT_HEAD(&e->profiles, p, entry);
	return p;
}

/* The whole */

static bool
open_dns(struct engine *e)
{
	struct upstream_config servers = {.n = e->ports.ndns,
		.timeout_ms = e->config.dns.timeout_ms,
		.tries = e->config.dns.tries,
		/* The root: any resolver that works has an answer, and it tells nobody
		 * whom mail is for. */
		.probe = "",
		.bare_negative = e->config.bare_negative,
		.opened = &counters(e)->dns_down,
		.bare = &counters(e)->bare_negatives,
		.event = e->ports.server_event,
		.event_arg = e->ports.server_event_arg,
		.alarm = e->ports.alarm,
		.alarm_arg = e->ports.alarm_arg};
	struct flights_config flights = {.max = e->config.max_flights,
		.max_waiters = e->config.max_waiters,
		.outstanding = e->config.max_flights,
		.burst = DNS_BURST,
		.refill = DNS_BURST - 1,
		.queued = &counters(e)->flights_queued,
		.displaced = &counters(e)->flights_displaced,
		.dns_name = dns_name,
		.landed = dns_landed,
		.arg = e,
		.alarm = e->ports.alarm,
		.alarm_arg = e->ports.alarm_arg};

	memcpy(servers.server, e->ports.dns, sizeof(servers.server));
	flights.upstream = e->dns = upstream_new(&servers);
	e->dns_flights = flights_new(&flights);
	return e->dns != NULL && e->dns_flights != NULL;
}

static bool
open_tor(struct engine *e)
{
	struct upstream_config server = {.server = {e->ports.tor},
		.n = 1,
		.timeout_ms = e->config.tor.timeout_ms,
		.tries = e->config.tor.tries,
		.opened = &counters(e)->tor_down,
		.bare = &counters(e)->bare_negatives,
		.event = e->ports.server_event,
		.event_arg = e->ports.server_event_arg,
		.alarm = e->ports.alarm,
		.alarm_arg = e->ports.alarm_arg};
	struct flights_config flights = {.max = e->config.max_flights,
		.max_waiters = e->config.max_waiters,
		.outstanding = TOR_OUTSTANDING,
		.burst = TOR_BURST,
		.refill = TOR_REFILL,
		.drops_queued = true,
		.queued = &counters(e)->flights_queued,
		.displaced = &counters(e)->flights_displaced,
		.landed = tor_landed,
		.arg = e,
		.alarm = e->ports.alarm,
		.alarm_arg = e->ports.alarm_arg};

	if (e->ports.tor == NULL)
		return true;
	flights.upstream = e->tor = upstream_new(&server);
	e->tor_flights = flights_new(&flights);
	e->tor_names = tor_names_new(e->config.max_tor_names, &e->config.cache.key,
		e->ports.tor_nearly_full, e->ports.tor_nearly_full_arg);
	return e->tor != NULL && e->tor_flights != NULL && e->tor_names != NULL;
}

struct engine *
engine_new(const struct engine_config *config, const struct engine_ports *ports)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->config = *config;
	e->ports = *ports;
	SLIST_INIT(&e->profiles);
	TAILQ_INIT(&e->crossing);
	e->cache = cache_new(&config->cache);
	e->places = shares_new(config->max_lookups);
	if (e->cache == NULL || e->places == NULL || !open_dns(e) || !open_tor(e)) {
		engine_free(e);
		return NULL;
	}
	return e;
}

void
engine_free(struct engine *e)
{
	struct profile *p;

	if (e == NULL)
		return;
	flights_free(e->dns_flights);
	flights_free(e->tor_flights);
	upstream_free(e->dns);
	upstream_free(e->tor);
	tor_names_free(e->tor_names);
	cache_free(e->cache);
	shares_free(e->places);
	while ((p = SLIST_FIRST(&e->profiles)) != NULL) {
		SLIST_REMOVE_HEAD(&e->profiles, entry);
		free(p);
	}
	free(e);
}
