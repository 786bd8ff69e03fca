/* Tor's DNSPort: what it is asked for, and which names it holds an address for. */
#ifndef FLOW_TOR_DNS_H
#define FLOW_TOR_DNS_H

#include "flow/inflight.h"
#include "flow/lookup.h"
#include "tor_names.h"

struct tor_dns;

/* Both must outlive it; ports->tor isn't NULL. NULL: out of memory. */
struct tor_dns *tor_dns_new(
	const struct engine_config *config, const struct engine_ports *ports);

/* Waiters are forgotten, not called. NULL is fine. */
void tor_dns_free(struct tor_dns *tor);

/* Asks for the address of an onion name. REASON_NONE: the waiter waits, and keys say
 * whose its place is; the key of the zone is filled in. Otherwise the reason why it
 * doesn't. */
enum reason tor_dns_ask(struct tor_dns *tor, const char *name,
	const struct tor_asker *asker, struct share_keys keys,
	struct inflight_waiter *waiter, struct monotime now);

/* Is the IPv4 address, in host byte order, in the range of tor_addresses? If DNSPort
 * turns out to be that of an ordinary resolver, or of one that lies, mail would go to an
 * address of the Internet, or of this machine. */
bool tor_dns_has_address(const struct tor_dns *tor, uint32_t ipv4);

/* The name, for which tor has given an address, takes a place of the asker. */
void tor_dns_own(struct tor_dns *tor, const char *name, const struct tor_asker *asker);

/* Changes whenever tor may have been restarted: then its addresses may not hold. */
uint32_t tor_dns_restarts(const struct tor_dns *tor);

/* Repeats and ends what is due. When to call it next; false: no need. */
void tor_dns_expire(struct tor_dns *tor, struct monotime now);
bool tor_dns_next_deadline(const struct tor_dns *tor, struct monotime *when);

#endif
