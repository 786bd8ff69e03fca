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
	uint64_t *const ended[] = {
		[OUTCOME_ROUTE] = &c->answers_route,
		[OUTCOME_NONE] = &c->answers_none,
		[OUTCOME_TEMP] = &c->answers_temp,
		[OUTCOME_FAIL] = &c->answers_fail,
	};

	if (profile->cache_only)
		return;
	/* An insecure route is no failure: on_insecure says what becomes of it. */
	if (a->outcome == OUTCOME_TEMP && a->reason != REASON_INSECURE &&
		on_failure == ON_FAILURE_CLEARNET) {
		c->failures_as_none++;
		answer_set(a, OUTCOME_NONE, REASON_NONE);
	}
	++*ended[a->outcome];
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

/* Addresses */

/* What a decided answer lacks. */
struct lack {
	bool addresses;          /* tor's, of the targets */
	bool disk;               /* the bridge's address isn't on the disk */
	struct bridge_wait wait; /* until it is */
};

static bool
lacks(const struct lack *lack)
{
	return lack->addresses || lack->disk;
}

/* Puts the bridge's address into the answer, too. */
static struct lack
find_lack(struct engine_parts *parts, const struct profile *profile,
	const struct domain *d, const struct map_options *options, struct answer *a)
{
	struct lack lack = {0};

	if (a->outcome != OUTCOME_ROUTE)
		return lack;
	lack.addresses = profile->style == STYLE_ADDRESS;
	lack.disk = profile->style == STYLE_BRIDGE &&
		    crossing_needed(&parts->ports, d, options, a, &lack.wait);
	return lack;
}

/* Answers without what is lacking, for which there is no room or time. */
static void
do_without(const struct lack *lack, enum reason reason, struct answer *a)
{
	if (lack->disk)
		crossing_give_up(&lack->wait, reason, a);
	else
		answer_set(a, OUTCOME_TEMP, reason);
}

static void
crossed(void *arg, struct answer *a, struct monotime now)
{
	struct lookup *l = arg;

	l->crossing = NULL;
	finish(l, a, now);
}

static void
addressed(void *arg, struct answer *a, struct monotime now)
{
	struct lookup *l = arg;

	l->addresses = NULL;
	finish(l, a, now);
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

static enum reason
wait_for_lack(struct lookup *l, const struct lack *lack, const struct answer *a,
	struct monotime now)
{
	if (!lack->disk)
		return wait_for_tor(l, a, now);
	l->crossing =
		crossing_start(&l->parts->crossings, &a->route, &lack->wait, crossed, l);
	return l->crossing == NULL ? REASON_NOMEM : REASON_NONE;
}

/* The decision stands. */
static void
proceed(struct lookup *l, struct inquiry *q)
{
	struct answer *a = q->answer;
	struct lack lack;
	enum reason reason = l->pending.why;

	route_decision_apply(q);
	l->options = q->options;
	lack = find_lack(l->parts, l->profile, &l->domain, &l->options, a);
	if (lacks(&lack)) {
		if (!lack.disk || !monotime_reached(l->pending.deadline_at, q->now))
			reason = wait_for_lack(l, &lack, a, q->now);
		if (reason == REASON_NONE) {
			pending_clear_stale(&l->pending);
			dns_wait_cancel(&l->dns);
			return;
		}
		do_without(&lack, reason, a);
	}
	finish(l, a, q->now);
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
	proceed(l, &q);
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
	struct answer a;

	if (l->crossing != NULL) {
		crossing_end(l->crossing, why, now);
		return;
	}
	if (l->profile->style != STYLE_ADDRESS) {
		advance(l, why, now);
		return;
	}
	/* No time is left for tor. */
	answer_set(&a, OUTCOME_TEMP, why);
	finish(l, &a, now);
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
	proceed(l, &q);
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
	bool decided;
	struct lack lack; /* if it is */
};

static void
decide(struct start *s, struct inquiry *q)
{
	s->decided = route_decision_make(q);
	if (!s->decided)
		return;
	route_decision_apply(q);
	s->lack = find_lack(s->parts, s->req->profile, q->domain, &q->options, q->answer);
}

/* Leaves a lookup waiting for DNS, or for what its answer lacks. Otherwise returns why it
 * can't. */
static enum reason
start_waiting(struct inquiry *q, const struct start *s, struct lookup **pending)
{
	struct lookup *l;
	enum reason reason;

	if ((reason = new_lookup(s->parts, s->req, q->now, &l)) != REASON_NONE)
		return reason;
	l->options = q->options;
	reason = s->decided ? wait_for_lack(l, &s->lack, q->answer, q->now)
			    : wait_for_dns(l, q);
	if (reason != REASON_NONE)
		lookup_cancel(l);
	else
		*pending = l;
	return reason;
}

/* Answers a lookup that can't wait, perhaps by a stale route. */
static void
give_up(struct start *s, struct inquiry *q, enum reason reason)
{
	q->give_up = reason;
	if (!s->decided)
		decide(s, q);
	if (lacks(&s->lack))
		do_without(&s->lack, reason, q->answer);
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
	if (!key_answer(parts, req, a)) {
		decide(&start, &q);
		if (!start.decided || lacks(&start.lack)) {
			reason = start_waiting(&q, &start, pending);
			if (reason == REASON_NONE)
				return LOOKUP_PENDING;
			give_up(&start, &q, reason);
		}
	}
	conclude(parts, req->profile, &parts->domain, &q.options, a);
	return LOOKUP_READY;
}
