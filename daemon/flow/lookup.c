#include "flow/lookup.h"

#include <stddef.h>
#include <stdlib.h>

#include "dns_wait.h"
#include "engine_parts.h"
#include "route_decision.h"

struct lookup {
	struct engine_parts *parts;
	const struct profile *profile;
	struct pending pending;
	struct domain domain;
	struct map_options options;
	lookup_done *done;
	void *arg;
	struct explain *explain;

	/* A lookup waits for DNS first, then for one of the others, which are NULL
	 * otherwise. */
	struct dns_wait dns;
	struct tor_addresses *addresses;
	struct crossing *crossing;
};

/* All but the room for what is found out. */
static void
start_inquiry(struct inquiry *q, struct engine_parts *parts, const struct domain *d,
	struct monotime now, struct answer *answer)
{
	q->env = &parts->env;
	q->domain = d;
	q->now = now;
	q->kept = NULL;
	q->give_up = REASON_NONE;
	q->explain = NULL;
	q->answer = answer;
	map_options_clear(&q->options);
}

static void
inquire_again(struct inquiry *q, struct lookup *l, enum reason give_up,
	struct monotime now, struct answer *answer)
{
	start_inquiry(q, l->parts, &l->domain, now, answer);
	q->cache_only = l->profile->cache_only;
	q->explain = l->explain;
	q->kept = &l->dns.kept;
	q->give_up = give_up;
}

/* The last step of every lookup. One that only fills the cache has no answer. */
static void
conclude(struct engine_parts *parts, const struct profile *profile,
	const struct domain *d, const struct map_options *options, struct answer *a)
{
	enum on_failure on_failure = options->on_failure != ON_FAILURE_UNSET
					     ? options->on_failure
					     : parts->config.on_failure;
	struct counters *c = parts->ports.counters;

	if (profile->cache_only)
		return;
	/* An insecure route is no failure: on_insecure says what becomes of it. */
	if (a->outcome == OUTCOME_TEMP && a->reason != REASON_INSECURE &&
		on_failure == ON_FAILURE_CLEARNET) {
		c->failures_as_none++;
		answer_set(a, OUTCOME_NONE, REASON_NONE);
	}
	switch (a->outcome) {
	case OUTCOME_ROUTE:
		c->answers_route++;
		break;
	case OUTCOME_NONE:
		c->answers_none++;
		break;
	case OUTCOME_TEMP:
		c->answers_temp++;
		break;
	case OUTCOME_FAIL:
		c->answers_fail++;
	}
	if (parts->ports.observe != NULL && d->len > 0)
		parts->ports.observe(d, a);
}

/* Pending lookups */

/* Takes it out of everything that could call it; then only its names are left. */
static void
detach(struct lookup *l)
{
	pending_stop(&l->pending);
	dns_wait_cancel(&l->dns);
	if (l->addresses != NULL)
		tor_addresses_cancel(l->addresses);
	if (l->crossing != NULL)
		crossing_cancel(l->crossing);
}

static void
free_lookup(struct lookup *l)
{
	dns_wait_clear(&l->dns);
	free(l);
}

void
lookup_client_limit(
	struct lookup_client *client, const struct profile *profile, struct monotime now)
{
	budget_open(&client->budget, profile->whole.deadline_ms, now);
}

void
lookup_set_arg(struct lookup *l, void *arg)
{
	l->arg = arg;
}

void
lookup_cancel(struct lookup *l)
{
	detach(l);
	free_lookup(l);
}

static void
finish(struct lookup *l, struct answer *a, struct monotime now)
{
	detach(l);
	pending_charge(&l->pending, a, now);
	conclude(l->parts, l->profile, &l->domain, &l->options, a);
	l->done(l->arg, a, now);
	free_lookup(l);
}

static void
finish_temp(struct lookup *l, enum reason reason, struct monotime now)
{
	struct answer a;

	answer_set(&a, OUTCOME_TEMP, reason);
	finish(l, &a, now);
}

/* The bridge's address */

static bool
needs_bridge(const struct profile *p, const struct answer *a)
{
	return a->outcome == OUTCOME_ROUTE && p->style == STYLE_BRIDGE;
}

static void
crossed(void *arg, struct answer *a, struct monotime now)
{
	struct lookup *l = arg;

	l->crossing = NULL;
	finish(l, a, now);
}

static enum reason
wait_for_bridge(
	struct lookup *l, const struct target_set *route, const struct bridge_wait *wait)
{
	l->crossing = crossing_start(&l->parts->crossings, route, wait, crossed, l);
	return l->crossing == NULL ? REASON_NOMEM : REASON_NONE;
}

/* The lookup is decided and needs no more names. */
static void
leave_dns(struct lookup *l)
{
	pending_clear_stale(&l->pending);
	dns_wait_cancel(&l->dns);
}

