/* SRV records (RFC 2782) that name onion services, and their order. */
#ifndef CORE_SRV_H
#define CORE_SRV_H

#include <stdbool.h>
#include <stdint.h>

#include "core/route.h"

/* The host is a view of a valid onion name, not NUL-terminated. */
struct srv_record {
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
	uint8_t hostlen;
	const char *host;
};

/* Room for what a route can hold. Empty: the domain has no onion service. */
struct srv_set {
	uint8_t n;
	struct srv_record rr[ROUTE_MAX];
};

/* The place in the set for a record: a new one, that of a duplicate (same host and
 * port) or of the least preferred record if the set is full. NULL if the record
 * adds nothing, because what is there is preferred to it. The caller fills it in. */
struct srv_record *srv_set_place(struct srv_set *, const struct srv_record *);

/* Is a target, host and port, in the set? */
bool srv_set_has(const struct srv_set *, const struct target *);

/* A route's targets as a set, all of one priority, and back, in the order of the set. The
 * names stay where they are. */
void srv_set_of_route(struct srv_set *, const struct route *);
void srv_set_route(const struct srv_set *, struct route *);

/* Orders by priority and, within one, by the weighted choice of RFC 2782. The same
 * seed gives the same order. The route's names are those of the set. */
void srv_order(const struct srv_set *, uint64_t seed, struct route *);

#endif
