/* A simple model of the contract: what an answer must be founded on. */
#include <string.h>

#include "world.h"

static bool
last_of_its_kind(const struct world *w, const struct landing *e, struct monotime at)
{
	for (const struct landing *later = e + 1; later < w->landing + w->landings;
		later++)
		if (later->type == e->type && later->domain == e->domain &&
			!monotime_before(at, later->at))
			return false;
	return true;
}

/* May this lookup build on that answer? It was told of it while it waited, or nothing
 * newer is known and its time isn't over; records have some time beyond that, but only
 * for a route. One that has waited for tor may have decided long before. */
static bool
of_use(const struct world *w, const struct lookup_model *l, const struct landing *e)
{
	struct monotime end = monotime_add_s(e->at, e->ttl);
	struct monotime decided = l->by_address ? l->started : w->now;

	if (!monotime_before(e->at, l->started))
		return true;
	if (e->records && e->ttl > 0 && !w->fresh_only)
		end = monotime_add_s(end, w->config.cache.stale_s);
	return last_of_its_kind(w, e, decided) && monotime_before(decided, end);
}

typedef bool landing_test(const struct world *, const struct landing *, unsigned arg);

static bool
founded(const struct world *w, const struct lookup_model *l, enum dns_type type,
	unsigned domain, landing_test *test, unsigned arg)
{
	for (size_t i = 0; i < w->landings; i++) {
		const struct landing *e = &w->landing[i];

		if (e->type == type && e->domain == domain && of_use(w, l, e) &&
			test(w, e, arg))
			return true;
	}
	return false;
}

static bool
is_absence(const struct world *w, const struct landing *e, unsigned arg)
{
	(void)w;
	(void)arg;
	return !e->records;
}

static bool
is_there(const struct world *w, const struct landing *e, unsigned arg)
{
	(void)w;
	(void)arg;
	return e->records;
}

static bool
is_insecure(const struct world *w, const struct landing *e, unsigned arg)
{
	(void)w;
	(void)arg;
	return e->records && !e->ad;
}

static bool
isnt_validated(const struct world *w, const struct landing *e, unsigned arg)
{
	(void)w;
	(void)arg;
	return !e->ad;
}

static bool
is_validated(const struct world *w, const struct landing *e, unsigned arg)
{
	return !isnt_validated(w, e, arg);
}

/* As secure as a route must be. */
static bool
is_secure(const struct world *w, const struct landing *e, unsigned arg)
{
	(void)arg;
	return e->records && (e->ad || w->config.dnssec != DNSSEC_REQUIRE);
}

static bool
is_version(const struct world *w, const struct landing *e, unsigned version)
{
	return e->version == version && is_secure(w, e, 0);
}

static bool
was_version(const struct world *w, unsigned domain, unsigned version)
{
	for (size_t i = 0; i < w->landings; i++)
		if (w->landing[i].type == DNS_TYPE_SRV &&
			w->landing[i].domain == domain && w->landing[i].records &&
			w->landing[i].version == version)
			return true;
	return false;
}

/* Pins */

static void
is_pin(void *arg, const struct state_line *s)
{
	if (s->kind == STATE_LINE_PIN && s->fact.set.n > 0)
		*(bool *)arg = true;
}

static void
note_pin(struct world *w, unsigned domain)
{
	struct domain d = {.len = (uint8_t)strlen(domain_names[domain])};

	if (w->pins == NULL)
		return;
	memcpy(d.text, domain_names[domain], d.len);
	pins_walk_domain(w->pins, &d, is_pin, &w->pinned[domain]);
}

/* An absence undoes a pin when it is validated, or has lasted. */
static bool
may_undo_pin(const struct world *w, unsigned domain)
{
	const struct landing *since = NULL;

	for (size_t i = 0; i < w->landings; i++) {
		const struct landing *e = &w->landing[i];

		if (e->type != DNS_TYPE_SRV || e->domain != domain)
			continue;
		if (!e->records && e->ad)
			return true;
		if (e->records)
			since = NULL;
		else if (since == NULL)
			since = e;
	}
	/* The wall clock counts whole seconds. */
	return since != NULL &&
	       !monotime_before(w->now, monotime_add_s(since->at, HOLD - 1));
}

