#include "tor_addresses.h"

#include <stdlib.h>
#include <string.h>

/* One target on its way to an address. */
struct address {
	struct inflight_waiter waiter;
	struct tor_addresses *all;
	uint32_t restarts; /* of tor, as it gave the address */
	struct target target;
	char host[DOMAIN_MAX + 1];
};

struct tor_addresses {
	struct tor_dns *tor;
	struct counters *counters;
	struct tor_asker asker;
	struct share_keys keys;
	struct trail *trail;
	tor_addresses_done *done;
	void *arg;
	uint8_t n, missing; /* addresses, and how many of them are still to come */
	struct address address[];
};

static enum reason
ask(struct address *a, struct monotime now)
{
	struct tor_addresses *all = a->all;
	enum reason reason =
		tor_dns_ask(all->tor, a->host, &all->asker, all->keys, &a->waiter, now);

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
		trail_add(all->trail, "tor: %s has the address %u.%u.%u.%u",
			all->address[i].host, t->ipv4 >> 24, t->ipv4 >> 16 & 0xff,
			t->ipv4 >> 8 & 0xff, t->ipv4 & 0xff);
	}
	end(all, &answer, now);
}

/* Those from before a possible restart of tor, when others came after it, are asked for
 * again. */
static enum reason
ask_again(struct tor_addresses *all, struct monotime now)
{
	for (uint8_t i = 0; i < all->n; i++) {
		struct address *a = &all->address[i];
		enum reason reason;

		if (a->restarts == tor_dns_restarts(all->tor))
			continue;
		all->counters->tor_requeried++;
		if ((reason = ask(a, now)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

/* One that isn't in the range ends the lookup, and explain says why. */
static bool
check_address(const struct address *a, uint32_t ip)
{
	if (tor_dns_has_address(a->all->tor, ip))
		return true;
	trail_add(a->all->trail,
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
		trail_add(all->trail, "tor: no address for %s", a->host);
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
	tor_dns_own(all->tor, a->host, &all->asker);
	a->target.ipv4 = answer->ipv4;
	a->restarts = tor_dns_restarts(all->tor);
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
tor_addresses_start(const struct tor_addresses_request *req, struct monotime now,
	tor_addresses_done *done, void *arg, struct tor_addresses **started)
{
	const uint8_t n = req->route->n;
	struct tor_addresses *all = calloc(1, sizeof(*all) + n * sizeof(all->address[0]));
	enum reason reason;

	if (all == NULL)
		return REASON_NOMEM;
	all->tor = req->tor;
	all->counters = req->counters;
	all->asker = req->asker;
	all->keys = req->keys;
	all->trail = req->trail;
	all->done = done;
	all->arg = arg;
	all->n = n;
	if ((reason = ask_all(all, req->route, now)) == REASON_NONE)
		*started = all;
	else
		tor_addresses_cancel(all);
	return reason;
}
