#include "flow/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* All but the room for what is found out. */
static void
inquiry_start(struct inquiry *q, struct engine *e, const struct domain *d,
	struct monotime now, struct answer *answer)
{
	q->engine = e;
	q->domain = d;
	q->now = now;
	q->held = NULL;
	q->give_up = REASON_NONE;
	q->trail = NULL;
	q->answer = answer;
	policy_clear(&q->policy);
}

static void
inquire_again(struct inquiry *q, struct lookup *l, enum reason give_up,
	struct monotime now, struct answer *answer)
{
	inquiry_start(q, l->engine, &l->domain, now, answer);
	q->trail = l->trail;
	q->held = &l->held;
	q->give_up = give_up;
}

/* The last step of every lookup. */
static void
settle(struct engine *e, const struct domain *d, const struct policy *policy,
	struct answer *a)
{
	enum on_failure on_failure = policy->on_failure != ON_FAILURE_UNSET
					     ? policy->on_failure
					     : e->config.on_failure;
	struct counters *c = counters(e);

	/* What isn't secure hasn't failed: that has an option of its own. */
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
	if (e->ports.observe != NULL && d->len > 0)
		e->ports.observe(d, a);
}

/* Pending lookups */

static void
alarm_caller(struct engine *e)
{
	if (e->ports.alarm != NULL)
		e->ports.alarm(e->ports.alarm_arg);
}

static struct lookup *
lookup_new(struct engine *e, const struct lookup_request *req, struct monotime now)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->engine = e;
	l->domain = e->domain;
	l->profile = req->profile;
	l->pace = pace_for(e, req, now);
	l->client = req->client;
	l->started = now;
	l->deadline = monotime_add_ms(now, l->pace->deadline_ms);
	l->done = req->done;
	l->arg = req->arg;
	l->trail = req->trail;
	TAILQ_INSERT_TAIL(&l->pace->pending, l, entry);
	e->pending++;
	return l;
}

static void
lose_patience(struct lookup *l)
{
	if (l->patience_ends.ns != 0)
		TAILQ_REMOVE(&l->pace->patient, l, patient_entry);
	l->patience_ends.ns = 0;
}

static void
stop_waiting(struct lookup *l, struct wait *w)
{
	flights_leave(&w->waiter);
	SLIST_REMOVE(&l->waits, w, wait, entry);
	free(w);
}

static void
leave_dns(struct lookup *l)
{
	while (!SLIST_EMPTY(&l->waits))
		stop_waiting(l, SLIST_FIRST(&l->waits));
}

/* Takes it out of everything that could call it; then only its names are left. */
static void
lookup_detach(struct lookup *l)
{
	TAILQ_REMOVE(&l->pace->pending, l, entry);
	shares_leave(l->engine->places, &l->place);
	l->engine->pending--;
	lose_patience(l);
	leave_dns(l);
	crossing_leave(l);
	for (uint8_t i = 0; l->address != NULL && i < l->n; i++)
		flights_leave(&l->address[i].waiter);
}

static void
lookup_free(struct lookup *l)
{
	struct held *h;

	while ((h = SLIST_FIRST(&l->held)) != NULL) {
		SLIST_REMOVE_HEAD(&l->held, entry);
		free(h);
	}
	addresses_forget(l);
	free(l);
}

void
lookup_set_arg(struct lookup *l, void *arg)
{
	l->arg = arg;
}

void
lookup_cancel(struct lookup *l)
{
	lookup_detach(l);
	lookup_free(l);
}

void
lookup_finish(struct lookup *l, struct answer *a, struct monotime now)
{
	lookup_detach(l);
	lookup_charge(l, a, now);
	settle(l->engine, &l->domain, &l->policy, a);
	l->done(l->arg, a, now);
	lookup_free(l);
}

void
lookup_finish_temp(struct lookup *l, enum reason reason, struct monotime now)
{
	struct answer a;

	answer_set(&a, OUTCOME_TEMP, reason);
	lookup_finish(l, &a, now);
}

/* Waiting for DNS */

static void dns_answered(void *arg, const struct dns_answer *, struct monotime now);

static bool
waits_for(const struct lookup *l, const struct wanted *want)
{
	const struct wait *w;

	SLIST_FOREACH (w, &l->waits, entry)
		if (w->type == want->type &&
			strcmp(w->subject.text, want->subject.text) == 0)
			return true;
	return false;
}

static enum reason
join(struct lookup *l, struct wait *w, struct monotime now)
{
	struct engine *e = l->engine;
	const struct flight_question question = {
		w->type, w->subject.text, keys_of(e, l->client, w->subject.text)};
	struct flight_joined joined;

	switch (flights_join(e->dns_flights, &question, now, &w->waiter, &joined)) {
	case FLIGHT_JOINED:
		break;
	case FLIGHT_FULL:
		counters(e)->flights_full++;
		return REASON_BUSY;
	case FLIGHT_WAITERS_FULL:
		counters(e)->waiters_full++;
		return REASON_BUSY;
	case FLIGHT_NOMEM:
		return REASON_NOMEM;
	}
	counters(e)->dns_queries += joined.asked;
	/* Others have waited in vain for as long as this one may: whoever asks one
	 * question after the other isn't to lose that time again and again. */
	if (monotime_reached(monotime_add_ms(joined.since, l->pace->deadline_ms), now)) {
		counters(e)->fast_failures++;
		return REASON_DEADLINE;
	}
	return REASON_NONE;
}