/* Routes */

static bool
is_map_route(const struct answer *a, unsigned port)
{
	return a->route.n == 1 && a->route.target[0].port == port;
}

/* A host whose address isn't validated has no DANE, whatever TLSA would say. */
static bool
has_no_dane(const struct world *w, const struct lookup_model *l, unsigned host)
{
	return founded(w, l, DNS_TYPE_A, host, isnt_validated, 0) ||
	       (founded(w, l, DNS_TYPE_A, host, is_validated, 0) &&
		       founded(w, l, DNS_TYPE_TLSA, host, is_absence, 0));
}

static bool
has_dane(const struct world *w, const struct lookup_model *l, unsigned host)
{
	return founded(w, l, DNS_TYPE_A, host, is_validated, 0) &&
	       founded(w, l, DNS_TYPE_TLSA, host, is_there, 0);
}

/* With protect_authenticated, a route that isn't validated needs the certainty that the
 * domain has neither MTA-STS nor DANE. */
static bool
is_unprotected(const struct world *w, const struct lookup_model *l)
{
	unsigned d = l->domain;

	return founded(w, l, DNS_TYPE_TXT, d, is_absence, 0) &&
	       ((founded(w, l, DNS_TYPE_MX, d, is_absence, 0) && has_no_dane(w, l, d)) ||
		       (founded(w, l, DNS_TYPE_MX, d, is_there, 0) &&
			       has_no_dane(w, l, DOMAINS)));
}

static bool
is_validated_version(const struct world *w, const struct landing *e, unsigned version)
{
	(void)w;
	return e->ad && e->version == version;
}

static void
judge_dns_route(struct world *w, struct lookup_model *l, const struct answer *a)
{
	unsigned first = a->route.target[0].port, version = (first - 1000) / 4;

	if (is_map_route(a, 26)) {
		if (!w->config.follow_mx ||
			!founded(w, l, DNS_TYPE_MX, l->domain, is_secure, 0))
			wrong(w, "a route by MX that nobody has");
		if (!founded(w, l, DNS_TYPE_SRV, l->domain, is_absence, 0))
			wrong(w, "a route by MX, though it isn't known that there is no "
				 "SRV");
		return;
	}
	for (uint8_t i = 0; i < a->route.n; i++)
		if (a->route.target[i].port != 1000 + 4 * version + i)
			wrong(w, "a route that DNS never gave");
	if (!founded(w, l, DNS_TYPE_SRV, l->domain, is_version, version) &&
		!(w->pins != NULL && was_version(w, l->domain, version)))
		wrong(w, "a route that doesn't hold any more");
	if (w->config.protect_authenticated && w->pins == NULL &&
		!founded(w, l, DNS_TYPE_SRV, l->domain, is_validated_version, version) &&
		!is_unprotected(w, l))
		wrong(w, "a route that would bypass MTA-STS or DANE");
	note_pin(w, l->domain);
}

static void
judge_route(struct world *w, struct lookup_model *l, const struct answer *a)
{
	if (a->route.n == 0)
		wrong(w, "a route without targets");
	for (uint8_t i = 0; i < a->route.n; i++)
		if ((a->route.target[i].ipv4 != 0) != l->by_address)
			wrong(w, "an address too few, or too many");
	if (w->entry[l->domain] == ENTRY_NEVER)
		wrong(w, "a route for a domain that is never to have one");
	if (w->entry[l->domain] == ENTRY_TARGET) {
		if (!is_map_route(a, 25))
			wrong(w, "another route than that of the map");
		return;
	}
	judge_dns_route(w, l, a);
}

/* NONE */

static bool
mx_found(const struct world *w, const struct lookup_model *l)
{
	return founded(w, l, DNS_TYPE_MX, l->domain, is_absence, 0) ||
	       (w->config.dnssec == DNSSEC_REQUIRE &&
		       w->config.on_insecure == ON_FAILURE_CLEARNET &&
		       founded(w, l, DNS_TYPE_MX, l->domain, is_insecure, 0));
}

