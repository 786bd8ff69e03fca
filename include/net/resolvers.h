/* The DNS resolvers of the daemon: those of its configuration, or those of a file like
 * /etc/resolv.conf, which is watched. The log says which they are, when one goes down and
 * is back, and whether any of them validates DNSSEC. */
#ifndef NET_RESOLVERS_H
#define NET_RESOLVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/counters.h"
#include "flow/lookup.h"
#include "net/addr.h"
#include "net/loop.h"

struct resolvers;

struct resolvers_config {
	struct loop *loop;
	struct counters *counters;
	const struct net_addr *server; /* n of them; with n = 0 those of the file */
	size_t n;
	const char *file; /* its path */
	int tcp_ms;       /* how long an answer by TCP may take, in milliseconds */
	enum dnssec dnssec;
};

/* NULL on failure, logged. Without any server it succeeds: the file is looked at again.
 * All that the configuration points to must outlive it. */
struct resolvers *resolvers_open(const struct resolvers_config *config);

/* Writes the present sources, the preferred one first. Returns how many. */
size_t resolvers_sources(
	const struct resolvers *resolvers, struct dns_source *source[UPSTREAM_SERVERS]);

/* From now on the engine gets the servers of the file when they change, and the resolvers
 * are asked whether they validate. False on failure, logged. */
bool resolvers_start(struct resolvers *resolvers, struct engine *engine);

/* For engine_ports.server_event. A source that isn't of these is ignored. */
void resolvers_event(struct resolvers *resolvers, const struct dns_source *source,
	enum upstream_event event);

/* The engine must have been freed. NULL is fine. */
void resolvers_close(struct resolvers *resolvers);

#endif
