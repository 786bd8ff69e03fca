#include "route_decision.h"

#include <string.h>

#include "core/maprec.h"
#include "core/maptext.h"
#include "core/onion.h"
#include "dns_names.h"
#include "downgrade.h"
#include "pinning.h"

static bool
decided(struct inquiry *q, enum outcome outcome, enum reason reason)
{
	answer_set(q->answer, outcome, reason);
	return true;
}

/* user@NAME.onion */

static bool
decide_onion(struct inquiry *q)
{
	const struct domain *d = q->domain;
	enum onion_status st = onion_check(d->text, d->len, NULL);

	if (st != ONION_OK) {
		explain_add(q->explain, "%s: %s", d->text, onion_reason(st));
		return decided(q, OUTCOME_FAIL, REASON_ONION_INVALID);
	}
	explain_add(q->explain, "%s is its own target", d->text);
	decided(q, OUTCOME_ROUTE, REASON_NONE);
	q->answer->route.n = 1;
	q->answer->origin = ORIGIN_ONION;
	q->answer->route.target[0] =
		(struct target){.host = d->text, .hostlen = d->len, .port = SMTP_PORT};
	return true;
}

/* The map */

/* prefix: what the keys begin with. */
static enum map_result
find_keys(struct inquiry *q, const char *prefix, const struct domain *d)
{
	struct map_source *map = q->env->ports->map;
	struct map_value *value = &q->env->value;
	struct map_key k;

	map_key_start(&k, prefix, d);
	while (map_key_next(&k)) {
		enum map_result r;

		q->origin = k.is_exact && *prefix == '\0' ? ORIGIN_MAP : ORIGIN_MAP_MANY;
		value->checked = false;
		r = map->get(map, k.key, k.len, value);
		if (r == MAP_HIT)
			explain_add(q->explain, "map: %.*s  %.*s", (int)k.len, k.key,
				(int)value->len, value->text);
		if (r != MAP_MISS)
			return r;
	}
	return MAP_MISS;
}

/* The value is in env->value. */
static enum map_result
map_find(struct inquiry *q, const char *kind, const struct domain *d)
{
	const struct map_source *map = q->env->ports->map;
	enum map_result r;
	uint32_t generation;

	if (map == NULL) {
		explain_add(q->explain, "map: there is none");
		return MAP_MISS;
	}
	/* A miss is no miss if one map was asked for one key, and the next for another.
	 */
	do {
		generation = map->generation;
		r = find_keys(q, kind, d);
	} while (map->generation != generation);
	if (r == MAP_MISS)
		explain_add(q->explain, "map: no entry for %s%s", kind, d->text);
	return r;
}

static bool
decided_broken_map(struct inquiry *q)
{
	inquiry_count(q, &inquiry_counters(q)->map_broken);
	explain_add(q->explain, "map: damaged");
	return decided(q, OUTCOME_TEMP, REASON_MAP);
}

static enum maprec_status
parse_entry(struct inquiry *q, struct target_set *route)
{
	const struct map_value *v = &q->env->value;

	if (v->checked)
		return maprec_parse_checked(v->text, v->len, route, &q->options);
	return maprec_parse(v->text, v->len, route, &q->options, &q->env->memo);
}

/* Decides by the entry in env->value. MAPREC_SRV: it leaves the decision to DNS. */
static enum maprec_status
read_entry(struct inquiry *q)
{
	enum maprec_status st;

	answer_set(q->answer, OUTCOME_ROUTE, REASON_NONE);
	st = parse_entry(q, &q->answer->route);
	q->answer->origin = q->origin;
	if (st == MAPREC_NONE)
		q->answer->outcome = OUTCOME_NONE;
	if (st == MAPREC_BAD)
		decided_broken_map(q);
	else if (st != MAPREC_SRV)
		inquiry_count(q, &inquiry_counters(q)->map_hits);
	return st;
}

/* A domain without an entry is marked so, where it is known in the cache: it has none for
 * as long as the same map is in force. */
