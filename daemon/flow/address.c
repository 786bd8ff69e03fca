/* Tor's addresses for the targets of a route. They die with tor, so none is kept. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

static void address_answered(void *arg, const struct dns_answer *, struct monotime now);

/* A name that tor knows shows whether it has been restarted, and has forgotten all. */
static void
check_tor(struct engine *e, struct monotime now)
{
	struct flight_question question = {.type = DNS_TYPE_A};
	struct flight_joined joined;

	question.subject = tor_names_any(e->tor_names);
	if (question.subject == NULL || upstream_epoch(e->tor) == e->tor_checked)
		return;
	e->tor_checked = upstream_epoch(e->tor);
	question.keys = keys_of(e, NULL, question.subject);
	if (flights_join(e->tor_flights, &question, now, NULL, &joined) == FLIGHT_JOINED)
		counters(e)->tor_queries += joined.asked;
}

static enum reason
address_ask(struct engine *e, struct address *a, struct monotime now)
{
	const struct flight_question question = {
		DNS_TYPE_A, a->host, keys_of(e, a->lookup->client, a->host)};
	struct flight_joined joined;

	if (upstream_is_down(e->tor)) {
		counters(e)->tor_down_answers++;
		return REASON_TOR_FAILED;
	}
	if (!tor_names_may_ask(e->tor_names, a->host, &a->lookup->asker)) {
		counters(e)->tor_full++;
		check_tor(e, now);
		return REASON_TOR_FULL;
	}
	switch (flights_join(e->tor_flights, &question, now, &a->waiter, &joined)) {
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
	counters(e)->tor_queries += joined.asked;
	a->lookup->missing++;
	return REASON_NONE;
}

/* Whose place of those that tor has a new name takes. */
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
		parents_of(&l->engine->config.cache.key, l->domain.text, l->domain.len);
	return asker;
}

/* Names below an onion lead to the same service, and take no more addresses of tor. */
static void
copy_target(struct address *a, const struct target *t)
{
	a->target = *t;
	a->target.hostlen = ONION_LEN;
	memcpy(a->host, t->host + t->hostlen - ONION_LEN, ONION_LEN);
	a->target.host = a->host;
}

enum reason
addresses_start(struct lookup *l, const struct answer *answer, struct monotime now)
{
	const struct target_set *route = &answer->route;

	l->address = calloc(route->n, sizeof(l->address[0]));
	if (l->address == NULL)
		return REASON_NOMEM;
	l->n = route->n;
	l->asker = asker_of(l, answer->origin);
	for (uint8_t i = 0; i < l->n; i++) {
		struct address *a = &l->address[i];
		enum reason reason;

		a->waiter.answered = address_answered;
		a->waiter.arg = a;
		a->lookup = l;
		copy_target(a, &route->target[i]);
		if ((reason = address_ask(l->engine, a, now)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

void
addresses_forget(struct lookup *l)
{
	for (uint8_t i = 0; l->address != NULL && i < l->n; i++)
		flights_leave(&l->address[i].waiter);
	free(l->address);
	l->address = NULL;
}

/* Those from before a possible restart of tor, when others came after it, are asked for
 * again. */
static enum reason
addresses_ask_again(struct lookup *l, struct monotime now)
{
	struct engine *e = l->engine;

	for (uint8_t i = 0; i < l->n; i++) {
		struct address *a = &l->address[i];
		enum reason reason;

		if (a->epoch == upstream_epoch(e->tor))
			continue;
		counters(e)->tor_asked_again++;
		if ((reason = address_ask(e, a, now)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

static void
addresses_finish(struct lookup *l, struct monotime now)
{
	struct answer a;

	answer_set(&a, OUTCOME_ROUTE, REASON_NONE);
	for (uint8_t i = 0; i < l->n; i++) {
		const struct target *t = &l->address[i].target;

		a.route.target[a.route.n++] = *t;
		trail_add(l->trail, "tor: %s has the address %u.%u.%u.%u",
			l->address[i].host, t->ipv4 >> 24, t->ipv4 >> 16 & 0xff,
			t->ipv4 >> 8 & 0xff, t->ipv4 & 0xff);
	}
	lookup_finish(l, &a, now);
}

/* If DNSPort turns out to be that of an ordinary resolver, or of one that lies, mail
 * would go to an address of the Internet, or of this machine. */
bool
address_is_tors(const struct engine *e, uint32_t ip)
{
	for (size_t i = 0; i < e->config.ntor_addresses; i++)
		if (net4_has(&e->config.tor_addresses[i], ip))
			return true;
	return false;
}

/* One that isn't ends the lookup, and explain says why. */
static bool
check_address(const struct address *a, uint32_t ip)
{
	if (address_is_tors(a->lookup->engine, ip))
		return true;
	trail_add(a->lookup->trail,
		"tor: %u.%u.%u.%u for %s isn't in tor_addresses: is DNSPort another "
		"resolver's?",
		ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff, a->host);
	return false;
}

static void
address_answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct address *a = arg;
	struct lookup *l = a->lookup;
	enum reason reason;

	if (answer->status != DNS_RECORDS) {
		trail_add(l->trail, "tor: no address for %s", a->host);
		lookup_finish_temp(l,
			answer->reason == REASON_DNS_TIMEOUT ? REASON_TOR_TIMEOUT
							     : REASON_TOR_FAILED,
			now);
		return;
	}
	if (!check_address(a, answer->ipv4)) {
		lookup_finish_temp(l, REASON_TOR_ADDRESS, now);
		return;
	}
	tor_names_own(l->engine->tor_names, a->host, &l->asker);
	a->target.ipv4 = answer->ipv4;
	a->epoch = upstream_epoch(l->engine->tor);
	if (--l->missing > 0)
		return;
	if ((reason = addresses_ask_again(l, now)) != REASON_NONE)
		lookup_finish_temp(l, reason, now);
	else if (l->missing == 0)
		addresses_finish(l, now);
}
