/* The bridge's address for a route, which is answered once it is on the disk: one that
 * was forgotten by a restart could be given to another route. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

bool
needs_bridge(const struct profile *p, const struct answer *a)
{
	return a->outcome == OUTCOME_ROUTE && p->style == STYLE_BRIDGE;
}

bool
crossing_begin(struct engine *e, const struct domain *d, const struct policy *policy,
	struct answer *a, struct bridge_wait *wait)
{
	enum reason reason;

	*wait = (struct bridge_wait){0};
	reason = e->ports.bridge(e->ports.bridge_arg, d, policy, a, wait);
	if (reason == REASON_NONE)
		return wait->number != 0;
	answer_set(a, OUTCOME_TEMP, reason);
	return false;
}

enum reason
crossing_wait(
	struct lookup *l, const struct target_set *route, const struct bridge_wait *wait)
{
	struct address *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return REASON_NOMEM;
	a->target = route->target[0];
	memcpy(a->host, a->target.host, a->target.hostlen);
	a->target.host = a->host;
	l->address = a;
	l->n = 1;
	l->crossing = *wait;
	TAILQ_INSERT_TAIL(&l->engine->crossing, l, crossing_entry);
	return REASON_NONE;
}

void
crossing_leave(struct lookup *l)
{
	if (l->crossing.number != 0)
		TAILQ_REMOVE(&l->engine->crossing, l, crossing_entry);
	l->crossing.number = 0;
}

void
crossing_give_up(const struct bridge_wait *wait, enum reason reason, struct answer *a)
{
	if (!wait->known)
		answer_set(a, OUTCOME_TEMP, reason);
}

void
crossing_end(struct lookup *l, enum reason reason, struct monotime now)
{
	const struct bridge_wait wait = l->crossing;
	struct answer a;

	answer_set(&a, OUTCOME_ROUTE, REASON_NONE);
	a.route.n = 1;
	a.route.target[0] = l->address->target;
	if (reason != REASON_NONE)
		crossing_give_up(&wait, reason, &a);
	lookup_finish(l, &a, now);
}

void
engine_bridge_kept(struct engine *e, uint64_t upto, bool good, struct monotime now)
{
	struct lookup *l;

	while ((l = TAILQ_FIRST(&e->crossing)) != NULL && l->crossing.number <= upto)
		crossing_end(l, good ? REASON_NONE : REASON_BRIDGE_STATE, now);
}