static bool
marked_without_entry(struct inquiry *q)
{
	const struct map_source *map = q->env->ports->map;

	return map != NULL && map->generation != 0 && q->explain == NULL &&
	       cache_map_generation(q->env->cache, DNS_TYPE_SRV, q->domain) ==
		       map->generation;
}

/* Had the domain an entry when the map was last asked for it, or for another that begins
 * like it? It is no use to look for a mark first, then. */
static bool *
seems_mapped(struct inquiry *q)
{
	uint64_t start;

	memcpy(&start, q->domain->text, sizeof(start));
	return &q->env->seems_mapped[start * 0x9e3779b97f4a7c15 >>
				     (64 - SEEMS_MAPPED_BITS)];
}

/* Whether the map has an entry for the domain, for the next decision. */
static void
remember_entry(struct inquiry *q, bool is_mapped)
{
	const struct map_source *map = q->env->ports->map;

	*seems_mapped(q) = is_mapped;
	if (!is_mapped && map != NULL)
		cache_set_map_generation(
			q->env->cache, DNS_TYPE_SRV, q->domain, map->generation);
}

/* False: the map leaves it to DNS. */
static bool
decide_by_map(struct inquiry *q)
{
	if (!*seems_mapped(q) && marked_without_entry(q))
		return false;
	switch (map_find(q, "", q->domain)) {
	case MAP_HIT:
		q->effects.map_asked = q->effects.is_mapped = true;
		return read_entry(q) != MAPREC_SRV;
	case MAP_BROKEN:
		return decided_broken_map(q);
	case MAP_MISS:
		q->effects.map_asked = true;
		break;
	}
	return false;
}

/* The MX of a hosted domain */

/* The hosts of the most preferred MX by name: the first after a name, NULL for the very
 * first. Returns NULL after the last. */
static const struct target *
next_host(const struct target_set *mx, const struct domain *after)
{
	const struct target *next = NULL;
	uint16_t best = UINT16_MAX;
	struct domain a, b = {0};

	for (uint8_t i = 0; i < mx->n; i++)
		if (mx->target[i].priority < best)
			best = mx->target[i].priority;
	for (uint8_t i = 0; i < mx->n; i++) {
		const struct target *rr = &mx->target[i];

		a = (struct domain){.len = rr->hostlen};
		memcpy(a.text, rr->host, rr->hostlen);
		if (rr->priority != best ||
			(after != NULL && strcmp(a.text, after->text) <= 0) ||
			(next != NULL && strcmp(a.text, b.text) >= 0))
			continue;
		next = rr;
		b = a;
	}
	return next;
}

/* Is there an entry for this host? Then the decision is what it says. What the domain's
 * own entry has of options stays in force. */
static bool
decide_by_host(struct inquiry *q, const struct domain *host, const struct dns_fact *mx)
{
	const struct map_options own = q->options;
	enum maprec_status st;

	switch (map_find(q, MAP_KEY_MX, host)) {
	case MAP_MISS:
		return false;
	case MAP_BROKEN:
		return decided_broken_map(q);
	case MAP_HIT:
		break;
	}
	st = read_entry(q);
	q->options.dnssec_require |= own.dnssec_require;
	if (own.on_failure != ON_FAILURE_UNSET)
		q->options.on_failure = own.on_failure;
	if (own.tls.level != TLS_UNSET)
		q->options.tls = own.tls;
	if (st == MAPREC_SRV) /* onionmap doesn't write that */
		return decided_broken_map(q);
	if (st == MAPREC_ROUTE && !downgrade_is_secure(q, mx))
		downgrade_refuse(q);
	else if (st == MAPREC_ROUTE)
		inquiry_count(q, &inquiry_counters(q)->mx_routes);
	return true;
}

static bool
decide_by_hosts(struct inquiry *q, const struct dns_fact *mx)
{
	const struct target *rr = NULL;
	struct domain host;

	if (mx->status == DNS_NONE && mx->dropped == 0)
		return decide_by_host(q, q->domain, mx); /* RFC 5321 section 5.1 */
	while ((rr = next_host(&mx->set, rr == NULL ? NULL : &host)) != NULL) {
		host = (struct domain){.len = rr->hostlen};
		memcpy(host.text, rr->host, rr->hostlen);
		if (decide_by_host(q, &host, mx))
			return true;
	}
	return false;
}

