/* The bridge: a mail server connects to a loopback address that stands for onion
 * services, and is carried to one of them by tor. */
#ifndef NET_BRIDGE_H
#define NET_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/bridge_table.h"
#include "core/counters.h"
#include "core/map_options.h"
#include "core/target.h"
#include "flow/lookup.h"
#include "net/addr.h"
#include "net/loop.h"

#define BRIDGE_REJECTED_MAX 64 /* that are there until they have read why */

struct bridge;

/* What may not share a circuit. */
enum bridge_isolation {
	ISOLATE_NONE,
	ISOLATE_ONION,  /* connections to different onions */
	ISOLATE_DOMAIN, /* and those for different domains: each has addresses of its own
			 */
};

struct bridge_config {
	struct loop *loop;
	struct counters *counters;
	struct bridge_table_config addresses;
	uint16_t port;
	const char *state_dir;        /* kept by the caller */
	int64_t (*wall)(void);        /* seconds since 1970 */
	const struct net_addr *socks; /* of the tors */
	size_t nsocks;
	enum bridge_isolation isolation;
	bool any_user;     /* everybody on this machine may connect */
	const uid_t *user; /* else only these; kept by the caller */
	size_t nusers;
	int connect_ms;     /* for one target */
	int idle_ms;        /* without a byte in any direction */
	int session_ms;     /* in all */
	int farewell_ms;    /* for a client to close when its server has gone */
	size_t max_clients; /* and a reserve, see core/places.h */

	/* Addresses up to this number are on the disk, or can't be written now. Called
	 * from the loop. */
	void (*kept)(void *arg, uint64_t upto, bool good);
	void *kept_arg;
};

/* Takes the addresses of before, and listens at them. NULL on failure, logged. */
struct bridge *bridge_open(const struct bridge_config *);

/* Connections are cut. */
void bridge_close(struct bridge *);

/* Makes the address for the route of a domain's answer its only target; see struct
 * engine_ports in flow/lookup.h. */
enum reason bridge_route(struct bridge *, const struct domain *,
	const struct map_options *, struct answer *, struct bridge_wait *);

/* The TLS policy for a nexthop of ours, "[127.42.3.4]:14525" or a bare address. False: it
 * isn't one. TLS_UNSET never comes out: without an option it is TLS_MAY. */
bool bridge_tls(struct bridge *, const char *nexthop, size_t len, struct tls_policy *);

/* Why the last connection to this target failed, and how many seconds ago, if it wasn't
 * the bridge's or tor's own fault. NULL: it didn't, or the bridge doesn't remember. */
const char *bridge_last_failure(
	const struct bridge *, const struct target *, int64_t *ago_s);

/* Takes no more connections. After grace_ms clients are told that their servers have
 * gone. When all connections have ended, or 5 s after that, ended runs, in the loop,
 * once. */
void bridge_drain(struct bridge *, int grace_ms, void (*ended)(void *arg), void *arg);

#endif