static bool
is_protected(const struct world *w, const struct lookup_model *l)
{
	return w->config.protect_authenticated &&
	       founded(w, l, DNS_TYPE_SRV, l->domain, is_insecure, 0) &&
	       (founded(w, l, DNS_TYPE_TXT, l->domain, is_there, 0) ||
		       has_dane(w, l, l->domain) || has_dane(w, l, DOMAINS));
}

static void
judge_none(struct world *w, struct lookup_model *l)
{
	if (w->entry[l->domain] == ENTRY_NEVER)
		return;
	if (w->config.on_failure == ON_FAILURE_CLEARNET)
		return; /* the site has chosen that */
	if (w->entry[l->domain] == ENTRY_TARGET)
		wrong(w, "NONE for a domain of the map");
	if (is_protected(w, l))
		return;
	/* A pinned route that isn't validated any more is none, either. */
	if (w->config.dnssec == DNSSEC_REQUIRE &&
		w->config.on_insecure == ON_FAILURE_CLEARNET &&
		founded(w, l, DNS_TYPE_SRV, l->domain,
			w->pins != NULL ? isnt_validated : is_insecure, 0))
		return;
	if (!founded(w, l, DNS_TYPE_SRV, l->domain, is_absence, 0))
		wrong(w, "NONE that isn't certain");
	if (w->config.follow_mx && !mx_found(w, l))
		wrong(w, "NONE, though it isn't known that the MX has no route");
	if (w->pinned[l->domain] && !may_undo_pin(w, l->domain))
		wrong(w, "NONE that hasn't lasted, for a pinned domain");
	w->pinned[l->domain] = false;
}

/* One that waits for tor decided some time before its answer. */
static bool
somebody_waits_for_tor(const struct world *w, const struct lookup_model *l)
{
	bool any = l->by_address;

	for (size_t i = 0; i < w->lookups; i++)
		any |= w->lookup[i].by_address && w->lookup[i].pending != NULL;
	return any;
}

/* A lookup has one decision, which counts once, however often it was thought over. */
static void
judge_counters(struct world *w, const struct lookup_model *l, const struct answer *a)
{
	const struct counters *now = &w->counters, then = w->judged;
	const uint64_t refused = now->insecure_refused + now->protected_refused -
				 then.insecure_refused - then.protected_refused;
	const uint64_t pins = now->pins_new + now->pins_changed + now->pins_renewed -
			      then.pins_new - then.pins_changed - then.pins_renewed;
	const uint64_t map = now->map_hits - then.map_hits;

	w->judged = *now;
	if (somebody_waits_for_tor(w, l))
		return;
	if (refused > 1 || pins > 1 || map > 1)
		wrong(w, "a decision that counts twice");
	if (refused > 0 && a->outcome == OUTCOME_ROUTE)
		wrong(w, "a refused route that is used");
}

static const char *const outcomes[] = {
	[OUTCOME_ROUTE] = "ROUTE",
	[OUTCOME_NONE] = "NONE",
	[OUTCOME_TEMP] = "TEMP",
	[OUTCOME_FAIL] = "FAIL",
};

void
judge(struct world *w, struct lookup_model *l, const struct answer *a)
{
	tell(w, "answer to %zu: %s %s", (size_t)(l - w->lookup), outcomes[a->outcome],
		answer_reason_text(a->reason));
	for (uint8_t i = 0; i < a->route.n; i++)
		tell(w, "  port %u", (unsigned)a->route.target[i].port);
	if (monotime_before(l->deadline, w->now))
		wrong(w, "an answer after its deadline");
	judge_counters(w, l, a);
	w->fresh_only = a->outcome == OUTCOME_NONE;
	switch (a->outcome) {
	case OUTCOME_ROUTE:
		judge_route(w, l, a);
		w->routes_by_address += l->by_address;
		break;
	case OUTCOME_NONE:
		judge_none(w, l);
		break;
	case OUTCOME_TEMP:
		if (a->reason == REASON_NONE || w->entry[l->domain] == ENTRY_NEVER)
			wrong(w, "a doubt without a reason");
		if (w->entry[l->domain] == ENTRY_TARGET && !l->by_address)
			wrong(w, "a doubt about the map");
		break;
	case OUTCOME_FAIL:
		wrong(w, "FAIL for a domain that is none of tor's");
	}
}