static bool
decide_by_mx(struct inquiry *q)
{
	struct dns_fact mx;

	switch (dns_names_get(q, DNS_TYPE_MX, q->domain, &mx)) {
	case NAME_NEEDED:
		return false;
	case NAME_FAILED:
		return decided(q, OUTCOME_TEMP, mx.reason);
	case NAME_RESOLVED:
		break;
	}
	return decide_by_hosts(q, &mx) || decided(q, OUTCOME_NONE, REASON_NONE);
}

/* SRV */

/* May the route be used? One that may is pinned at its first use. */
static enum downgrade
check_route(struct inquiry *q, const struct dns_fact *srv, bool pinned)
{
	enum downgrade downgrade = DOWNGRADE_NO;

	if (!downgrade_is_secure(q, srv)) {
		downgrade_refuse(q);
		return DOWNGRADE_REFUSED;
	}
	if (q->env->config->protect_authenticated && !srv->ad && !pinned)
		downgrade = downgrade_check(q);
	if (downgrade == DOWNGRADE_NO && !pinned)
		pinning_first_use(q, srv);
	return downgrade;
}

static bool
decide_by_route(struct inquiry *q, const struct dns_fact *srv, bool pinned)
{
	switch (check_route(q, srv, pinned)) {
	case DOWNGRADE_UNKNOWN:
		return false;
	case DOWNGRADE_REFUSED:
		return true;
	case DOWNGRADE_NO:
		break;
	}
	answer_set(q->answer, OUTCOME_ROUTE, REASON_NONE);
	srv_order(&srv->set, srv->set.n > 1 ? q->env->ports->random() : 0,
		&q->answer->route);
	return true;
}

static bool
decide_by_srv(struct inquiry *q)
{
	struct dns_fact srv;
	bool pinned;

	switch (dns_names_get(q, DNS_TYPE_SRV, q->domain, &srv)) {
	case NAME_NEEDED:
		return false;
	case NAME_FAILED:
		return decided(q, OUTCOME_TEMP, srv.reason);
	case NAME_RESOLVED:
		break;
	}
	if (srv.dropped > 0)
		explain_add(q->explain, "SRV of %s: %u targets can't be used",
			q->domain->text, (unsigned)srv.dropped);
	pinned = pinning_compare(q, &srv);
	if (srv.status == DNS_RECORDS)
		return decide_by_route(q, &srv, pinned);
	explain_add(q->explain, "SRV of %s: none", q->domain->text);
	if (q->env->config->follow_mx)
		return decide_by_mx(q);
	return decided(q, OUTCOME_NONE, REASON_NONE);
}

/* An expired fact supports a route, and nothing else. */
static void
doubt_stale(struct inquiry *q)
{
	if (q->stale == REASON_NONE || q->answer->outcome != OUTCOME_NONE)
		return;
	explain_add(q->explain, "that rests on what has expired, so it isn't certain");
	answer_set(q->answer, OUTCOME_TEMP, q->stale);
}

bool
route_decision_make(struct inquiry *q)
{
	map_options_clear(&q->options);
	q->stale_would_do = false;
	q->stale = REASON_NONE;
	q->nneeded = 0;
	q->effects.ncounted = q->effects.nrenew = 0;
	q->effects.map_asked = q->effects.is_mapped = q->effects.pin_first_use = false;
	q->effects.pin = PIN_NONE;
	if (domain_is_onion(q->domain))
		return decide_onion(q);
	if (!decide_by_map(q) && !decide_by_srv(q))
		return false;
	doubt_stale(q);
	return true;
}

void
route_decision_apply(struct inquiry *q)
{
	const struct effects *fx = &q->effects;

	for (size_t i = 0; i < fx->ncounted; i++)
		++*fx->counted[i];
	if (fx->map_asked)
		remember_entry(q, fx->is_mapped);
	pinning_apply(q);
	/* Last: the names above are views of the cache. */
	dns_names_renew(q);
}
