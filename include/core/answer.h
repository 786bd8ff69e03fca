/* The end of a lookup. */
#ifndef CORE_ANSWER_H
#define CORE_ANSWER_H

#include "core/target.h"

enum outcome {
	OUTCOME_ROUTE, /* these targets, in this order */
	OUTCOME_NONE,  /* certain: this domain has no onion service */
	OUTCOME_TEMP,  /* not known now; ask again */
	OUTCOME_FAIL,  /* never deliverable */
};

/* Why an outcome is TEMP or FAIL. The words of a reason are the only text besides
 * names, addresses, ports and the transport that an answer can hold. */
enum reason {
	REASON_NONE, /* for ROUTE and NONE */
	REASON_DEADLINE,
	REASON_BUSY,
	REASON_NOMEM,
	REASON_DESCRIPTORS,
	REASON_CHARACTER,
	REASON_MAP,
	REASON_DNS_TIMEOUT,
	REASON_DNS_DOWN,
	REASON_DNS_FAILED,
	REASON_DNS_BAD,
	REASON_DNS_TCP,
	REASON_DNS_TCP_TIMEOUT,
	REASON_DNS_UNPROVEN,
	REASON_TOR_TIMEOUT,
	REASON_TOR_FAILED,
	REASON_TOR_FULL,
	REASON_TOR_ADDRESS,
	REASON_INSECURE,
	REASON_BRIDGE,
	REASON_BRIDGE_FULL,
	REASON_BRIDGE_STATE,
	REASON_ONION_INVALID,
	REASON_COUNT,
};

/* Who has made a route: what strangers can fill has a share for them (core/quotas.h). */
enum route_origin {
	ORIGIN_DNS,      /* the domain's SRV records, which anybody can have */
	ORIGIN_ONION,    /* a recipient at a .onion name, which anybody can make up */
	ORIGIN_MAP,      /* an entry of the map for this very domain */
	ORIGIN_MAP_MANY, /* one for all names below a domain, or for all of an MX host */
};

/* The route lives no longer than what its names point into: see flow/lookup.h. */
struct answer {
	enum outcome outcome;
	enum reason reason;
	enum route_origin origin; /* only for OUTCOME_ROUTE, like the route */
	struct target_set route;  /* in the order in which to try them; not empty */
};

/* Printable ASCII without quotes or percent signs, at most REASON_LEN bytes. */
#define REASON_LEN 64
const char *answer_reason_text(enum reason);

static inline void
answer_set(struct answer *a, enum outcome outcome, enum reason reason)
{
	a->outcome = outcome;
	a->reason = reason;
	a->route.n = 0;
	a->origin = ORIGIN_DNS;
}

#endif
