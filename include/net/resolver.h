/* A DNS server on the network, by c-ares. Each question to a resolver has a channel of
 * its own, and so a source port that a forger must guess (RFC 5452); when there are many,
 * a few share one. Answers that don't fit into UDP are asked for by TCP, each by a
 * connection of its own, so that a dead connection harms no other question. */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/counters.h"
#include "flow/sources.h"
#include "net/addr.h"
#include "net/loop.h"

/* The most descriptors that one resolver takes. */
#define RESOLVER_SOCKETS_MAX 576

struct resolver;

struct resolver_config {
	struct loop *loop;
	struct counters *counters;
	struct net_addr server;
	int tcp_ms;  /* how long an answer by TCP may take, in milliseconds */
	bool ask_ad; /* for the AD bit */

	/* It is tor's DNSPort: no TCP, and one channel for all questions, whose socket
	 * stays open and so shows at once when tor has gone. */
	bool is_tor;
};

/* NULL: out of memory, logged. The AD bit of its answers counts only if it was asked for
 * and the server is on this machine: on a network anybody could set it. */
struct resolver *resolver_new(const struct resolver_config *config);

/* Questions under way are forgotten, not called back. Legal in a callback of its own. */
void resolver_free(struct resolver *resolver);

struct dns_source *resolver_source(struct resolver *resolver);

/* Does the program's c-ares behave like the one that it was built with? False is logged.
 */
bool resolver_library_fits(void);

#endif
