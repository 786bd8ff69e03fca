/* Where a message may go: targets in the order in which to try them. */
#ifndef CORE_ROUTE_H
#define CORE_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"

#define ROUTE_MAX 16 /* targets; more are left out */
#define SMTP_PORT 25

/* One mail host. The name is a view: it isn't NUL-terminated and belongs to the
 * map, the cache or the lookup that made the route. It is always a valid onion
 * name, checked where the route was made. */
struct target {
	const char *host;
	uint8_t hostlen;
	uint16_t port;
	uint32_t ipv4; /* tor's virtual address in host byte order; 0: none asked for */
};

/* Who has made a route: what strangers can fill has a share for them (core/quotas.h). */
enum route_origin {
	ORIGIN_DNS,      /* the domain's SRV records, which anybody can have */
	ORIGIN_ONION,    /* a recipient at a .onion name, which anybody can make up */
	ORIGIN_MAP,      /* an entry of the map for this very domain */
	ORIGIN_MAP_MANY, /* one for all names below a domain, or for all of an MX host */
};

/* A route lives no longer than what its names point into: see lookup.h. */
struct route {
	uint8_t n; /* 1 to ROUTE_MAX in a valid route */
	enum route_origin origin;
	struct target target[ROUTE_MAX];
};

#endif
