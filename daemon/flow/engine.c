#include "flow/engine.h"

#include <stdlib.h>
#include <string.h>

#include "dns_names.h"
#include "engine_parts.h"

/* The receive buffer of a DNS server, as Linux has it by default, holds 256 queries; the
 * rest is dropped without a word. */
#define DNS_BURST 100

struct engine {
	struct engine_parts parts;
};

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
dns_name(void *arg, enum dns_type type, const char *subject,
	char out[INFLIGHT_NAME_MAX + 1])
{
	/* dns_names_get() lets no subject through that is too long. */
	dns_names_query(&((const struct engine *)arg)->parts.config, type, subject, out);
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
dns_answered(void *arg, enum dns_type type, const char *subject,
	const struct dns_answer *answer, struct monotime now)
{
	struct engine *e = arg;
	struct counters *c = e->parts.ports.counters;
	struct cache *cache = e->parts.env.cache;
	struct domain d = {.len = (uint8_t)strlen(subject)};
	struct dns_fact fact;

	memcpy(d.text, subject, d.len);
	if (type == DNS_TYPE_SRV) {
		c->srv_targets_dropped += answer->dropped;
		c->srv_records_dropped += answer->over;
	}
	if (answer->status != DNS_FAILED) {
		dns_fact_of_answer(&fact, answer);
		c->cache_evictions += cache_put(
			cache, type, &d, &fact, cache_ttl(&e->parts.config, answer), now);
		return;
	}
	c->dns_failures++;
	if (is_about_the_name(answer->reason))
		c->cache_evictions += cache_fail(cache, type, &d, answer->reason, now);
}

struct profile *
engine_profile_new(struct engine *e, enum answer_style style, int64_t deadline_ms)
{
	return pending_profile_new(e->parts.pending, style, deadline_ms);
}

struct profile *
engine_profile_cache_only(struct engine *e, int64_t deadline_ms)
{
	struct profile *p = engine_profile_new(e, STYLE_ONION, deadline_ms);

	if (p != NULL)
		p->cache_only = true;
	return p;
}

/* Time */

void
engine_expire(struct engine *e, struct monotime now)
{
	struct engine_parts *p = &e->parts;

	pending_expire(p->pending, now);
	upstream_expire(p->env.dns, now);
	inflight_expire(p->env.dns_inflight, now);
	if (p->tor != NULL)
		tor_addresses_expire(p->tor, now);
}

bool
engine_next_deadline(const struct engine *e, struct monotime *when)
{
	const struct engine_parts *p = &e->parts;
	bool any = pending_next_deadline(p->pending, when);
	struct monotime at;

	if (upstream_next_deadline(p->env.dns, &at))
		any = monotime_first(any, at, when);
	if (inflight_next_deadline(p->env.dns_inflight, &at))
		any = monotime_first(any, at, when);
	if (p->tor != NULL && tor_addresses_next_deadline(p->tor, &at))
		any = monotime_first(any, at, when);
	return any;
}

size_t
engine_pending(const struct engine *e)
{
	return pending_count(e->parts.pending);
}

void
engine_bridge_kept(struct engine *e, uint64_t upto, bool good, struct monotime now)
{
	crossings_end(
		&e->parts.crossings, upto, good ? REASON_NONE : REASON_BRIDGE_STATE, now);
}

bool
engine_set_dns(
	struct engine *e, struct dns_source *const dns[], size_t n, struct monotime now)
{
	return upstream_set_servers(e->parts.env.dns, dns, n, now);
}

/* Restarts */

void
engine_recall(struct engine *e, cache_each *each, void *arg)
{
	cache_walk(e->parts.env.cache, each, arg);
}

void
engine_remember(struct engine *e, enum dns_type type, const struct domain *d,
	const struct cached *old, struct monotime now)
{
	bool none = old->fact.status == DNS_NONE;
	const struct engine_config *c = &e->parts.config;
	uint32_t max = none ? c->negative_ttl_max : c->ttl_max;
	struct monotime last = monotime_add_s(now, max);
	struct cached kept = *old;

	if (kept.ttl > max)
		kept.ttl = max;
	if (monotime_before(last, kept.expires))
		kept.expires = last;
	e->parts.ports.counters->cache_evictions +=
		cache_restore(e->parts.env.cache, type, d, &kept, now);
}

size_t
engine_known(const struct engine *e)
{
	return cache_entries(e->parts.env.cache);
}

/* The whole */

static bool
open_dns(struct engine *e)
{
	struct engine_parts *p = &e->parts;
	struct counters *c = p->ports.counters;
	struct upstream_config servers = {.n = p->ports.ndns,
		.timeout_ms = p->config.dns.timeout_ms,
		.tries = p->config.dns.tries,
		/* The root: any resolver that works has an answer, and it tells nobody
		 * whom mail is for. */
		.probe = "",
		.bare_negative = p->config.bare_negative,
		.opened = &c->dns_down,
		.bare = &c->bare_negatives,
		.event = p->ports.server_event,
		.event_arg = p->ports.server_event_arg,
		.alarm = p->ports.alarm,
		.alarm_arg = p->ports.alarm_arg};
	struct inflight_config inflight = {.engine = &p->config,
		.ports = &p->ports,
		.outstanding = p->config.max_queries,
		.burst = DNS_BURST,
		.refill = DNS_BURST - 1,
		.dns_name = dns_name,
		.answered = dns_answered,
		.arg = e};

	memcpy(servers.server, p->ports.dns, sizeof(servers.server));
	inflight.upstream = p->env.dns = upstream_new(&servers);
	p->env.dns_inflight = inflight_new(&inflight);
	return p->env.dns != NULL && p->env.dns_inflight != NULL;
}

static bool
open_tor(struct engine_parts *p)
{
	if (p->ports.tor == NULL)
		return true;
	p->tor = tor_addresses_open(&p->config, &p->ports);
	return p->tor != NULL;
}

struct engine *
engine_new(const struct engine_config *config, const struct engine_ports *ports)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct engine_parts *p;

	if (e == NULL)
		return NULL;
	p = &e->parts;
	p->config = *config;
	p->ports = *ports;
	p->env.config = &p->config;
	p->env.ports = &p->ports;
	p->env.cache = cache_new(&config->cache);
	p->pending = pending_set_new(&p->config, &p->ports);
	TAILQ_INIT(&p->crossings);
	if (p->env.cache == NULL || p->pending == NULL || !open_dns(e) || !open_tor(p)) {
		engine_free(e);
		return NULL;
	}
	return e;
}

void
engine_free(struct engine *e)
{
	struct engine_parts *p;

	if (e == NULL)
		return;
	p = &e->parts;
	inflight_free(p->env.dns_inflight);
	upstream_free(p->env.dns);
	tor_addresses_close(p->tor);
	cache_free(p->env.cache);
	pending_set_free(p->pending);
	free(e);
}

struct engine_parts *
engine_parts(struct engine *e)
{
	return &e->parts;
}
