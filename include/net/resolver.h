/* DNS over the network, by c-ares: one resolver is one record type and one set of
 * servers. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <stdbool.h>

#include "flow/sources.h"
#include "net/loop.h"

struct resolver;

struct resolver_config {
	enum dns_type type;
	const char *servers; /* "127.0.0.1:53,[::1]:5353"; NULL: /etc/resolv.conf */
	int timeout_ms;      /* of the first try; it doubles with each */
	int tries;

	/* For tor's DNSPort: it has no TCP, and a socket that stays open shows at once
	 * when tor has gone. For others each burst of questions takes a new port, which
	 * makes forged answers harder (RFC 5452). */
	bool keep_socket;
};

/* NULL on failure, logged. */
struct resolver *resolver_new(struct loop *, const struct resolver_config *);

/* Questions under way are forgotten, not called back. */
void resolver_free(struct resolver *);

struct dns_source *resolver_source(struct resolver *);

#endif
