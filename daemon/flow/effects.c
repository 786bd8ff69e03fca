/* What a decision does, once it stands. */
#include "engine.h"

void
effects_count(struct inquiry *q, uint64_t *counter)
{
	struct effects *fx = &q->effects;

	fx->counted[fx->ncounted++] = counter;
}

/* Asks for what will soon expire, while it is still good. */
static void
renew(struct inquiry *q, const struct wanted *what)
{
	struct engine *e = q->engine;
	const struct flight_question question = {
		what->type, what->subject.text, keys_of(e, NULL, what->subject.text)};
	struct flight_joined joined;

	if (flights_join(e->dns_flights, &question, q->now, NULL, &joined) !=
			FLIGHT_JOINED ||
		!joined.asked)
		return;
	counters(e)->dns_queries++;
	counters(e)->prefetches++;
}

static void
tell(struct inquiry *q, const struct domain *d, enum pin_verdict verdict)
{
	const struct engine_ports *ports = &q->engine->ports;

	if (ports->pinned != NULL)
		ports->pinned(ports->pinned_arg, d, verdict);
}

static void
pin_first_use(struct inquiry *q)
{
	const struct engine_ports *ports = &q->engine->ports;
	struct counters *c = counters(q->engine);
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
	trail_add(q->trail, "SRV of %s: pinned now, at its first use", q->domain->text);
	tell(q, q->domain, PIN_NONE);
}

/* What can't be kept isn't noted: the next lookup comes to the same verdict. */
static void
pin(struct inquiry *q)
{
	const struct engine_ports *ports = &q->engine->ports;
	const struct effects *fx = &q->effects;

	if (ports->can_pin != NULL && !ports->can_pin(ports->pinned_arg)) {
		counters(q->engine)->pins_full += fx->pin_first_use;
		return;
	}
	if (pins_note(ports->pins, q->domain, &fx->pinned, fx->pin, ports->wall()))
		tell(q, q->domain, fx->pin);
	if (fx->pin_first_use)
		pin_first_use(q);
}

void
effects_apply(struct inquiry *q)
{
	struct effects *fx = &q->effects;

	for (size_t i = 0; i < fx->ncounted; i++)
		++*fx->counted[i];
	if (fx->map_asked)
		remember_entry(q, fx->is_mapped);
	if (fx->pin_first_use || fx->pin != PIN_NONE)
		pin(q);
	/* Last: the names above are views of the cache. */
	for (size_t i = 0; i < fx->nrenew; i++)
		renew(q, &q->engine->renew[i]);
}
