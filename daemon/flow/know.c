/* What is known of a name in DNS: told to this very lookup, in the cache, or nothing. */
#include <string.h>

#include "engine.h"

static const char *
prefix_of(const struct engine *e, enum dns_type type)
{
	switch (type) {
	case DNS_TYPE_SRV:
		return e->config.srv_prefix;
	case DNS_TYPE_TXT:
		return "_mta-sts.";
	case DNS_TYPE_TLSA:
		return "_25._tcp.";
	default:
		return "";
	}
}

bool
dns_name_of(const struct engine *e, enum dns_type type, const char *subject,
	char out[FLIGHT_NAME_MAX + 1])
{
	const char *prefix = prefix_of(e, type);

	if (strlen(prefix) + strlen(subject) > FLIGHT_NAME_MAX)
		return false;
	strcpy(stpcpy(out, prefix), subject);
	return true;
}

/* The last labels of names that the DNS of the Internet doesn't have, so that it is
 * nobody's business that they are asked for: those of the host itself (RFC 6761), of tor
 * (RFC 7686; .exit was its own, too), of I2P, of other systems of names (RFC 9476), and
 * of a site. */
static const char *const not_in_dns[] = {
	"localhost", "onion", "exit", "i2p", "alt", "internal"};

/* Can it have a record? A name that gets too long with the prefix can't. One without a
 * dot is a host of the site, or a local part that stands alone and is nobody's business;
 * no mail on the Internet goes there (RFC 7085). */
static bool
in_dns(const struct engine *e, enum dns_type type, const struct domain *d)
{
	const char *dot = memrchr(d->text, '.', d->len);

	if (dot == NULL || strlen(prefix_of(e, type)) + d->len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < sizeof(not_in_dns) / sizeof(not_in_dns[0]); i++)
		if (strcmp(dot + 1, not_in_dns[i]) == 0)
			return false;
	return true;
}

static const struct held *
find_held(const struct held_facts *facts, enum dns_type type, const struct domain *d)
{
	const struct held *h = facts == NULL ? NULL : SLIST_FIRST(facts);

	for (; h != NULL; h = SLIST_NEXT(h, entry))
		if (h->type == type && strcmp(h->subject.text, d->text) == 0)
			return h;
	return NULL;
}

static void
want(struct inquiry *q, enum dns_type type, const struct domain *d)
{
	struct wanted *w = &q->engine->wanted[q->nwanted++];

	w->type = type;
	w->subject = *d;
	trail_add(q->trail, "%s of %s: asking DNS", dns_type_name(type), d->text);
}

/* Will it soon expire? Then it is renewed while it is still good. */
static void
renew_in_time(struct inquiry *q, enum dns_type type, const struct domain *d,
	const struct cached *c)
{
	struct engine *e = q->engine;
	const int64_t tenth_ms = (int64_t)c->ttl * 100;
	struct wanted *w;

	if (c->failing != REASON_NONE || upstream_is_down(e->dns) ||
		monotime_before(q->now, monotime_add_ms(c->expires, -tenth_ms)))
		return;
	w = &e->renew[q->effects.nrenew++];
	w->type = type;
	w->subject = *d;
}

/* Why it is no use to ask, or to go on waiting. */
static enum reason
why_not_ask(struct inquiry *q, const struct cached *c)
{
	struct engine *e = q->engine;

	if (c->failing != REASON_NONE) {
		effects_count(q, &counters(e)->failures_remembered);
		return c->failing;
	}
	if (upstream_is_down(e->dns)) {
		effects_count(q, &counters(e)->dns_down_answers);
		return REASON_DNS_DOWN;
	}
	return q->give_up;
}

static enum knowledge
know_fresh(struct inquiry *q, enum dns_type type, const struct domain *d,
	const struct cached *c, struct fact *f)
{
	effects_count(q, &counters(q->engine)->cache_hits);
	fact_copy(f, &c->fact);
	trail_add(q->trail, "%s of %s: in the cache for another %lld s%s",
		dns_type_name(type), d->text,
		(long long)monotime_diff_ms(c->expires, q->now) / 1000,
		f->ad ? ", validated" : "");
	renew_in_time(q, type, d, c);
	return KNOWN;
}

/* DNS fails, for this reason. What has expired may still support a route. */
static enum knowledge
know_stale(struct inquiry *q, enum dns_type type, const struct domain *d,
	const struct cached *c, enum reason failed, struct fact *f)
{
	fact_copy(f, &c->fact);
	q->stale = failed;
	effects_count(q, &counters(q->engine)->stale_answers);
	trail_add(q->trail, "%s of %s: expired %lld s ago, but still of use",
		dns_type_name(type), d->text,
		(long long)monotime_diff_ms(q->now, c->expires) / 1000);
	return KNOWN;
}

static enum knowledge
know_from_cache(struct inquiry *q, enum dns_type type, const struct domain *d,
	enum reason failed, struct fact *f)
{
	struct engine *e = q->engine;
	struct cached c;
	enum cache_status st = cache_get(e->cache, type, d, q->now, &c);

	if (st == CACHE_FRESH)
		return know_fresh(q, type, d, &c, f);
	effects_count(q, &counters(e)->cache_misses);
	if (failed == REASON_NONE)
		failed = why_not_ask(q, &c);
	if (failed == REASON_NONE) {
		q->stale_would_do |= st == CACHE_STALE;
		want(q, type, d);
		return WANTED;
	}
	trail_add(q->trail, "%s of %s: %s", dns_type_name(type), d->text,
		reason_text(failed));
	if (st == CACHE_STALE)
		return know_stale(q, type, d, &c, failed, f);
	f->reason = failed;
	f->status = DNS_FAILED;
	return UNKNOWABLE;
}

enum knowledge
know(struct inquiry *q, enum dns_type type, const struct domain *d, struct fact *f)
{
	const struct held *h;

	if (!in_dns(q->engine, type, d)) {
		*f = (struct fact){.status = DNS_NONE};
		trail_add(q->trail, "%s of %s: not a name for DNS", dns_type_name(type),
			d->text);
		return KNOWN;
	}
	h = find_held(q->held, type, d);
	if (h != NULL && h->fact.status != DNS_FAILED) {
		effects_count(q, &counters(q->engine)->cache_misses);
		fact_copy(f, &h->fact);
		return KNOWN;
	}
	return know_from_cache(q, type, d, h != NULL ? h->fact.reason : REASON_NONE, f);
}
