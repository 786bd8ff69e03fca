#include "flow/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* The last step of every lookup. */
static void
settle(struct engine *e, const struct domain *d, struct answer *a)
{
	struct counters *c = counters(e);

	if (a->outcome == OUTCOME_TEMP && e->config.on_failure == ON_FAILURE_CLEARNET) {
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

static struct lookup *
lookup_new(struct engine *e, const struct lookup_request *req, struct monotime now)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->engine = e;
	l->domain = e->domain;
	l->profile = req->profile;
	l->deadline = monotime_add_ms(now, req->profile->deadline_ms);
	l->done = req->done;
	l->arg = req->arg;
	TAILQ_INSERT_TAIL(&l->profile->pending, l, entry);
	e->pending++;
	return l;
}

/* Takes it out of everything that could call it; then only its names are left. */
static void
lookup_detach(struct lookup *l)
{
	TAILQ_REMOVE(&l->profile->pending, l, entry);
	l->engine->pending--;
	flights_leave(&l->srv);
	for (uint8_t i = 0; l->address != NULL && i < l->n; i++)
		flights_leave(&l->address[i].waiter);
}

static void
lookup_free(struct lookup *l)
{
	free(l->address);
	free(l);
}

void
lookup_cancel(struct lookup *l)
{
	lookup_detach(l);
	lookup_free(l);
}

static void
lookup_finish(struct lookup *l, struct answer *a, struct monotime now)
{
	lookup_detach(l);
	settle(l->engine, &l->domain, a);
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

static enum reason
flight_reason(struct engine *e, enum flight_status st)
{
	if (st == FLIGHT_NOMEM)
		return REASON_NOMEM;
	counters(e)->flights_full++;
	return REASON_BUSY;
}

/* Tor's addresses */

static void address_answered(void *arg, const struct dns_answer *, struct monotime now);

static enum reason
address_ask(struct engine *e, struct address *a)
{
	enum flight_status st;
	bool asked;

	st = flights_join(e->tor, a->host, &a->waiter, &asked);
	if (st != FLIGHT_JOINED)
		return flight_reason(e, st);
	counters(e)->tor_queries += asked;
	a->lookup->missing++;
	return REASON_NONE;
}

/* Asks for an address for each target of the route. Anything but REASON_NONE: it
 * couldn't, and the lookup is to end. */
static enum reason
addresses_start(struct lookup *l, const struct route *route)
{
	l->address = calloc(route->n, sizeof(l->address[0]));
	if (l->address == NULL)
		return REASON_NOMEM;
	l->n = route->n;
	for (uint8_t i = 0; i < l->n; i++) {
		struct address *a = &l->address[i];
		enum reason reason;

		a->waiter.answered = address_answered;
		a->waiter.arg = a;
		a->lookup = l;
		a->target = route->target[i];
		memcpy(a->host, a->target.host, a->target.hostlen);
		a->target.host = a->host;
		if ((reason = address_ask(l->engine, a)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

/* An address dies with tor. Those from before a possible restart, when others came
 * after it, are asked for again. */
static enum reason
addresses_ask_again(struct lookup *l)
{
	struct engine *e = l->engine;

	for (uint8_t i = 0; i < l->n; i++) {
		struct address *a = &l->address[i];
		enum reason reason;

		if (a->epoch == e->ports.tor->epoch)
			continue;
		counters(e)->tor_asked_again++;
		if ((reason = address_ask(e, a)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

static void
addresses_finish(struct lookup *l, struct monotime now)
{
	struct answer a;

	answer_set(&a, OUTCOME_ROUTE, REASON_NONE);
	for (uint8_t i = 0; i < l->n; i++)
		a.route.target[a.route.n++] = l->address[i].target;
	lookup_finish(l, &a, now);
}

static void
address_answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct address *a = arg;
	struct lookup *l = a->lookup;
	struct engine *e = l->engine;
	enum reason reason;

	if (answer->status != DNS_RECORDS) {
		lookup_finish_temp(l,
			answer->reason == REASON_DNS_TIMEOUT ? REASON_TOR_TIMEOUT
							     : REASON_TOR_FAILED,
			now);
		return;
	}
	a->target.ipv4 = answer->ipv4;
	a->epoch = e->ports.tor->epoch;
	if (--l->missing > 0)
		return;
	if ((reason = addresses_ask_again(l)) != REASON_NONE)
		lookup_finish_temp(l, reason, now);
	else if (l->missing == 0)
		addresses_finish(l, now);
}

/* SRV */

static void
srv_answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct lookup *l = arg;
	struct engine *e = l->engine;
	struct answer a;
	enum reason reason;

	if (answer->status == DNS_FAILED) {
		lookup_finish_temp(l, answer->reason, now);
		return;
	}
	answer_set(&a, OUTCOME_NONE, REASON_NONE);
	if (answer->status == DNS_RECORDS) {
		a.outcome = OUTCOME_ROUTE;
		srv_order(&answer->srv, e->ports.random(), &a.route);
	}
	if (a.outcome != OUTCOME_ROUTE || l->profile->style != STYLE_ADDRESS)
		lookup_finish(l, &a, now);
	else if ((reason = addresses_start(l, &a.route)) != REASON_NONE)
		lookup_finish_temp(l, reason, now);
}

static enum reason
srv_start(struct lookup *l, const struct domain *d)
{
	struct engine *e = l->engine;
	char name[2 * DOMAIN_MAX];
	enum flight_status st;
	bool asked;

	strcpy(stpcpy(name, e->config.srv_prefix), d->text);
	l->srv.answered = srv_answered;
	l->srv.arg = l;
	st = flights_join(e->srv, name, &l->srv, &asked);
	if (st != FLIGHT_JOINED)
		return flight_reason(e, st);
	counters(e)->srv_queries += asked;
	return REASON_NONE;
}

enum lookup_status
lookup_start(struct engine *e, const struct lookup_request *req, struct monotime now,
	struct answer *a, struct lookup **pending)
{
	bool local = local_answer(e, req, now, a);
	enum reason reason = REASON_NOMEM;
	struct lookup *l = NULL;

	counters(e)->lookups++;
	if (local &&
		(a->outcome != OUTCOME_ROUTE || req->profile->style != STYLE_ADDRESS)) {
		settle(e, &e->domain, a);
		return LOOKUP_READY;
	}
	if (e->pending >= e->config.max_lookups) {
		counters(e)->lookups_full++;
		reason = REASON_BUSY;
	} else if ((l = lookup_new(e, req, now)) != NULL) {
		reason = local ? addresses_start(l, &a->route) : srv_start(l, &e->domain);
	}
	if (reason != REASON_NONE) {
		if (l != NULL)
			lookup_cancel(l);
		answer_set(a, OUTCOME_TEMP, reason);
		settle(e, &e->domain, a);
		return LOOKUP_READY;
	}
	*pending = l;
	return LOOKUP_PENDING;
}
