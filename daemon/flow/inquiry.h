/* An inquiry: what one decision about a domain's mail is made from, and what comes of it.
 * The decision (route_decision.h), the names in DNS (dns_names.h), pinning (pinning.h)
 * and the protection against a downgrade (downgrade.h) share it. */
#ifndef FLOW_INQUIRY_H
#define FLOW_INQUIRY_H

#include <sys/queue.h>

#include "core/cache.h"
#include "flow/inflight.h"
#include "flow/lookup.h"

/* An answer that came while the lookup waited, and that may be too short-lived for the
 * cache. */
struct kept_answer {
	SLIST_ENTRY(kept_answer) entry;
	enum dns_type type;
	struct domain subject;
	struct dns_fact fact;
	char packed[]; /* the set of the fact, which has the names */
};

SLIST_HEAD(kept_answers, kept_answer);

/* The most names that a decision can need at once: TXT, and A or TLSA for each MX. */
#define NEEDED_MAX (1 + TARGETS_MAX)

struct needed_name {
	enum dns_type type;
	struct domain subject;
};

#define SEEMS_MAPPED_BITS 12

/* The sources of all decisions of an engine, and room for the decision being made. */
struct inquiry_env {
	const struct engine_config *config;
	const struct engine_ports *ports;
	struct cache *cache;
	struct upstream *dns;
	struct inflight *dns_inflight; /* to it */

	struct map_value value;                    /* of the map's entry */
	struct onion_memo memo;                    /* of the map */
	bool seems_mapped[1 << SEEMS_MAPPED_BITS]; /* see route_decision.c */

	struct needed_name needed[NEEDED_MAX]; /* what the decision lacks */
	struct needed_name renew[NEEDED_MAX];  /* what it has, and will soon expire */
};

/* The most counters that a decision can add to: the map, twice for each thing that it
 * asks DNS for, and what it makes of that. */
#define INQUIRY_COUNTED (8 + 2 * (3 + 2 * TARGETS_MAX))

/* Effects of a decision: done once it stands. The decision may be made several times
 * before, each time that more has become known. */
struct effects {
	size_t ncounted;
	uint64_t *counted[INQUIRY_COUNTED];
	size_t nrenew;          /* in env->renew */
	bool is_mapped;         /* has the domain an entry of the map? */
	bool map_asked;         /* the map was asked */
	enum pin_verdict pin;   /* what DNS says compared with the domain's pin, or */
	bool pin_first_use;     /* it becomes the pin */
	struct dns_fact pinned; /* this; its names are valid as long as the cache's */
};

struct inquiry {
	struct inquiry_env *env;
	const struct domain *domain;
	struct monotime now;
	const struct kept_answers *kept; /* NULL: none */
	enum reason give_up; /* not REASON_NONE: don't wait for what isn't known */
	bool cache_only; /* of a lookup that only fills the cache: no route is pinned */
	struct explain *explain;

	struct answer *answer; /* if it is decided */
	struct map_options options;
	enum route_origin origin; /* of what the map said last */
	bool stale_would_do; /* an expired route is there, and is being asked for again */
	enum reason
		stale;  /* not REASON_NONE: it rests on an expired fact, as DNS fails */
	size_t nneeded; /* if it isn't decided: names in env->needed */
	struct effects effects;
};

static inline struct counters *
inquiry_counters(const struct inquiry *q)
{
	return q->env->ports->counters;
}

/* Adds one to a counter once the decision stands. */
static inline void
inquiry_count(struct inquiry *q, uint64_t *counter)
{
	q->effects.counted[q->effects.ncounted++] = counter;
}

#endif
