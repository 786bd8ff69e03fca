/* Questions under way. Whoever asks for what is already being asked for waits for the
 * same answer. */
#ifndef FLOW_FLIGHT_H
#define FLOW_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "core/domain.h"
#include "core/shares.h"
#include "flow/upstream.h"

struct flight;
struct flights;

/* Waits for one answer; belongs to the caller, and must stay where it is while it
 * waits. answered runs once, when the waiter has left the flight. */
struct flight_waiter {
	LIST_ENTRY(flight_waiter) entry;
	struct flight *flight; /* NULL: isn't waiting */
	dns_done *answered;
	void *arg;
};

#define FLIGHT_NAME_MAX DOMAIN_MAX

struct flights_config {
	struct upstream *upstream;
	size_t max; /* questions at once, those in the queue included; at least 1 */
	size_t max_waiters;  /* for one of them */
	size_t outstanding;  /* of them, asked; the others wait their turn */
	size_t burst;        /* of these, asked in the last FLIGHT_YOUNG_MS */
	size_t refill;       /* no more may be left of these when others are asked */
	bool drops_queued;   /* what nobody waits for any more isn't asked */
	uint64_t *queued;    /* counts those that had to wait their turn */
	uint64_t *displaced; /* counts those that made room (core/shares.h) */

	/* Count the waiters that were refused: max questions are under way, and none
	 * makes room; or max_waiters wait for this one. */
	uint64_t *full, *waiters_full;

	/* Writes the name that DNS is asked for; it fits. NULL: the subject itself. */
	void (*dns_name)(void *arg, enum dns_type, const char *subject,
		char out[FLIGHT_NAME_MAX + 1]);

	/* Sees each answer once, before the waiters do, and even if they have all gone.
	 * May be NULL. */
	void (*landed)(void *arg, enum dns_type, const char *subject,
		const struct dns_answer *, struct monotime now);
	void *arg;

	/* flights_next_deadline() may have come nearer. May be NULL. */
	void (*alarm)(void *arg);
	void *alarm_arg;
};

/* What a server's receive buffer can't hold is lost, and missed only when its time is up.
 * So there is a limit to a burst. A server that works has answered most of it before this
 * has passed; names whose answers take longer don't hold up the others. */
#define FLIGHT_YOUNG_MS 20

/* NULL: out of memory. The configuration is copied. */
struct flights *flights_new(const struct flights_config *);

/* Ends all questions; waiters are forgotten, not called. */
void flights_free(struct flights *);

struct flight_joined {
	bool asked;            /* nobody had asked the question yet */
	struct monotime since; /* when somebody did */
};

/* A record type and its subject, a domain; and whose the question is. */
struct flight_question {
	enum dns_type type;
	const char *subject;
	struct share_keys keys;
};

/* REASON_NONE: the waiter waits. Without one (NULL) the question is asked for its own
 * sake. REASON_BUSY: a limit is reached; REASON_NOMEM: out of memory. Another question
 * may make room: flights_expire(), due then, tells its waiters. */
enum reason flights_join(struct flights *, const struct flight_question *,
	struct monotime now, struct flight_waiter *, struct flight_joined *);

/* Legal in any state. The question itself goes on; see drops_queued. */
void flights_leave(struct flight_waiter *);

/* Asks what has waited its turn, and ends what has made room (REASON_BUSY). When that is
 * to be called next; false: no need. */
void flights_expire(struct flights *, struct monotime now);
bool flights_next_deadline(const struct flights *, struct monotime *when);

size_t flights_count(const struct flights *);

#endif