static void
proceed_to_bridge(struct lookup *l, struct answer *a, struct monotime now)
{
	enum reason reason = l->pending.why;
	struct bridge_wait wait;

	if (crossing_needed(&l->parts->ports, &l->domain, &l->options, a, &wait)) {
		if (!monotime_reached(l->pending.deadline_at, now))
			reason = wait_for_bridge(l, &a->route, &wait);
		if (reason == REASON_NONE) {
			leave_dns(l);
			return;
		}
		crossing_give_up(&wait, reason, a);
	}
	finish(l, a, now);
}

/* Tor's addresses */

static bool
needs_addresses(const struct profile *p, const struct answer *a)
{
	return a->outcome == OUTCOME_ROUTE && p->style == STYLE_ADDRESS;
}

static struct tor_asker
asker_of(const struct lookup *l, enum route_origin origin)
{
	struct tor_asker asker = {.quota = QUOTA_MAP};

	if (origin == ORIGIN_ONION)
		asker.quota = QUOTA_ONION;
	if (origin != ORIGIN_DNS)
		return asker;
	asker.quota = QUOTA_DNS;
	asker.parents =
		parents_of(&l->parts->config.cache.key, l->domain.text, l->domain.len);
	return asker;
}

static void
addressed(void *arg, struct answer *a, struct monotime now)
{
	struct lookup *l = arg;

	l->addresses = NULL;
	finish(l, a, now);
}

static enum reason
wait_for_tor(struct lookup *l, const struct answer *answer, struct monotime now)
{
	const struct tor_addresses_request request = {.route = &answer->route,
		.asker = asker_of(l, answer->origin),
		.keys = l->pending.keys,
		.explain = l->explain};

	return tor_addresses_start(
		l->parts->tor, &request, now, addressed, l, &l->addresses);
}

/* DNS */

/* REASON_NONE: it now waits for all that its decision lacks. */
static enum reason
wait_for_dns(struct lookup *l, const struct inquiry *q)
{
	enum reason reason = dns_wait_for(&l->dns, q->nneeded, q->now);

	if (reason == REASON_NONE && q->stale_would_do)
		pending_set_stale(&l->pending, q->now);
	return reason;
}

static void
proceed(struct lookup *l, struct answer *a, struct monotime now)
{
	enum reason reason;

	if (needs_bridge(l->profile, a)) {
		proceed_to_bridge(l, a, now);
		return;
	}
	if (!needs_addresses(l->profile, a)) {
		finish(l, a, now);
		return;
	}
	leave_dns(l);
	if ((reason = wait_for_tor(l, a, now)) != REASON_NONE)
		finish_temp(l, reason, now);
}

/* Decides with what has become known. */
static void
advance(struct lookup *l, enum reason give_up, struct monotime now)
{
	struct answer a;
	struct inquiry q;
	enum reason reason;

	inquire_again(&q, l, give_up, now, &a);
	if (!route_decision_make(&q)) {
		if ((reason = wait_for_dns(l, &q)) == REASON_NONE)
			return;
		q.give_up = reason;
		route_decision_make(&q);
	}
	route_decision_apply(&q);
	l->options = q.options;
	proceed(l, &a, now);
}

static void
answered(void *arg, enum reason give_up, struct monotime now)
{
	advance(arg, give_up, now);
}

/* Time */

static struct lookup *
lookup_of(struct pending *p)
{
	return (struct lookup *)((char *)p - offsetof(struct lookup, pending));
}

static void
deadline(struct pending *p, struct monotime now)
{
	struct lookup *l = lookup_of(p);
	const enum reason why = l->pending.why;

	if (l->crossing != NULL)
		crossing_end(l->crossing, why, now);
	else if (l->profile->style == STYLE_ADDRESS) /* no time is left for tor */
		finish_temp(l, why, now);
	else
		advance(l, why, now);
}

static void
stale(struct pending *p, struct monotime now)
{
	struct lookup *l = lookup_of(p);
	struct answer a;
	struct inquiry q;

	inquire_again(&q, l, REASON_DEADLINE, now, &a);
	route_decision_make(&q);
	if (a.outcome == OUTCOME_TEMP)
		return; /* an answer may still come */
	l->pending.missed = true;
	route_decision_apply(&q);
	l->options = q.options;
	proceed(l, &a, now);
}

/* Starting */

/* A lookup that has a place. Otherwise returns why it can't have one. */
static enum reason
new_lookup(struct engine_parts *parts, const struct lookup_request *req,
	struct monotime now, struct lookup **pending)
{
	struct lookup *l = calloc(1, sizeof(*l));
	enum reason reason;

