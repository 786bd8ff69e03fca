#include "engine.h"

#include <stdlib.h>
#include <string.h>

/* Tor's receive buffer holds 256 queries and drops the rest without a word. */
#define TOR_OUTSTANDING 100

static uint32_t
cache_ttl(const struct engine_config *c, const struct dns_answer *answer)
{
	uint32_t max = answer->status == DNS_NONE ? c->negative_ttl_max : c->ttl_max;
	uint32_t ttl = answer->ttl;

	if (ttl < c->ttl_min)
		ttl = c->ttl_min;
	return ttl < max ? ttl : max;
}

/* Every answer passes here, wanted or late. */
static void
srv_landed(
	void *arg, const char *name, const struct dns_answer *answer, struct monotime now)
{
	struct engine *e = arg;
	size_t prefix = strlen(e->config.srv_prefix);
	struct domain d;
	uint32_t ttl;

	counters(e)->srv_targets_dropped += answer->dropped;
	counters(e)->srv_records_over += answer->over;
	if (answer->status == DNS_FAILED) {
		counters(e)->srv_failures++;
		return;
	}
	d.len = (uint8_t)(strlen(name) - prefix);
	memcpy(d.text, name + prefix, (size_t)d.len + 1);
	if ((ttl = cache_ttl(&e->config, answer)) > 0 &&
		cache_put(e->cache, &d, &answer->srv, monotime_add_s(now, ttl)))
		counters(e)->cache_evictions++;
}

static void
tor_landed(
	void *arg, const char *name, const struct dns_answer *answer, struct monotime now)
{
	struct engine *e = arg;

	(void)name;
	(void)now;
	if (answer->status != DNS_RECORDS)
		counters(e)->tor_failures++;
}

void
engine_expire(struct engine *e, struct monotime now)
{
	struct profile *p;
	struct lookup *l;

	SLIST_FOREACH (p, &e->profiles, entry)
		while ((l = TAILQ_FIRST(&p->pending)) != NULL &&
			monotime_reached(l->deadline, now)) {
			counters(e)->deadlines++;
			lookup_finish_temp(l, REASON_DEADLINE, now);
		}
}

bool
engine_next_deadline(const struct engine *e, struct monotime *when)
{
	const struct profile *p;
	bool any = false;

	SLIST_FOREACH (p, &e->profiles, entry) {
		const struct lookup *l = TAILQ_FIRST(&p->pending);

		if (l != NULL && (!any || monotime_before(l->deadline, *when))) {
			*when = l->deadline;
			any = true;
		}
	}
	return any;
}

size_t
engine_pending(const struct engine *e)
{
	return e->pending;
}

struct profile *
profile_new(struct engine *e, enum answer_style style, int64_t deadline_ms)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->style = style;
	p->deadline_ms = deadline_ms;
	TAILQ_INIT(&p->pending);
	SLIST_INSERT_HEAD(&e->profiles, p, entry);
	return p;
}

struct engine *
engine_new(const struct engine_config *config, const struct engine_ports *ports)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct flights_config srv = {.source = ports->srv,
		.max = config->max_flights,
		.outstanding = config->max_flights,
		.landed = srv_landed,
		.arg = e};
	struct flights_config tor = {.source = ports->tor,
		.max = config->max_flights,
		.outstanding = TOR_OUTSTANDING,
		.landed = tor_landed,
		.arg = e};

	if (e == NULL)
		return NULL;
	e->config = *config;
	e->ports = *ports;
	SLIST_INIT(&e->profiles);
	e->cache = cache_new(config->cache_entries, config->hash_key);
	e->srv = flights_new(&srv);
	e->tor = flights_new(&tor);
	if (e->cache == NULL || e->srv == NULL || e->tor == NULL) {
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
	flights_free(e->srv);
	flights_free(e->tor);
	cache_free(e->cache);
	while ((p = SLIST_FIRST(&e->profiles)) != NULL) {
		SLIST_REMOVE_HEAD(&e->profiles, entry);
		free(p);
	}
	free(e);
}
