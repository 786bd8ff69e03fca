/* What has happened since the start. Every limit has one. A new counter is a row here, an
 * entry of COUNTERS in onionmxd(8) that begins with the same sentence, and the place that
 * counts. The log and onionmap counters print all of them. */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#define COUNTERS(X)                                                                      \
	X(lookups, "Lookups: requests that were understood.")                            \
	X(answers_route, "Lookups that ended in ROUTE.")                                 \
	X(answers_none, "Lookups that ended in NONE.")                                   \
	X(answers_temp, "Lookups that ended in TEMP.")                                   \
	X(answers_fail, "Lookups that ended in FAIL.")                                   \
	X(failures_as_none, "TEMP that on_failure = clearnet turned into NONE.")         \
	X(deadlines, "Lookups that their deadline ended.")                               \
	X(deadlines_shortened, "Lookups with a deadline of 50 ms.")                      \
	X(lookups_full, "Lookups that got TEMP because max_lookups were pending.")       \
	X(lookups_displaced, "Lookups that ended early to make room for another.")       \
	X(queries_full, "Lookups that got TEMP because max_queries were under way.")     \
	X(queries_displaced, "Queries that ended early to make room for another.")       \
	X(queries_queued, "Queries to DNS or tor that waited for their turn.")           \
	X(policy_lookups, "Requests to policy listeners; they are no lookups.")          \
	X(policy_full, "Requests to policy listeners that had no room to wait.")         \
	X(waiters_full, "Lookups beyond max_waiters for one name.")                      \
	X(fast_failures, "Lookups that didn't wait for a query that is overdue.")        \
	X(map_hits, "Lookups that the map answered.")                                    \
	X(map_broken, "Lookups whose map entry could not be read.")                      \
	X(map_loads, "Maps that were loaded, the first one included.")                   \
	X(map_load_failures, "New maps that were missing, damaged or too large.")        \
	X(mx_routes, "Routes from the map's entry for the domain's MX.")                 \
	X(cache_hits, "Names that were found in the cache.")                             \
	X(cache_misses, "Names that were not in the cache, or had expired.")             \
	X(cache_evictions, "Cache entries that were dropped to make room.")              \
	X(prefetches, "DNS queries for entries that were about to expire.")              \
	X(stale_answers, "Expired cache entries that were used.")                        \
	X(failures_remembered, "DNS queries not sent: the name had failed just before.") \
	X(insecure_refused, "Routes not used: DNSSEC had not validated them.")           \
	X(protected_refused, "Routes not used: the domain has MTA-STS or DANE.")         \
	X(pins_new, "Routes pinned at their first use.")                                 \
	X(pins_full, "Routes not pinned: no place was left.")                            \
	X(pins_dropped, "Unused pins that were dropped to make room.")                   \
	X(pins_changed, "Changes of pinned routes that are held back.")                  \
	X(pins_held, "Lookups that used a pinned route instead of DNS.")                 \
	X(pins_renewed, "Changes of pinned routes that were accepted.")                  \
	X(state_failures, "Failed writes to state_dir.")                                 \
	X(dns_queries, "Names that DNS was asked for.")                                  \
	X(dns_failures, "Names for which DNS gave no usable answer.")                    \
	X(dns_down, "Resolvers that stopped answering.")                                 \
	X(dns_down_answers, "DNS queries not sent: no resolver answered.")               \
	X(bare_negatives, "Negative answers of DNS without an SOA record.")              \
	X(dns_tcp_queries, "DNS queries repeated by TCP.")                               \
	X(dns_tcp_full, "DNS queries by TCP beyond the limit of connections.")           \
	X(srv_targets_dropped, "SRV targets that are no onion service.")                 \
	X(srv_records_dropped, "SRV records beyond the 16 that are used.")               \
	X(tor_queries, "Onion names that tor was asked for.")                            \
	X(tor_failures, "Onion names for which tor gave no address.")                    \
	X(tor_down, "Times that tor's DNSPort stopped answering.")                       \
	X(tor_down_answers, "Lookups that got TEMP because tor did not answer.")         \
	X(tor_full, "Lookups that got TEMP because of max_tor_names.")                   \
	X(tor_requeried, "Addresses that tor was asked for again.")                      \
	X(bridge_clients, "Connections to the bridge.")                                  \
	X(bridge_refused, "Connections to the bridge beyond the limit.")                 \
	X(bridge_denied, "Connections of users that bridge_users does not name.")        \
	X(bridge_connected, "Connections that were carried to an onion service.")        \
	X(bridge_targets_failed, "Onion services that were tried and did not answer.")   \
	X(bridge_unreachable, "Connections for which no onion service answered.")        \
	X(bridge_timeouts, "Onion services too slow, and idle connections closed.")      \
	X(bridge_sessions_cut, "Connections ended after bridge_session_ms.")             \
	X(bridge_farewells_cut, "Connections ended after bridge_farewell_ms.")           \
	X(bridge_abandoned, "Connections ended because the client had closed its own.")  \
	X(bridge_addresses, "Addresses of the bridge given to a route.")                 \
	X(bridge_failures, "Lookups that got TEMP: the bridge had no address.")          \
	X(bridge_full, "Lookups that got TEMP because of bridge_addresses.")             \
	X(socks_down, "Times that a SOCKS port of tor stopped answering.")               \
	X(socks_down_answers, "Connections that were told that tor is down.")            \
	X(clients, "Connections of clients that were served.")                           \
	X(clients_refused, "Connections of clients beyond the limit.")                   \
	X(clients_evicted, "Idle connections closed to make room for others.")           \
	X(clients_timed_out, "Connections closed after client_timeout_ms.")              \
	X(accepts_paused, "Pauses of a tenth of a second before the next accept.")       \
	X(requests_unknown, "Requests refused: another map's name, or put.")             \
	X(requests_malformed, "Requests refused: malformed or too long.")                \
	X(pipeline_full, "Pauses in reading a client that was owed 64 answers.")         \
	X(output_full, "Pauses in reading a client that did not read.")                  \
	X(targets_left_out, "Targets that did not fit into an answer.")

struct counters {
#define COUNTER_FIELD(name, what) uint64_t name;
	COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};

#endif
