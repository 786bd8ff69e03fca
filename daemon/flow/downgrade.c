#include "downgrade.h"

#include <string.h>

#include "dns_names.h"

bool
downgrade_is_secure(const struct inquiry *q, const struct dns_fact *f)
{
	return f->ad ||
	       !(q->options.dnssec_require || q->env->config->dnssec == DNSSEC_REQUIRE);
}

void
downgrade_refuse(struct inquiry *q)
{
	inquiry_count(q, &inquiry_counters(q)->insecure_refused);
	explain_add(q->explain, "a route must be validated by DNSSEC here, and isn't");
	if (q->env->config->on_insecure == ON_FAILURE_CLEARNET)
		answer_set(q->answer, OUTCOME_NONE, REASON_NONE);
	else
		answer_set(q->answer, OUTCOME_TEMP, REASON_INSECURE);
}

struct protection {
	bool found;
	bool needed;        /* a name isn't known yet */
	enum reason failed; /* or can't be known */
};

/* False: it isn't known yet, or can't be, which is noted. */
static bool
learn(struct inquiry *q, enum dns_type type, const struct domain *d, struct dns_fact *f,
	struct protection *p)
{
	switch (dns_names_get(q, type, d, f)) {
	case NAME_RESOLVED:
		return true;
	case NAME_FAILED:
		p->failed = f->reason;
		break;
	case NAME_NEEDED:
		p->needed = true;
		break;
	}
	return false;
}

static void
look_for(struct inquiry *q, enum dns_type type, const struct domain *d,
	struct protection *p)
{
	struct dns_fact f;

	if (!learn(q, type, d, &f, p) || f.status != DNS_RECORDS)
		return;
	explain_add(q->explain, "%s of %s: there", dnsmsg_type_name(type), d->text);
	p->found = true;
}

/* RFC 7672 section 2.2.2: a host whose address, or the absence of one, isn't validated
 * has no DANE, and TLSA isn't asked for. The DNS of many such hosts fails on that
 * question. */
static void
look_for_dane(struct inquiry *q, const struct domain *host, struct protection *p)
{
	struct dns_fact address;

	if (!learn(q, DNS_TYPE_A, host, &address, p))
		return;
	if (address.ad)
		look_for(q, DNS_TYPE_TLSA, host, p);
	else
		explain_add(q->explain, "A of %s: not validated, so the host has no DANE",
			host->text);
}

static void
look_at_hosts(struct inquiry *q, const struct dns_fact *mx, struct protection *p)
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
	struct dns_fact mx;

	look_for(q, DNS_TYPE_TXT, q->domain, &p);
	if (!p.found && learn(q, DNS_TYPE_MX, q->domain, &mx, &p))
		look_at_hosts(q, &mx, &p);
	return p;
}

enum downgrade
downgrade_check(struct inquiry *q)
{
	struct protection p = find_protection(q);

	if (p.found) {
		inquiry_count(q, &inquiry_counters(q)->protected_refused);
		explain_add(
			q->explain, "clearnet is authenticated, and this route isn't");
		answer_set(q->answer, OUTCOME_NONE, REASON_NONE);
		return DOWNGRADE_REFUSED;
	}
	if (p.failed != REASON_NONE) {
		answer_set(q->answer, OUTCOME_TEMP, p.failed);
		return DOWNGRADE_REFUSED;
	}
	return p.needed ? DOWNGRADE_UNKNOWN : DOWNGRADE_NO;
}
