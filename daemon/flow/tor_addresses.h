/* Tor's addresses for the targets of a route, from its DNSPort. They die with tor, so
 * none is kept. */
#ifndef FLOW_TOR_ADDRESSES_H
#define FLOW_TOR_ADDRESSES_H

#include "flow/inflight.h"
#include "flow/lookup.h"
#include "tor_names.h"

/* Tor's DNSPort, and the addresses of one route. */
struct tor;
struct tor_addresses;

/* Both must outlive it; ports->tor isn't NULL. NULL: out of memory. */
struct tor *tor_addresses_open(
	const struct engine_config *config, const struct engine_ports *ports);

/* Nothing may be started. NULL is fine. */
void tor_addresses_close(struct tor *tor);

struct tor_addresses_request {
	const struct target_set *route; /* not kept */
	struct tor_asker asker;  /* whose place of those that tor has a new name takes */
	struct share_keys keys;  /* of the user and the client who ask */
	struct explain *explain; /* NULL, or where to tell why; it is kept */
};

/* The answer is the route with addresses, or a temporary failure; valid, its names
 * included, during the call only. The operation has ended. */
typedef void tor_addresses_done(void *arg, struct answer *answer, struct monotime now);

/* Asks for an address for each target. REASON_NONE: *started is set, and done runs once,
 * never before this has returned. Otherwise the reason why nothing was started. */
enum reason tor_addresses_start(struct tor *tor,
	const struct tor_addresses_request *request, struct monotime now,
	tor_addresses_done *done, void *arg, struct tor_addresses **started);

/* done won't run. */
void tor_addresses_cancel(struct tor_addresses *addresses);

/* Repeats and ends what is due. When to call it next; false: no need. */
void tor_addresses_expire(struct tor *tor, struct monotime now);
bool tor_addresses_next_deadline(const struct tor *tor, struct monotime *when);

#endif
