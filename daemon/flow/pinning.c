#include "pinning.h"

static const char *
count_verdict(struct inquiry *q, enum pin_verdict verdict)
{
	struct counters *c = inquiry_counters(q);

	switch (verdict) {
	case PIN_NONE:
		return NULL;
	case PIN_SAME:
		return "as pinned";
	case PIN_CHANGED:
		inquiry_count(q, &c->pins_changed);
		break;
	case PIN_HELD:
		break;
	case PIN_RETURNED:
		return "as pinned again";
	case PIN_RENEWED:
		inquiry_count(q, &c->pins_renewed);
		return "a change that counts from now on";
	}
	inquiry_count(q, &c->pins_held);
	return "another than the pinned one, which is used until the change counts";
}

/* An expired fact is no news: the pin stays as it is, and is used. */
bool
pinning_compare(struct inquiry *q, struct dns_fact *srv)
{
	const struct engine_ports *ports = q->env->ports;
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
		explain_add(q->explain, "SRV of %s: %s", q->domain->text, words);
	if (verdict == PIN_CHANGED || verdict == PIN_HELD)
		srv->status = DNS_RECORDS;
	return verdict != PIN_NONE && srv->status == DNS_RECORDS;
}

void
pinning_first_use(struct inquiry *q, const struct dns_fact *srv)
{
	if (q->env->ports->pins == NULL || q->stale != REASON_NONE)
		return;
	q->effects.pin_first_use = true;
	q->effects.pinned = *srv;
}

static void
tell(struct inquiry *q, const struct domain *d, enum pin_verdict verdict)
{
	const struct engine_ports *ports = q->env->ports;

	if (ports->pinned != NULL)
		ports->pinned(ports->pinned_arg, d, verdict);
}

static void
add_pin(struct inquiry *q)
{
	const struct engine_ports *ports = q->env->ports;
	struct counters *c = inquiry_counters(q);
	struct domain gone;

	if (pins_make_room(ports->pins, ports->wall(), &gone)) {
		c->pins_dropped++;
		tell(q, &gone, PIN_NONE);
	}
	if (!pins_add(ports->pins, q->domain, &q->effects.pinned, ports->wall())) {
		c->pins_full++;
		return;
	}
	c->pins_new++;
	explain_add(
		q->explain, "SRV of %s: pinned now, at its first use", q->domain->text);
	tell(q, q->domain, PIN_NONE);
}

/* A change that can't be kept isn't noted: the next lookup comes to the same verdict. */
void
pinning_apply(struct inquiry *q)
{
	const struct engine_ports *ports = q->env->ports;
	const struct effects *fx = &q->effects;

	if (q->cache_only || (!fx->pin_first_use && fx->pin == PIN_NONE))
		return;
	if (ports->can_pin != NULL && !ports->can_pin(ports->pinned_arg)) {
		inquiry_counters(q)->pins_full += fx->pin_first_use;
		return;
	}
	if (pins_note(ports->pins, q->domain, &fx->pinned, fx->pin, ports->wall()))
		tell(q, q->domain, fx->pin);
	if (fx->pin_first_use)
		add_pin(q);
}
