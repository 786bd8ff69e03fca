/* Whether a route that DNS gave may be used. */
#include <string.h>

#include "engine.h"

bool
secure_enough(const struct inquiry *q, const struct fact *f)
{
	return f->ad ||
	       !(q->policy.dnssec_require || q->engine->config.dnssec == DNSSEC_REQUIRE);
}

void
answer_insecure(struct inquiry *q)
{
	effects_count(q, &counters(q->engine)->insecure_refused);
	trail_add(q->trail, "a route must be validated by DNSSEC here, and isn't");
	if (q->engine->config.on_insecure == ON_FAILURE_CLEARNET)
		answer_set(q->answer, OUTCOME_NONE, REASON_NONE);
	else
		answer_set(q->answer, OUTCOME_TEMP, REASON_INSECURE);
}

/* Pins */

static const char *
count_verdict(struct inquiry *q, enum pin_verdict verdict)
{
	struct counters *c = counters(q->engine);

	switch (verdict) {
	case PIN_NONE:
		return NULL;
	case PIN_SAME:
		return "as pinned";
	case PIN_CHANGED:
		effects_count(q, &c->pins_changed);
		break;
	case PIN_HELD:
		break;
	case PIN_RETURNED:
		return "as pinned again";
	case PIN_RENEWED:
		effects_count(q, &c->pins_renewed);
		return "a change that counts from now on";
	}
	effects_count(q, &c->pins_held);
	return "another than the pinned one, which is used until the change counts";
}

/* What has expired isn't news: the pin stays as it is, and is used. */
bool
trust_pinned(struct inquiry *q, struct fact *srv)
{
	const struct engine_ports *ports = &q->engine->ports;
	struct effects *fx = &q->effects;
	enum pin_verdict verdict;
	const char *words;

	if (ports->pins == NULL)
		return false;
	fx->pinned = *srv;
	if (q->stale == REASON_NONE) {
		verdict =
			pins_judge(ports->pins, q->domain, srv, ports->wall(), &srv->set);
		fx->pin = verdict;
	} else {
		/* Not validated now, and before any hold is over. */
		fx->pinned.ad = false;
		verdict = pins_judge(ports->pins, q->domain, &fx->pinned, 0, &srv->set);
		if (verdict == PIN_CHANGED)
			verdict = PIN_HELD;
	}
	if ((words = count_verdict(q, verdict)) != NULL)
		trail_add(q->trail, "SRV of %s: %s", q->domain->text, words);
	if (verdict == PIN_CHANGED || verdict == PIN_HELD)
		srv->status = DNS_RECORDS;
	return verdict != PIN_NONE && srv->status == DNS_RECORDS;
}

static void
pin_first_use(struct inquiry *q, const struct fact *srv)
{
	if (q->engine->ports.pins == NULL || q->stale != REASON_NONE)
		return;
	q->effects.pin_first_use = true;
	q->effects.pinned = *srv;
}

/* What the mail server would see to on clearnet: MTA-STS (RFC 8461), DANE (RFC 7672) */

struct protection {
	bool found;
	bool wanted;        /* something isn't known yet */
	enum reason failed; /* or can't be known */
};

/* False: it isn't known yet, or can't be, which is noted. */
static bool
learn(struct inquiry *q, enum dns_type type, const struct domain *d, struct fact *f,
	struct protection *p)
{
	switch (know(q, type, d, f)) {
	case KNOWN:
		return true;
	case UNKNOWABLE:
		p->failed = f->reason;
		break;
	case WANTED:
		p->wanted = true;
		break;
	}
	return false;
}

static void
look_for(struct inquiry *q, enum dns_type type, const struct domain *d,
	struct protection *p)
{
	struct fact f;

	if (!learn(q, type, d, &f, p) || f.status != DNS_RECORDS)
		return;
	trail_add(q->trail, "%s of %s: there", dns_type_name(type), d->text);
	p->found = true;
}

/* RFC 7672 section 2.2.2: a host whose address, or the absence of one, isn't validated
 * has no DANE, and TLSA isn't asked for. The DNS of many such hosts fails on that
 * question. */
static void
look_for_dane(struct inquiry *q, const struct domain *host, struct protection *p)
{
	struct fact address;

	if (!learn(q, DNS_TYPE_A, host, &address, p))
		return;
	if (address.ad)
		look_for(q, DNS_TYPE_TLSA, host, p);
	else
		trail_add(q->trail, "A of %s: not validated, so the host has no DANE",
			host->text);
}

static void
look_at_hosts(struct inquiry *q, const struct fact *mx, struct protection *p)
{
	if (mx->status == DNS_NONE && mx->dropped == 0)
		look_for_dane(q, q->domain, p); /* RFC 5321 section 5.1 */
	for (uint8_t i = 0; i < mx->set.n && !p->found; i++) {
		const struct target *rr = &mx->set.target[i];
		struct domain host = {.len = rr->hostlen};

		memcpy(host.text, rr->host, rr->hostlen);
		look_for_dane(q, &host, p);
	}
}

static struct protection
find_protection(struct inquiry *q)
{
	struct protection p = {0};
	struct fact mx;

	look_for(q, DNS_TYPE_TXT, q->domain, &p);
	if (!p.found && learn(q, DNS_TYPE_MX, q->domain, &mx, &p))
		look_at_hosts(q, &mx, &p);
	return p;
}

static enum trust
trust_unprotected(struct inquiry *q)
{
	struct protection p = find_protection(q);

	if (p.found) {
		effects_count(q, &counters(q->engine)->protected_refused);
		trail_add(q->trail, "clearnet is authenticated, and this route isn't");
		answer_set(q->answer, OUTCOME_NONE, REASON_NONE);
		return TRUST_NO;
	}
	if (p.failed != REASON_NONE) {
		answer_set(q->answer, OUTCOME_TEMP, p.failed);
		return TRUST_NO;
	}
	return p.wanted ? TRUST_UNKNOWN : TRUST_YES;
}

enum trust
trust_route(struct inquiry *q, const struct fact *srv, bool pinned)
{
	enum trust trust = TRUST_YES;

	if (!secure_enough(q, srv)) {
		answer_insecure(q);
		return TRUST_NO;
	}
	if (q->engine->config.protect_authenticated && !srv->ad && !pinned)
		trust = trust_unprotected(q);
	if (trust == TRUST_YES && !pinned)
		pin_first_use(q, srv);
	return trust;
}
