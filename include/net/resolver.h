/* A DNS server on the network, by c-ares. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "flow/sources.h"
#include "net/addr.h"
#include "net/loop.h"

struct resolver;

struct resolver_config {
	struct net_addr server;
	int timeout_ms; /* how long an answer can still be of use */
	bool ask_ad;    /* for the AD bit */

	/* For tor's DNSPort: it has no TCP, and a socket that stays open shows at once
	 * when tor has gone. For others each burst of questions takes a new port, which
	 * makes forged answers harder (RFC 5452). */
	bool keep_socket;
};

/* NULL on failure, logged. The AD bit of its answers counts only if it was asked for
 * and the server is on this machine: on a network anybody could set it. */
struct resolver *resolver_new(struct loop *, const struct resolver_config *);

/* Questions under way are forgotten, not called back. */
void resolver_free(struct resolver *);

struct dns_source *resolver_source(struct resolver *);

/* The servers of /etc/resolv.conf, max at most. Returns how many; 0 on failure, logged.
 */
size_t resolver_of_system(struct net_addr servers[], size_t max);

#endif