	if (l == NULL)
		return REASON_NOMEM;
	l->parts = parts;
	l->domain = parts->domain;
	l->profile = req->profile;
	l->done = req->done;
	l->arg = req->arg;
	l->explain = req->explain;
	l->pending.client = req->client;
	l->pending.deadline = deadline;
	l->pending.stale = stale;
	reason =
		pending_start(&l->pending, parts->pending, req->profile, &l->domain, now);
	if (reason != REASON_NONE) {
		free(l);
		return reason;
	}
	l->dns.env = &parts->env;
	l->dns.keys = l->pending.keys;
	l->dns.cache_only = l->profile->cache_only;
	l->dns.deadline_ms = l->pending.pace->deadline_ms;
	l->dns.explain = l->explain;
	l->dns.answered = answered;
	l->dns.arg = l;
	*pending = l;
	return REASON_NONE;
}

/* Answers a key that has no domain to look up. False: parts->domain is its domain. */
static bool
key_answer(struct engine_parts *parts, const struct lookup_request *req, struct answer *a)
{
	switch (domain_from_key(&parts->domain, req->key, req->keylen)) {
	case DOMAIN_OK:
		return false;
	case DOMAIN_UNUSABLE:
		explain_add(req->explain, "the key names no domain");
		answer_set(a, OUTCOME_NONE, REASON_NONE);
		break;
	case DOMAIN_ONION:
		explain_add(
			req->explain, "the key ends in .onion, but isn't a valid name");
		answer_set(a, OUTCOME_FAIL, REASON_ONION_INVALID);
		break;
	case DOMAIN_UNKNOWN:
		answer_set(a, OUTCOME_TEMP, REASON_CHARACTER);
		break;
	case DOMAIN_NOMEM:
		answer_set(a, OUTCOME_TEMP, REASON_NOMEM);
		break;
	}
	parts->domain.len = 0;
	return true;
}

/* The start of a lookup, which may have to wait. */
struct start {
	struct engine_parts *parts;
	const struct lookup_request *req;
	bool known;              /* it is decided */
	bool crosses;            /* it waits for the bridge */
	struct bridge_wait wait; /* for this */
};

static enum reason
wait_for_lacking(struct lookup *l, const struct start *s, const struct inquiry *q)
{
	if (!s->known)
		return wait_for_dns(l, q);
	if (s->crosses)
		return wait_for_bridge(l, &q->answer->route, &s->wait);
	return wait_for_tor(l, q->answer, q->now);
}

/* Leaves a lookup waiting for what the inquiry, or its answer, lacks. Otherwise returns
 * why it can't. */
static enum reason
start_waiting(struct inquiry *q, const struct start *s, struct lookup **pending)
{
	struct lookup *l;
	enum reason reason;

	if ((reason = new_lookup(s->parts, s->req, q->now, &l)) != REASON_NONE)
		return reason;
	l->options = q->options;
	if ((reason = wait_for_lacking(l, s, q)) != REASON_NONE)
		lookup_cancel(l);
	else
		*pending = l;
	return reason;
}

/* Whether the lookup has to wait for something. */
static bool
has_to_wait(struct inquiry *q, struct start *s)
{
	s->crosses = s->known && needs_bridge(s->req->profile, q->answer) &&
		     crossing_needed(&s->parts->ports, q->domain, &q->options, q->answer,
			     &s->wait);
	return !s->known || s->crosses || needs_addresses(s->req->profile, q->answer);
}

/* Answers a lookup that can't wait, perhaps by a stale route. */
static void
do_without(struct inquiry *q, struct start *s, enum reason reason)
{
	q->give_up = reason;
	if (!s->known) {
		route_decision_make(q);
		route_decision_apply(q);
		s->known = true;
		if (!has_to_wait(q, s))
			return;
	}
	if (s->crosses)
		crossing_give_up(&s->wait, reason, q->answer);
	else
		answer_set(q->answer, OUTCOME_TEMP, reason);
}

enum lookup_status
lookup_start(struct engine *e, const struct lookup_request *req, struct monotime now,
	struct answer *a, struct lookup **pending)
{
	struct engine_parts *parts = engine_parts(e);
	struct start start = {.parts = parts, .req = req};
	struct counters *c = parts->ports.counters;
	struct inquiry q;
	enum reason reason;

	start_inquiry(&q, parts, &parts->domain, now, a);
	q.cache_only = req->profile->cache_only;
	q.explain = req->explain;
	++*(q.cache_only ? &c->policy_lookups : &c->lookups);
	if (key_answer(parts, req, a)) {
		conclude(parts, req->profile, &parts->domain, &q.options, a);
		return LOOKUP_READY;
	}
	if ((start.known = route_decision_make(&q)))
		route_decision_apply(&q);
	if (has_to_wait(&q, &start)) {
		reason = start_waiting(&q, &start, pending);
		if (reason == REASON_NONE)
			return LOOKUP_PENDING;
		do_without(&q, &start, reason);
	}
	conclude(parts, req->profile, &parts->domain, &q.options, a);
	return LOOKUP_READY;
}
