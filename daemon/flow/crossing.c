#include "crossing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct crossing {
	TAILQ_ENTRY(crossing) entry;
	struct crossings *all;
	struct bridge_wait wait;
	crossing_done *done;
	void *arg;
	struct target target;
	char host[DOMAIN_MAX + 1];
};

struct crossings {
	TAILQ_HEAD(, crossing) waiting; /* the first is the first to end */
};

struct crossings *
crossings_new(void)
{
	struct crossings *all = calloc(1, sizeof(*all));

	if (all != NULL)
		TAILQ_INIT(&all->waiting);
	return all;
}

void
crossings_free(struct crossings *all)
{
	free(all);
}

bool
crossing_needed(const struct engine_ports *ports, const struct domain *d,
	const struct policy *policy, struct answer *a, struct bridge_wait *wait)
{
	enum reason reason;

	*wait = (struct bridge_wait){0};
	reason = ports->bridge(ports->bridge_arg, d, policy, a, wait);
	if (reason == REASON_NONE)
		return wait->number != 0;
	answer_set(a, OUTCOME_TEMP, reason);
	return false;
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
	TAILQ_INSERT_TAIL(&all->waiting, c, entry);
	return c;
}

void
crossing_cancel(struct crossing *c)
{
	TAILQ_REMOVE(&c->all->waiting, c, entry);
	free(c);
}

void
crossing_give_up(const struct bridge_wait *wait, enum reason reason, struct answer *a)
{
	if (!wait->known)
		answer_set(a, OUTCOME_TEMP, reason);
}

static void
end(struct crossing *c, struct answer *answer, struct monotime now)
{
	TAILQ_REMOVE(&c->all->waiting, c, entry);
	c->done(c->arg, answer, now);
	free(c);
}

static void
set_answer(struct answer *a, const struct crossing *c)
{
	answer_set(a, OUTCOME_ROUTE, REASON_NONE);
	a->route.n = 1;
	a->route.target[0] = c->target;
}

void
crossing_end(struct crossing *c, enum reason reason, struct monotime now)
{
	struct answer a;

	set_answer(&a, c);
	crossing_give_up(&c->wait, reason, &a);
	end(c, &a, now);
}

void
crossings_kept(struct crossings *all, uint64_t upto, bool good, struct monotime now)
{
	struct crossing *c;
	struct answer a;

	while ((c = TAILQ_FIRST(&all->waiting)) != NULL && c->wait.number <= upto) {
		if (!good) {
			crossing_end(c, REASON_BRIDGE_STATE, now);
			continue;
		}
		set_answer(&a, c);
		end(c, &a, now);
	}
}
