#include "dns_wait.h"

#include <stdlib.h>
#include <string.h>

struct dns_wait_name {
	SLIST_ENTRY(dns_wait_name) entry;
	struct inflight_waiter waiter;
	struct dns_wait *wait;
	enum dns_type type;
	struct domain subject;
};

static void
stop(struct dns_wait_name *n)
{
	inflight_leave(&n->waiter);
	SLIST_REMOVE(&n->wait->names, n, dns_wait_name, entry);
	free(n);
}

void
dns_wait_cancel(struct dns_wait *w)
{
	while (!SLIST_EMPTY(&w->names))
		stop(SLIST_FIRST(&w->names));
}

void
dns_wait_clear(struct dns_wait *w)
{
	struct kept_answer *k;

	dns_wait_cancel(w);
	while ((k = SLIST_FIRST(&w->kept)) != NULL) {
		SLIST_REMOVE_HEAD(&w->kept, entry);
		free(k);
	}
}

/* Answers */

static struct kept_answer *
keep(const struct dns_wait_name *n, const struct dns_answer *answer)
{
	struct kept_answer *k = malloc(sizeof(*k) + target_set_packed_size(&answer->srv));

	if (k == NULL)
		return NULL;
	k->type = n->type;
	k->subject = n->subject;
	dns_fact_of_answer(&k->fact, answer);
	target_set_pack(k->packed, &answer->srv);
	target_set_unpack(k->packed, &k->fact.set);
	return k;
}

static void
explain(const struct dns_wait_name *n, const struct dns_answer *answer)
{
	const char *type = dnsmsg_type_name(n->type), *name = n->subject.text;
	struct explain *explain = n->wait->explain;

	if (answer->status != DNS_FAILED)
		explain_add(explain, "%s of %s: %s says, for %u s%s%s", type, name,
			answer->from != NULL ? answer->from : "DNS",
			(unsigned)answer->ttl, answer->ad ? ", validated" : "",
			answer->bare != DNS_BARE_NO ? ", without an SOA record" : "");
	for (uint8_t i = 0; i < answer->srv.n; i++) {
		const struct target *rr = &answer->srv.target[i];

		explain_add(explain, "  %u %u %u %.*s", (unsigned)rr->priority,
			(unsigned)rr->weight, (unsigned)rr->port, (int)rr->hostlen,
			rr->host);
	}
	for (unsigned i = 0; i < answer->dropped && i < TARGETS_MAX; i++)
		explain_add(explain, "  dropped: %s: %s", answer->drop[i].host,
			answer->drop[i].why);
	if (answer->over > 0)
		explain_add(explain, "  %u more left out", (unsigned)answer->over);
}

static void
answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct dns_wait_name *n = arg;
	struct dns_wait *w = n->wait;
	struct kept_answer *k = keep(n, answer);

	if (w->explain != NULL)
		explain(n, answer);
	if (k != NULL)
		SLIST_INSERT_HEAD(&w->kept, k, entry);
	stop(n);
	w->answered(w->arg, k == NULL ? REASON_NOMEM : REASON_NONE, now);
}

/* Names */

static bool
waits_for(const struct dns_wait *w, const struct needed_name *needed)
{
	const struct dns_wait_name *n;

	SLIST_FOREACH (n, &w->names, entry)
		if (n->type == needed->type &&
			strcmp(n->subject.text, needed->subject.text) == 0)
			return true;
	return false;
}

static enum reason
join(struct dns_wait_name *n, struct monotime now)
{
	const struct dns_wait *w = n->wait;
	struct counters *counters = w->env->ports->counters;
	struct inflight_question question = {
		n->type, n->subject.text, w->keys, w->cache_only};
	struct inflight_joined joined;
	enum reason reason;

	question.keys.key[SHARE_ZONE] =
		shares_zone(&w->env->config->cache.key, n->subject.text);
	reason = inflight_join(w->env->dns_inflight, &question, now, &n->waiter, &joined);
	if (reason != REASON_NONE)
		return reason;
	counters->dns_queries += joined.asked;
	/* Others have waited in vain for as long as this one may: whoever asks one
	 * question after the other isn't to lose that time again and again. */
	if (monotime_reached(monotime_add_ms(joined.since, w->deadline_ms), now)) {
		counters->fast_failures++;
		return REASON_DEADLINE;
	}
	return REASON_NONE;
}

static enum reason
wait_for(struct dns_wait *w, const struct needed_name *needed, struct monotime now)
{
	struct dns_wait_name *n = calloc(1, sizeof(*n));
	enum reason reason;

	if (n == NULL)
		return REASON_NOMEM;
	n->waiter.answered = answered;
	n->waiter.arg = n;
	n->wait = w;
	n->type = needed->type;
	n->subject = needed->subject;
	SLIST_INSERT_HEAD(&w->names, n, entry);
	if ((reason = join(n, now)) != REASON_NONE)
		stop(n);
	return reason;
}

enum reason
dns_wait_for(struct dns_wait *w, size_t n, struct monotime now)
{
	const struct needed_name *needed = w->env->needed;

	for (size_t i = 0; i < n; i++) {
		enum reason reason;

		if (!waits_for(w, &needed[i]) &&
			(reason = wait_for(w, &needed[i], now)) != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}