static enum reason
wait_for(struct lookup *l, const struct wanted *want, struct monotime now)
{
	struct wait *w = calloc(1, sizeof(*w));
	enum reason reason;

	if (w == NULL)
		return REASON_NOMEM;
	w->waiter.answered = dns_answered;
	w->waiter.arg = w;
	w->lookup = l;
	w->type = want->type;
	w->subject = want->subject;
	SLIST_INSERT_HEAD(&l->waits, w, entry);
	if ((reason = join(l, w, now)) != REASON_NONE)
		stop_waiting(l, w);
	return reason;
}

/* REASON_NONE: it now waits for all that its decision lacks. */
static enum reason
wait_for_wanted(struct lookup *l, const struct inquiry *q)
{
	for (size_t i = 0; i < q->nwanted; i++) {
		const struct wanted *want = &q->engine->wanted[i];
		enum reason reason;

		if (!waits_for(l, want) &&
			(reason = wait_for(l, want, q->now)) != REASON_NONE)
			return reason;
	}
	/* Half of the time, so that the other half is left for tor. */
	if (q->stale_would_do && l->patience_ends.ns == 0) {
		l->patience_ends = monotime_add_ms(q->now, l->pace->deadline_ms / 2);
		TAILQ_INSERT_TAIL(&l->pace->patient, l, patient_entry);
		alarm_caller(l->engine);
	}
	return REASON_NONE;
}

static bool
needs_addresses(const struct profile *p, const struct answer *a)
{
	return a->outcome == OUTCOME_ROUTE && p->style == STYLE_ADDRESS;
}

static void
proceed_to_bridge(struct lookup *l, struct answer *a, struct monotime now)
{
	enum reason reason = l->displaced ? REASON_BUSY : REASON_DEADLINE;
	struct bridge_wait wait;

	if (crossing_begin(l->engine, &l->domain, &l->policy, a, &wait)) {
		if (!monotime_reached(l->deadline, now))
			reason = crossing_wait(l, &a->route, &wait);
		if (reason == REASON_NONE) {
			lose_patience(l);
			leave_dns(l);
			return;
		}
		crossing_give_up(&wait, reason, a);
	}
	lookup_finish(l, a, now);
}

/* It is decided; what may be left are addresses. */
static void
proceed(struct lookup *l, struct answer *a, struct monotime now)
{
	enum reason reason;

	if (needs_bridge(l->profile, a)) {
		proceed_to_bridge(l, a, now);
		return;
	}
	if (!needs_addresses(l->profile, a)) {
		lookup_finish(l, a, now);
		return;
	}
	lose_patience(l);
	leave_dns(l);
	if ((reason = addresses_start(l, a, now)) != REASON_NONE)
		lookup_finish_temp(l, reason, now);
}

/* Decides with what has become known. */
static void
advance(struct lookup *l, enum reason give_up, struct monotime now)
{
	struct answer a;
	struct inquiry q;
	enum reason reason;

	inquire_again(&q, l, give_up, now, &a);
	if (!decide(&q)) {
		if ((reason = wait_for_wanted(l, &q)) == REASON_NONE)
			return;
		q.give_up = reason;
		decide(&q);
	}
	effects_apply(&q);
	l->policy = q.policy;
	proceed(l, &a, now);
}

static struct held *
hold(const struct wait *w, const struct dns_answer *answer)
{
	struct held *h = malloc(sizeof(*h) + target_set_packed_size(&answer->srv));

	if (h == NULL)
		return NULL;
	h->type = w->type;
	h->subject = w->subject;
	fact_of_answer(&h->fact, answer);
	target_set_pack(h->packed, &answer->srv);
	target_set_unpack(h->packed, &h->fact.set);
	return h;
}

static void
explain(struct lookup *l, const struct wait *w, const struct dns_answer *answer)
{
	const char *type = dns_type_name(w->type), *name = w->subject.text;

	if (answer->status != DNS_FAILED)
		trail_add(l->trail, "%s of %s: %s says, for %u s%s%s", type, name,
			answer->from != NULL ? answer->from : "DNS",
			(unsigned)answer->ttl, answer->ad ? ", validated" : "",
			answer->bare != DNS_BARE_NO ? ", without an SOA record" : "");
	for (uint8_t i = 0; i < answer->srv.n; i++) {
		const struct target *rr = &answer->srv.target[i];

		trail_add(l->trail, "  %u %u %u %.*s", (unsigned)rr->priority,
			(unsigned)rr->weight, (unsigned)rr->port, (int)rr->hostlen,
			rr->host);
	}
	for (unsigned i = 0; i < answer->dropped && i < TARGETS_MAX; i++)
		trail_add(l->trail, "  dropped: %s: %s", answer->drop[i].host,
			answer->drop[i].why);
	if (answer->over > 0)
		trail_add(l->trail, "  %u more left out", (unsigned)answer->over);
}

