#include "descriptors.h"

#include <inttypes.h>
#include <stdint.h>
#include <sys/resource.h>

#include "core/places.h"
#include "core/resolvconf.h"
#include "net/log.h"
#include "net/resolver.h"

#define OTHERS                                                                           \
	96 /* files, the control socket and its clients, tor's DNSPort, the kernel */

/* The client and tor. */
#define EACH_BRIDGE_CLIENT 2

struct need {
	size_t clients, bridge, dns, others;
};

static struct need
need_of(const struct config *config)
{
	const size_t resolvers =
		config->nresolvers > 0 ? config->nresolvers : RESOLVCONF_SERVERS;
	struct need n = {.dns = resolvers * RESOLVER_SOCKETS_MAX,
		.others = OTHERS + config->nlisteners};

	for (size_t i = 0; i < config->nlisteners; i++)
		n.clients += places_in_all(config->listener[i].net.max_clients);
	if (config_has_bridge(config))
		n.bridge = EACH_BRIDGE_CLIENT *
				   places_in_all((size_t)config->bridge_max_clients) +
			   BRIDGE_REJECTED_MAX;
	return n;
}

/* How many there are, at last. */
static rlim_t
raise_limit(rlim_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	if (limit.rlim_cur < wanted) {
		limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur;
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many connections through the bridge, of which each has a reserve of a quarter, fit.
 */
static size_t
bridge_clients_within(size_t descriptors)
{
	size_t n = descriptors * 4 / (5 * EACH_BRIDGE_CLIENT);

	return n > 0 ? n : 1;
}

/* DNS gets up to half of what the rest leaves: it needs most of its own only when no
 * resolver answers. Clients and bridge share the other half as they need it. */
static void
share(struct descriptors *d, const struct need *n, size_t have)
{
	size_t left = have - least(n->others, have / 2), bridge;

	left -= least(n->dns, left / 2);
	if (n->bridge > 0) {
		bridge = left * n->bridge / (n->bridge + n->clients);
		left -= bridge;
		d->bridge_clients =
			least(d->bridge_clients, bridge_clients_within(bridge));
	}
	d->clients = least(n->clients, left);
}

struct descriptors
descriptors_share(const struct config *config)
{
	const struct need n = need_of(config);
	const size_t all = n.clients + n.bridge + n.dns + n.others;
	const rlim_t have = raise_limit(all);
	struct descriptors d = {.clients = n.clients,
		.bridge_clients = (size_t)config->bridge_max_clients};

	if (have < all) {
		share(&d, &n, (size_t)have);
		log_warnx("the limit of %ju file descriptors is too low: this "
			  "configuration may need %zu, which are %zu for clients of "
			  "listeners, %zu for the bridge, %zu for DNS and %zu for "
			  "others; raise LimitNOFILE or lower max_clients",
			(uintmax_t)have, all, n.clients, n.bridge, n.dns, n.others);
		log_warnx("with this limit the listeners serve %zu clients at once, and "
			  "the bridge %zu",
			d.clients, n.bridge > 0 ? d.bridge_clients : 0);
	}
	d.reserve = d.clients / (2 * config->nlisteners);
	if (d.reserve == 0)
		d.reserve = 1;
	return d;
}
