/* What has happened since the start. Every limit has one. To add one, add a row here;
 * the log and the manual follow the same names. */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#define COUNTERS(X)                                                                      \
	X(lookups)       /* questions that reached the engine */                         \
	X(answers_route) /* how they ended */                                            \
	X(answers_none)                                                                  \
	X(answers_temp)                                                                  \
	X(answers_fail)                                                                  \
	X(failures_as_none)    /* TEMP turned into NONE by on_failure = clearnet */      \
	X(deadlines)           /* lookups that their deadline ended */                   \
	X(deadlines_shortened) /* lookups of a client that had missed too many */        \
	X(lookups_full)        /* refused: max_lookups were pending */                   \
	X(lookups_displaced)   /* of these, ended to make room for others */             \
	X(flights_full)        /* refused: max_flights names were being asked for */     \
	X(flights_displaced)   /* of these names, given up to make room for others */    \
	X(flights_queued)      /* questions that waited until others were answered */    \
	X(waiters_full)        /* refused: max_waiters waited for that name */           \
	X(fast_failures)       /* not waited for: others had waited in vain */           \
	X(map_hits)                                                                      \
	X(map_broken) /* map entries that couldn't be read */                            \
	X(map_loads)                                                                     \
	X(map_load_failures) /* replaced maps that weren't taken */                      \
	X(mx_routes)         /* map entries found by the domain's MX */                  \
	X(cache_hits)                                                                    \
	X(cache_misses)                                                                  \
	X(cache_evictions)     /* entries that made room */                              \
	X(prefetches)          /* renewed before they expired */                         \
	X(stale_answers)       /* expired records that were used */                      \
	X(failures_remembered) /* not asked again so soon */                             \
	X(insecure_refused)    /* routes without the DNSSEC that they need */            \
	X(protected_refused)   /* routes that would bypass MTA-STS or DANE */            \
	X(pins_new)            /* routes pinned at their first use */                    \
	X(pins_full)           /* not pinned: max_pins were there */                     \
	X(pins_dropped)        /* unused for long, and made room */                      \
	X(pins_changed)        /* changes of pinned routes that were noticed */          \
	X(pins_held)           /* lookups that used the pinned route instead */          \
	X(pins_renewed)        /* changes that count now */                              \
	X(state_failures)      /* files of the state that couldn't be written */         \
	X(dns_queries)                                                                   \
	X(dns_failures)                                                                  \
	X(dns_down)            /* resolvers that stopped answering */                    \
	X(dns_down_answers)    /* not asked: no resolver answers */                      \
	X(bare_negatives)      /* negative answers without an SOA record */              \
	X(dns_tcp_queries)     /* answers too long for UDP, or malformed, asked again */ \
	X(dns_tcp_full)        /* too many connections by TCP: one made room, or none */ \
	X(srv_targets_dropped) /* not a valid onion name, or port 0 */                   \
	X(srv_records_over)    /* beyond the 16 that are kept */                         \
	X(tor_queries)                                                                   \
	X(tor_failures)                                                                  \
	X(tor_down)              /* tor stopped answering */                             \
	X(tor_down_answers)      /* not asked: tor doesn't answer */                     \
	X(tor_full)              /* not asked: max_tor_names were asked for */           \
	X(tor_asked_again)       /* addresses from before a possible restart of tor */   \
	X(bridge_clients)        /* connections to the bridge */                         \
	X(bridge_refused)        /* no place for that user, or no file descriptor */     \
	X(bridge_denied)         /* of another user than bridge_users */                 \
	X(bridge_connected)      /* carried to an onion service */                       \
	X(bridge_targets_failed) /* targets that didn't answer */                        \
	X(bridge_unreachable)    /* clients for whom no target answered */               \
	X(bridge_timeouts)       /* connections that took too long, or were idle */      \
	X(bridge_sessions_cut)   /* that took longer than bridge_session_ms */           \
	X(bridge_abandoned)      /* that the client had closed, while more could come */ \
	X(bridge_addresses)      /* given out since the start */                         \
	X(bridge_failures)       /* lookups for which there was no address */            \
	X(bridge_full)           /* of these, those whose share of addresses was full */ \
	X(socks_down)            /* tors that stopped answering */                       \
	X(socks_down_answers)    /* clients for whom no tor answered */                  \
	X(clients)               /* connections accepted */                              \
	X(clients_refused)       /* no place for that user, and nobody idle */           \
	X(clients_evicted)       /* idle, and made room for others */                    \
	X(clients_timed_out)     /* too slow in asking, reading or closing */            \
	X(accepts_paused)        /* no client could be accepted */                       \
	X(requests_unknown)                                                              \
	X(requests_malformed)                                                            \
	X(pipeline_full)    /* a client stopped until its answers were ready */          \
	X(output_full)      /* a client stopped until it read its answers */             \
	X(targets_left_out) /* routes too long for a reply */

struct counters {
#define COUNTER_FIELD(name) uint64_t name;
	COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};

#endif
