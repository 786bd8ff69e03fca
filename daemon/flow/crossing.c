#include "crossing.h"

#include <stdlib.h>
#include <string.h>

struct crossing {
	TAILQ_ENTRY(crossing) entry;
	struct crossings *all;
	struct bridge_wait wait;
	crossing_done *done;
	void *arg;
	struct target target;
	char host[DOMAIN_MAX + 1];
};

bool
crossing_needed(const struct engine_ports *ports, const struct domain *d,
	const struct map_options *options, struct answer *a, struct bridge_wait *wait)
{
	enum reason reason;

	*wait = (struct bridge_wait){0};
	reason = ports->bridge(ports->bridge_arg, d, options, a, wait);
	if (reason == REASON_NONE)
		return wait->number != 0;
	answer_set(a, OUTCOME_TEMP, reason);
	return false;
}

void
crossing_give_up(const struct bridge_wait *wait, enum reason reason, struct answer *a)
{
	if (!wait->known)
		answer_set(a, OUTCOME_TEMP, reason);
}

struct crossing *
crossing_start(struct crossings *all, const struct target_set *route,
	const struct bridge_wait *wait, crossing_done *done, void *arg)
{
	struct crossing *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->all = all;
	c->wait = *wait;
	c->done = done;
	c->arg = arg;
	c->target = route->target[0];
	memcpy(c->host, c->target.host, c->target.hostlen);
	c->target.host = c->host;
	TAILQ_INSERT_TAIL(all, c, entry);
	return c;
}

void
crossing_cancel(struct crossing *c)
{
	TAILQ_REMOVE(c->all, c, entry);
	free(c);
}

void
crossing_end(struct crossing *c, enum reason reason, struct monotime now)
{
	struct answer a;

	answer_set(&a, OUTCOME_ROUTE, REASON_NONE);
	a.route.n = 1;
	a.route.target[0] = c->target;
	if (reason != REASON_NONE)
		crossing_give_up(&c->wait, reason, &a);
	TAILQ_REMOVE(c->all, c, entry);
	c->done(c->arg, &a, now);
	free(c);
}

void
crossings_end(
	struct crossings *all, uint64_t upto, enum reason reason, struct monotime now)
{
	struct crossing *c;

	while ((c = TAILQ_FIRST(all)) != NULL && c->wait.number <= upto)
		crossing_end(c, reason, now);
}
