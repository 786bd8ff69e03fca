/* The end of a lookup. */
#ifndef CORE_ANSWER_H
#define CORE_ANSWER_H

#include "core/route.h"

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

struct answer {
	enum outcome outcome;
	enum reason reason;
	struct route route; /* only for OUTCOME_ROUTE */
};

/* Printable ASCII without quotes or percent signs, at most REASON_LEN bytes. */
#define REASON_LEN 64
const char *reason_text(enum reason);

static inline void
answer_set(struct answer *a, enum outcome outcome, enum reason reason)
{
	a->outcome = outcome;
	a->reason = reason;
	a->route.n = 0;
	a->route.origin = ORIGIN_DNS;
}

#endif
