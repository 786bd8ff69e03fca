/* The inside of the flow: its files share these, nobody else sees them. */
#ifndef FLOW_ENGINE_H
#define FLOW_ENGINE_H

#include <sys/queue.h>

#include "core/cache.h"
#include "flow/flight.h"
#include "flow/lookup.h"

struct profile {
	SLIST_ENTRY(profile) entry;
	enum answer_style style;
	int64_t deadline_ms;
	TAILQ_HEAD(, lookup) pending; /* one deadline for all: the first ends first */
};

/* One target on its way to an address. */
struct address {
	struct flight_waiter waiter;
	struct lookup *lookup;
	uint32_t epoch; /* tor's, when it gave the address */
	struct target target;
	char host[DOMAIN_MAX + 1];
};

struct lookup {
	struct engine *engine;
	struct profile *profile;
	TAILQ_ENTRY(lookup) entry;
	struct monotime deadline;
	struct domain domain;
	lookup_done *done;
	void *arg;
	struct flight_waiter srv;
	uint8_t n, missing;      /* addresses, and how many of them are still to come */
	struct address *address; /* NULL as long as the targets aren't known */
};

struct engine {
	struct engine_config config;
	struct engine_ports ports;
	struct cache *cache;
	struct flights *srv;
	struct flights *tor;
	SLIST_HEAD(, profile) profiles;
	size_t pending;

	/* What the names of a ready answer point into. */
	struct domain domain;
	struct map_value value;
};

static inline struct counters *
counters(const struct engine *e)
{
	return e->ports.counters;
}

/* local.c: what can be said without asking anyone. False: DNS has to be asked for
 * e->domain. */
bool local_answer(struct engine *, const struct lookup_request *, struct monotime now,
	struct answer *);

/* lookup.c: ends a pending lookup as TEMP. */
void lookup_finish_temp(struct lookup *, enum reason, struct monotime now);

#endif
