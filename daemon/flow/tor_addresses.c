#include "tor_addresses.h"

#include <stdlib.h>
#include <string.h>

/* Tor's receive buffer holds 256 queries and drops the rest without a word. */
#define TOR_OUTSTANDING 100

/* Tor reads as long as there is a question, keeps what belongs to each until it has done
 * so, and looks through all of that for the next. So it gets as many as it may, and more
 * when it has answered them all: it takes a third of the time for each, and comes to its
 * circuits in between. */
#define TOR_BURST TOR_OUTSTANDING
#define TOR_REFILL 0

struct tor {
	const struct engine_config *config;
	struct counters *counters;
	struct upstream *upstream;
	struct inflight *inflight;
	struct tor_names *names;
	uint32_t checked; /* the count of restarts when tor was last asked about one */
};

/* If DNSPort turns out to be that of an ordinary resolver, or of one that lies, mail
 * would go to an address of the Internet, or of this machine. */
static bool
has_address(const struct tor *t, uint32_t ipv4)
{
	for (size_t i = 0; i < t->config->ntor_addresses; i++)
		if (net4_has(&t->config->tor_addresses[i], ipv4))
			return true;
	return false;
}

static void
note_answer(void *arg, enum dns_type type, const char *subject,
	const struct dns_answer *answer, struct monotime now)
{
	struct tor *t = arg;

	(void)type;
	(void)now;
	if (answer->status == DNS_RECORDS && has_address(t, answer->ipv4))
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
open_inflight(struct tor *t, const struct engine_ports *ports)
{
	const struct inflight_config inflight = {.upstream = t->upstream,
		.engine = t->config,
		.ports = ports,
		.outstanding = TOR_OUTSTANDING,
		.burst = TOR_BURST,
		.refill = TOR_REFILL,
		.drops_queued = true,
		.answered = note_answer,
		.arg = t};

	return inflight_new(&inflight);
}

struct tor *
tor_addresses_open(const struct engine_config *config, const struct engine_ports *ports)
{
	struct tor *t = calloc(1, sizeof(*t));

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
	tor_addresses_close(t);
	return NULL;
}

void
tor_addresses_close(struct tor *t)
{
	if (t == NULL)
		return;
	inflight_free(t->inflight);
	upstream_free(t->upstream);
	tor_names_free(t->names);
	free(t);
}

void
tor_addresses_expire(struct tor *t, struct monotime now)
{
	upstream_expire(t->upstream, now);
	inflight_expire(t->inflight, now);
}

bool
tor_addresses_next_deadline(const struct tor *t, struct monotime *when)
{
	bool any = upstream_next_deadline(t->upstream, when);
	struct monotime at;

	if (inflight_next_deadline(t->inflight, &at))
		any = monotime_first(any, at, when);
	return any;
}

/* The addresses of a route */

/* One target on its way to an address. */
struct address {
	struct inflight_waiter waiter;
	struct tor_addresses *all;
	uint32_t restarts; /* of tor, as it gave the address */
	struct target target;
	char host[DOMAIN_MAX + 1];
};

struct tor_addresses {
	struct tor *tor;
	struct tor_addresses_request request; /* but for its route */
	tor_addresses_done *done;
	void *arg;
	uint8_t n, missing; /* addresses, and how many of them are still to come */
	struct address address[];
};

static enum reason
join(struct tor *t, const char *name, struct share_keys keys,
	struct inflight_waiter *waiter, struct monotime now)
{
	struct inflight_question question = {DNS_TYPE_A, name, keys, false};
	struct inflight_joined joined;
	enum reason reason;

	question.keys.key[SHARE_ZONE] = shares_zone(&t->config->cache.key, name);
	reason = inflight_join(t->inflight, &question, now, waiter, &joined);
	if (reason == REASON_NONE)
		t->counters->tor_queries += joined.asked;
	return reason;
}

/* A name that tor knows shows whether it has been restarted, and has forgotten all. */
static void
check_restart(struct tor *t, struct monotime now)
{
	const char *name = tor_names_any(t->names);

	if (name == NULL || upstream_restarts(t->upstream) == t->checked)
		return;
	t->checked = upstream_restarts(t->upstream);
	join(t, name, (struct share_keys){0}, NULL, now);
}

static enum reason
ask(struct address *a, struct monotime now)
{
	struct tor_addresses *all = a->all;
	struct tor *t = all->tor;
	enum reason reason;

	if (upstream_is_down(t->upstream)) {
		t->counters->tor_down_answers++;
		return REASON_TOR_FAILED;
	}
	if (!tor_names_may_ask(t->names, a->host, &all->request.asker)) {
		t->counters->tor_full++;
		check_restart(t, now);
		return REASON_TOR_FULL;
	}
	reason = join(t, a->host, all->request.keys, &a->waiter, now);
	if (reason == REASON_NONE)
		all->missing++;
	return reason;
}

void
tor_addresses_cancel(struct tor_addresses *all)
{
	for (uint8_t i = 0; i < all->n; i++)
		inflight_leave(&all->address[i].waiter);
	free(all);
}

static void
end(struct tor_addresses *all, struct answer *answer, struct monotime now)
{
	for (uint8_t i = 0; i < all->n; i++)
		inflight_leave(&all->address[i].waiter);
	all->done(all->arg, answer, now);
	free(all);
}

static void
end_failed(struct tor_addresses *all, enum reason reason, struct monotime now)
{
	struct answer answer;

	answer_set(&answer, OUTCOME_TEMP, reason);
	end(all, &answer, now);
}

static void
end_with_route(struct tor_addresses *all, struct monotime now)
{
	struct answer answer;

	answer_set(&answer, OUTCOME_ROUTE, REASON_NONE);
	for (uint8_t i = 0; i < all->n; i++) {
		const struct target *t = &all->address[i].target;

		answer.route.target[answer.route.n++] = *t;
		explain_add(all->request.explain, "tor: %s has the address %u.%u.%u.%u",
			all->address[i].host, t->ipv4 >> 24, t->ipv4 >> 16 & 0xff,
			t->ipv4 >> 8 & 0xff, t->ipv4 & 0xff);
	}
	end(all, &answer, now);
}

/* Asks again for addresses from before a possible restart of tor, when others came after
 * it. */
static enum reason
ask_again(struct tor_addresses *all, struct monotime now)
{
	for (uint8_t i = 0; i < all->n; i++) {
		struct address *a = &all->address[i];
		enum reason reason;

		if (a->restarts == upstream_restarts(all->tor->upstream))
			continue;
		all->tor->counters->tor_requeried++;
		if ((reason = ask(a, now)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

/* An address outside the range ends the lookup, and explain says why. */
static bool
check_address(const struct address *a, uint32_t ip)
{
	if (has_address(a->all->tor, ip))
		return true;
	explain_add(a->all->request.explain,
		"tor: %u.%u.%u.%u for %s isn't in tor_addresses: is DNSPort another "
		"resolver's?",
		ip >> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff, a->host);
	return false;
}

static void
answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct address *a = arg;
	struct tor_addresses *all = a->all;
	enum reason reason;

	if (answer->status != DNS_RECORDS) {
		explain_add(all->request.explain, "tor: no address for %s", a->host);
		end_failed(all,
			answer->reason == REASON_DNS_TIMEOUT ? REASON_TOR_TIMEOUT
							     : REASON_TOR_FAILED,
			now);
		return;
	}
	if (!check_address(a, answer->ipv4)) {
		end_failed(all, REASON_TOR_ADDRESS, now);
		return;
	}
	tor_names_own(all->tor->names, a->host, &all->request.asker);
	a->target.ipv4 = answer->ipv4;
	a->restarts = upstream_restarts(all->tor->upstream);
	if (--all->missing > 0)
		return;
	if ((reason = ask_again(all, now)) != REASON_NONE)
		end_failed(all, reason, now);
	else if (all->missing == 0)
		end_with_route(all, now);
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

static enum reason
ask_all(struct tor_addresses *all, const struct target_set *route, struct monotime now)
{
	for (uint8_t i = 0; i < all->n; i++) {
		struct address *a = &all->address[i];
		enum reason reason;

		a->waiter.answered = answered;
		a->waiter.arg = a;
		a->all = all;
		copy_target(a, &route->target[i]);
		if ((reason = ask(a, now)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

enum reason
tor_addresses_start(struct tor *tor, const struct tor_addresses_request *req,
	struct monotime now, tor_addresses_done *done, void *arg,
	struct tor_addresses **started)
{
	const uint8_t n = req->route->n;
	struct tor_addresses *all = calloc(1, sizeof(*all) + n * sizeof(all->address[0]));
	enum reason reason;

	if (all == NULL)
		return REASON_NOMEM;
	all->tor = tor;
	all->request = *req;
	all->request.route = NULL;
	all->done = done;
	all->arg = arg;
	all->n = n;
	if ((reason = ask_all(all, req->route, now)) == REASON_NONE)
		*started = all;
	else
		tor_addresses_cancel(all);
	return reason;
}
