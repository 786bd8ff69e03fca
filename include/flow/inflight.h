/* Queries in flight. Whoever asks for what is already being asked for waits for the same
 * answer. */
#ifndef FLOW_INFLIGHT_H
#define FLOW_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "core/domain.h"
#include "core/shares.h"
#include "flow/engine.h"

struct inflight_query;
struct inflight;

/* Waits for one answer; belongs to the caller, and must stay where it is while it
 * waits. answered runs once, when the waiter has left the query. */
struct inflight_waiter {
	LIST_ENTRY(inflight_waiter) entry;
	struct inflight_query *query; /* NULL: isn't waiting */
	dns_done *answered;
	void *arg;
};

#define INFLIGHT_NAME_MAX DOMAIN_MAX

struct inflight_config {
	/* With the limits max_queries (the queue included) and max_waiters (of one
	 * query), the counters and the alarm. Both must outlive the table. */
	const struct engine_config *engine;
	const struct engine_ports *ports;

	struct upstream *upstream;
	size_t outstanding; /* at most this many are sent; the others wait their turn */
	size_t burst;       /* of these, sent in the last INFLIGHT_RECENT_MS */
	size_t refill;      /* no more may be left of these when others are sent */
	bool drops_queued;  /* what nobody waits for any more isn't sent */

	/* Writes the name that DNS is asked for; it fits. NULL: the subject itself. */
	void (*dns_name)(void *arg, enum dns_type type, const char *subject,
		char out[INFLIGHT_NAME_MAX + 1]);

	/* Sees each answer once, before the waiters do, and even if they have all gone.
	 */
	void (*answered)(void *arg, enum dns_type type, const char *subject,
		const struct dns_answer *answer, struct monotime now);
	void *arg;
};

/* A query that a server's receive buffer can't hold is lost, and missed only when its
 * time is up. So there is a limit to a burst. A server that works has answered most of it
 * before this has passed; names whose answers take longer don't hold up the others. */
#define INFLIGHT_RECENT_MS 20

/* NULL: out of memory. The configuration is copied. */
struct inflight *inflight_new(const struct inflight_config *config);

/* Ends all questions; waiters are forgotten, not called. */
void inflight_free(struct inflight *inflight);

struct inflight_joined {
	bool asked;            /* nobody had asked the question yet */
	struct monotime since; /* when somebody did */
};

/* A record type and its subject, a domain; and whose the question is. */
struct inflight_question {
	enum dns_type type;
	const char *subject;
	struct share_keys keys;
	bool cache_only; /* of a lookup that only fills the cache: at most a quarter of
			    max_queries are such */
};

/* REASON_NONE: the waiter waits. Without one (NULL) the question is asked for its own
 * sake. REASON_BUSY: a limit is reached, which is counted for a waiter; REASON_NOMEM: out
 * of memory. Another question may make room: inflight_expire(), due then, tells its
 * waiters. */
enum reason inflight_join(struct inflight *inflight,
	const struct inflight_question *question, struct monotime now,
	struct inflight_waiter *waiter, struct inflight_joined *joined);

/* Legal in any state. The question itself goes on; see drops_queued. */
void inflight_leave(struct inflight_waiter *waiter);

/* Asks what has waited its turn, and ends what has made room (REASON_BUSY). When that is
 * to be called next; false: no need. */
void inflight_expire(struct inflight *inflight, struct monotime now);
bool inflight_next_deadline(const struct inflight *inflight, struct monotime *when);

#endif