static void
dns_answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct wait *w = arg;
	struct lookup *l = w->lookup;
	struct held *h = hold(w, answer);

	if (l->trail != NULL)
		explain(l, w, answer);
	if (h != NULL)
		SLIST_INSERT_HEAD(&l->held, h, entry);
	stop_waiting(l, w);
	advance(l, h == NULL ? REASON_NOMEM : REASON_NONE, now);
}

/* Time */

void
lookup_deadline(struct lookup *l, struct monotime now)
{
	const enum reason why = l->displaced ? REASON_BUSY : REASON_DEADLINE;

	l->missed = !l->displaced;
	counters(l->engine)->deadlines += l->missed;
	if (l->crossing.number != 0)
		crossing_end(l, why, now);
	else if (l->profile->style == STYLE_ADDRESS) /* no time is left for tor */
		lookup_finish_temp(l, why, now);
	else
		advance(l, why, now);
}

void
lookup_patience_ends(struct lookup *l, struct monotime now)
{
	struct answer a;
	struct inquiry q;

	inquire_again(&q, l, REASON_DEADLINE, now, &a);
	lose_patience(l);
	decide(&q);
	if (a.outcome == OUTCOME_TEMP)
		return; /* an answer may still come */
	l->missed = true;
	effects_apply(&q);
	l->policy = q.policy;
	proceed(l, &a, now);
}

/* Starting */

/* What can be said of a key without asking anyone. False: q is the inquiry into
 * engine->domain. */
static bool
key_answer(struct engine *e, const struct lookup_request *req, struct answer *a)
{
	switch (domain_from_key(&e->domain, req->key, req->keylen)) {
	case DOMAIN_OK:
		return false;
	case DOMAIN_UNUSABLE:
		trail_add(req->trail, "the key names no domain");
		answer_set(a, OUTCOME_NONE, REASON_NONE);
		break;
	case DOMAIN_ONION:
		trail_add(req->trail, "the key ends in .onion, but isn't a valid name");
		answer_set(a, OUTCOME_FAIL, REASON_ONION_INVALID);
		break;
	case DOMAIN_UNKNOWN:
		answer_set(a, OUTCOME_TEMP, REASON_CHARACTER);
		break;
	case DOMAIN_NOMEM:
		answer_set(a, OUTCOME_TEMP, REASON_NOMEM);
		break;
	}
	e->domain.len = 0;
	return true;
}

/* What a lookup waits for when it is decided, or isn't. */
struct start {
	const struct lookup_request *req;
	bool known;              /* it is decided */
	bool crosses;            /* it waits for the bridge */
	struct bridge_wait wait; /* for this */
};

static enum reason
wait_for_lacking(struct lookup *l, const struct start *s, const struct inquiry *q)
{
	if (!s->known)
		return wait_for_wanted(l, q);
	if (s->crosses)
		return crossing_wait(l, &q->answer->route, &s->wait);
	return addresses_start(l, q->answer, q->now);
}

/* Leaves a lookup waiting for what the inquiry, or its answer, lacks. Otherwise returns
 * why it can't. */
static enum reason
start_waiting(struct inquiry *q, const struct start *s, struct lookup **pending)
{
	struct engine *e = q->engine;
	struct lookup *l;
	enum reason reason;

	if ((l = lookup_new(e, s->req, q->now)) == NULL)
		return REASON_NOMEM;
	l->policy = q->policy;
	reason = lookup_take_place(l, q->now);
	if (reason == REASON_NONE)
		reason = wait_for_lacking(l, s, q);
	if (reason != REASON_NONE) {
		lookup_cancel(l);
		return reason;
	}
	*pending = l;
	alarm_caller(e);
	return REASON_NONE;
}

/* Whether the lookup has to wait for something. */
static bool
has_to_wait(struct inquiry *q, struct start *s)
{
	s->crosses =
		s->known && needs_bridge(s->req->profile, q->answer) &&
		crossing_begin(q->engine, q->domain, &q->policy, q->answer, &s->wait);
	return !s->known || s->crosses || needs_addresses(s->req->profile, q->answer);
}

/* It can't wait. A stale route may still do. */
static void
do_without(struct inquiry *q, struct start *s, enum reason reason)
{
	q->give_up = reason;
	if (!s->known) {
		decide(q);
		effects_apply(q);
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
	struct start start = {.req = req};
	struct inquiry q;
	enum reason reason;

	inquiry_start(&q, e, &e->domain, now, a);
	q.trail = req->trail;
	counters(e)->lookups++;
	if (key_answer(e, req, a)) {
		settle(e, &e->domain, &q.policy, a);
		return LOOKUP_READY;
	}
	if ((start.known = decide(&q)))
		effects_apply(&q);
	if (has_to_wait(&q, &start)) {
		reason = start_waiting(&q, &start, pending);
		if (reason == REASON_NONE)
			return LOOKUP_PENDING;
		do_without(&q, &start, reason);
	}
	settle(e, &e->domain, &q.policy, a);
	return LOOKUP_READY;
}
