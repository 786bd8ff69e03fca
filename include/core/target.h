/* A mail host that a message may go to, and a set of them: what the map, SRV and MX
 * records, pins, addresses of the bridge and answers hold. */
#ifndef CORE_TARGET_H
#define CORE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"

#define TARGETS_MAX 16 /* in a set; further targets are left out */
#define SMTP_PORT 25

/* A host and a port. The name is a view: it isn't NUL-terminated, and belongs to the map,
 * the cache or the lookup that made the target. It was checked there: a valid onion name,
 * or the valid host name of an MX record. */
struct target {
	const char *host;
	uint32_t ipv4;     /* in an answer that names addresses: that of tor or of the
			      bridge, in host byte order; else 0 */
	uint16_t priority; /* of an SRV record, or the preference of an MX record; else 0
			    */
	uint16_t weight;   /* of an SRV record; else 0 */
	uint16_t port;     /* 1 to 65535 */
	uint8_t hostlen;   /* 1 to DOMAIN_MAX */
};

/* No target occurs twice. The order counts in an answer, and for the bridge. An empty set
 * says that there is no mail host. */
struct target_set {
	uint8_t n;
	struct target target[TARGETS_MAX]; /* only the first n are initialized */
};

/* Is it the same host and port? The other fields make no difference. */
bool target_is(const struct target *, const struct target *);

/* NULL: the set has no such host and port. */
const struct target *target_set_find(const struct target_set *, const struct target *);

/* Do both have the same targets, in whatever order? */
bool target_set_same(const struct target_set *, const struct target_set *);

/* Copies no more of the room than is used. The names stay where they are. */
void target_set_copy(struct target_set *to, const struct target_set *from);

/* A set with its names in one piece of memory, as it is kept for long: everything but
 * ipv4. packed: target_set_packed_size() bytes, of any alignment. */
size_t target_set_packed_size(const struct target_set *);
void target_set_pack(char *packed, const struct target_set *);

/* The names become views of the packed set. Returns the end of it. */
const char *target_set_unpack(const char *packed, struct target_set *);

#endif
