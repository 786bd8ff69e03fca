#include "dns_names.h"

#include <string.h>

static const char *
prefix_of(const struct engine_config *c, enum dns_type type)
{
	switch (type) {
	case DNS_TYPE_SRV:
		return c->srv_prefix;
	case DNS_TYPE_TXT:
		return "_mta-sts.";
	case DNS_TYPE_TLSA:
		return "_25._tcp.";
	default:
		return "";
	}
}

bool
dns_names_query(const struct engine_config *c, enum dns_type type, const char *subject,
	char out[INFLIGHT_NAME_MAX + 1])
{
	const char *prefix = prefix_of(c, type);

	if (strlen(prefix) + strlen(subject) > INFLIGHT_NAME_MAX)
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
in_dns(const struct engine_config *c, enum dns_type type, const struct domain *d)
{
	const char *dot = memrchr(d->text, '.', d->len);

	if (dot == NULL || strlen(prefix_of(c, type)) + d->len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < sizeof(not_in_dns) / sizeof(not_in_dns[0]); i++)
		if (strcmp(dot + 1, not_in_dns[i]) == 0)
			return false;
	return true;
}

static const struct kept_answer *
find_kept(const struct kept_answers *kept, enum dns_type type, const struct domain *d)
{
	const struct kept_answer *k = kept == NULL ? NULL : SLIST_FIRST(kept);

	for (; k != NULL; k = SLIST_NEXT(k, entry))
		if (k->type == type && strcmp(k->subject.text, d->text) == 0)
			return k;
	return NULL;
}

static void
need(struct inquiry *q, enum dns_type type, const struct domain *d)
{
	struct needed_name *n = &q->env->needed[q->nneeded++];

	n->type = type;
	n->subject = *d;
	explain_add(q->explain, "%s of %s: asking DNS", dnsmsg_type_name(type), d->text);
}

/* Will it soon expire? Then it is renewed while it is still good. */
static void
renew_in_time(struct inquiry *q, enum dns_type type, const struct domain *d,
	const struct cached *c)
{
	const int64_t tenth_ms = (int64_t)c->ttl * 100;
	struct needed_name *n;

	if (c->failing != REASON_NONE || upstream_is_down(q->env->dns) ||
		monotime_before(q->now, monotime_add_ms(c->expires, -tenth_ms)))
		return;
	n = &q->env->renew[q->effects.nrenew++];
	n->type = type;
	n->subject = *d;
}

/* Why it is no use to ask, or to go on waiting. */
static enum reason
why_not_ask(struct inquiry *q, const struct cached *c)
{
	struct counters *counters = inquiry_counters(q);

	if (c->failing != REASON_NONE) {
		inquiry_count(q, &counters->failures_remembered);
		return c->failing;
	}
	if (upstream_is_down(q->env->dns)) {
		inquiry_count(q, &counters->dns_down_answers);
		return REASON_DNS_DOWN;
	}
	return q->give_up;
}

static enum dns_names_result
get_fresh(struct inquiry *q, enum dns_type type, const struct domain *d,
	const struct cached *c, struct dns_fact *f)
{
	inquiry_count(q, &inquiry_counters(q)->cache_hits);
	dns_fact_copy(f, &c->fact);
	explain_add(q->explain, "%s of %s: in the cache for another %lld s%s",
		dnsmsg_type_name(type), d->text,
		(long long)monotime_diff_ms(c->expires, q->now) / 1000,
		f->ad ? ", validated" : "");
	renew_in_time(q, type, d, c);
	return NAME_RESOLVED;
}

/* DNS fails, for this reason. What has expired may still support a route. */
static enum dns_names_result
get_stale(struct inquiry *q, enum dns_type type, const struct domain *d,
	const struct cached *c, enum reason failed, struct dns_fact *f)
{
	dns_fact_copy(f, &c->fact);
	q->stale = failed;
	inquiry_count(q, &inquiry_counters(q)->stale_answers);
	explain_add(q->explain, "%s of %s: expired %lld s ago, but still of use",
		dnsmsg_type_name(type), d->text,
		(long long)monotime_diff_ms(q->now, c->expires) / 1000);
	return NAME_RESOLVED;
}

static enum dns_names_result
get_from_cache(struct inquiry *q, enum dns_type type, const struct domain *d,
	enum reason failed, struct dns_fact *f)
{
	struct cached c;
	enum cache_status st = cache_get(q->env->cache, type, d, q->now, &c);

	if (st == CACHE_FRESH)
		return get_fresh(q, type, d, &c, f);
	inquiry_count(q, &inquiry_counters(q)->cache_misses);
	if (failed == REASON_NONE)
		failed = why_not_ask(q, &c);
	if (failed == REASON_NONE) {
		q->stale_would_do |= st == CACHE_STALE;
		need(q, type, d);
		return NAME_NEEDED;
	}
	explain_add(q->explain, "%s of %s: %s", dnsmsg_type_name(type), d->text,
		answer_reason_text(failed));
	if (st == CACHE_STALE)
		return get_stale(q, type, d, &c, failed, f);
	f->reason = failed;
	f->status = DNS_FAILED;
	return NAME_FAILED;
}

enum dns_names_result
dns_names_get(
	struct inquiry *q, enum dns_type type, const struct domain *d, struct dns_fact *f)
{
	const struct kept_answer *kept;

	if (!in_dns(q->env->config, type, d)) {
		*f = (struct dns_fact){.status = DNS_NONE};
		explain_add(q->explain, "%s of %s: not a name for DNS",
			dnsmsg_type_name(type), d->text);
		return NAME_RESOLVED;
	}
	kept = find_kept(q->kept, type, d);
	if (kept != NULL && kept->fact.status != DNS_FAILED) {
		inquiry_count(q, &inquiry_counters(q)->cache_misses);
		dns_fact_copy(f, &kept->fact);
		return NAME_RESOLVED;
	}
	return get_from_cache(
		q, type, d, kept != NULL ? kept->fact.reason : REASON_NONE, f);
}

static void
renew(struct inquiry *q, const struct needed_name *n)
{
	struct inquiry_env *env = q->env;
	const struct inflight_question question = {n->type, n->subject.text,
		{.key[SHARE_ZONE] =
				shares_zone(&env->config->cache.key, n->subject.text)},
		q->cache_only};
	struct inflight_joined joined;

	if (inflight_join(env->dns_inflight, &question, q->now, NULL, &joined) !=
			REASON_NONE ||
		!joined.asked)
		return;
	inquiry_counters(q)->dns_queries++;
	inquiry_counters(q)->prefetches++;
}

void
dns_names_renew(struct inquiry *q)
{
	for (size_t i = 0; i < q->effects.nrenew; i++)
		renew(q, &q->env->renew[i]);
}
