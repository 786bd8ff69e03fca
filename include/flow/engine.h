/* The engine of lookups: the static map, the cache, DNS and tor, and what they are told
 * to do. It has no clock and does no input or output: both come from its caller. */
#ifndef FLOW_ENGINE_H
#define FLOW_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/cache.h"
#include "core/counters.h"
#include "core/domain.h"
#include "core/map_options.h"
#include "core/monotime.h"
#include "core/net4.h"
#include "core/pins.h"
#include "core/render.h"
#include "flow/sources.h"
#include "flow/upstream.h"

struct engine;
struct profile;

enum dnssec {
	DNSSEC_OFF,
	DNSSEC_PREFER,  /* asked for, and it counts where it is there */
	DNSSEC_REQUIRE, /* no route without it */
};

/* The wait for an answer of each server, and how often it is asked. */
struct retry_policy {
	int64_t timeout_ms; /* the first time; doubled each time */
	unsigned tries;     /* 1 to UPSTREAM_TRIES */
};

struct engine_config {
	const char *srv_prefix; /* "_onion-mx._tcp.", with the dot; kept by the caller */
	enum on_failure on_failure; /* defer or clearnet */
	enum dnssec dnssec;
	enum on_failure on_insecure; /* of a route that isn't validated and should be */
	bool protect_authenticated;
	bool follow_mx;
	enum bare_negative bare_negative;
	struct retry_policy dns, tor;

	/* Tor's addresses are in one of these; others are never passed on. Kept by the
	 * caller. */
	const struct net4 *tor_addresses;
	size_t ntor_addresses;

	uint32_t ttl_min, ttl_max; /* seconds; what the cache makes of a TTL */
	uint32_t negative_ttl_max; /* seconds */
	struct cache_config cache;
	size_t max_lookups;   /* pending at once; at least 1, as those below */
	size_t max_queries;   /* questions to DNS at once, and to tor */
	size_t max_waiters;   /* lookups that wait for one of them */
	size_t max_tor_names; /* onion names that tor is asked for while it lives */
};

/* An address of the bridge that isn't on the disk yet. */
struct bridge_wait {
	uint64_t number; /* of the state to be kept first; 0: nothing to wait for */
	bool known;      /* it is answered all the same if that fails */
};

/* All belong to the caller and must outlive the engine. */
struct engine_ports {
	struct map_source *map;                   /* NULL: no static map */
	struct dns_source *dns[UPSTREAM_SERVERS]; /* the preferred one first */
	size_t ndns; /* 0: what DNS would be asked for is a temporary failure */
	struct dns_source *tor; /* NULL: no profile may have STYLE_ADDRESS */

	/* So many percent of a share of max_tor_names are asked for. Called from inside
	 * the engine: it may not call it. NULL: nobody looks. */
	void (*tor_nearly_full)(void *arg, unsigned percent);
	void *tor_nearly_full_arg;
	uint64_t (*random)(void); /* for the order of SRV targets */
	struct counters *counters;

	/* Routes that were learnt from DNS. NULL: none is pinned. What has become of one,
	 * if that is new, is told to pinned: PIN_NONE stands for a first use, or for a
	 * pin that has made room. can_pin: whether that can be kept; NULL: it can. */
	struct pins *pins;
	int64_t (*wall)(void); /* seconds since 1970; only for pins */
	void (*pinned)(void *arg, const struct domain *domain, enum pin_verdict verdict);
	bool (*can_pin)(void *arg);
	void *pinned_arg;

	/* Makes the bridge's address the only target of an answer. Anything but
	 * REASON_NONE: there is none. The wait is all zeros, and may be set; then
	 * engine_bridge_kept() ends it. NULL: no profile may have STYLE_BRIDGE. */
	enum reason (*bridge)(void *arg, const struct domain *domain,
		const struct map_options *options, struct answer *answer,
		struct bridge_wait *wait);
	void *bridge_arg;

	/* Sees how each lookup ends that had a domain. NULL: nobody looks. */
	void (*observe)(const struct domain *domain, const struct answer *answer);

	/* A server, one of those above, has gone or come back, or has sent its first
	 * negative answer without an SOA. Called from inside the engine: it may not call
	 * it. NULL: nobody looks. */
	void (*server_event)(
		void *arg, const struct dns_source *server, enum upstream_event);
	void *server_event_arg;

	/* engine_next_deadline() may have come nearer. Called from inside the engine: it
	 * may ask for that deadline and nothing else. NULL: the caller looks by itself.
	 */
	void (*alarm)(void *arg);
	void *alarm_arg;
};

/* NULL: out of memory. Both arguments are copied. */
struct engine *engine_new(
	const struct engine_config *config, const struct engine_ports *ports);

/* No lookup may be pending. Profiles are freed, too. */
void engine_free(struct engine *engine);

/* A style and a deadline, in milliseconds, for a listener's lookups. Lives as long as the
 * engine. NULL: out of memory. */
struct profile *engine_profile_new(
	struct engine *engine, enum answer_style style, int64_t deadline_ms);

/* For lookups that only fill the cache: they pin no route, have no address of the bridge
 * and ask tor for none. They displace no other lookup, and at most a quarter of
 * max_queries is theirs: without room they end at once, with REASON_BUSY. NULL: out of
 * memory. */
struct profile *engine_profile_cache_only(struct engine *engine, int64_t deadline_ms);

/* Ends the lookups whose deadline has come, and repeats questions. */
void engine_expire(struct engine *engine, struct monotime now);

/* The first deadline to come; false if nothing is pending. */
bool engine_next_deadline(const struct engine *engine, struct monotime *when);

/* What the bridge has up to this number is on the disk, or (good is false) can't be
 * written now: lookups that wait for it end. */
void engine_bridge_kept(
	struct engine *engine, uint64_t upto, bool good, struct monotime now);

size_t engine_pending(const struct engine *engine);

/* Other DNS servers from now on; questions under way lose nothing. See
 * upstream_set_servers(). */
bool engine_set_dns(struct engine *engine, struct dns_source *const dns[], size_t n,
	struct monotime now);

/* For a restart: what the cache knows, and puts back. See cache_walk(), cache_restore().
 */
void engine_recall(struct engine *engine, cache_each *each, void *arg);
void engine_remember(struct engine *engine, enum dns_type type,
	const struct domain *domain, const struct cached *cached, struct monotime now);
size_t engine_known(const struct engine *engine); /* entries of the cache */

#endif
