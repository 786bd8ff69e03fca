/* Questions under way. Whoever asks for what is already being asked for waits for the
 * same answer. */
#ifndef FLOW_FLIGHT_H
#define FLOW_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "core/domain.h"
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
	size_t max;         /* questions at once, those in the queue included */
	size_t max_waiters; /* for one of them */
	size_t outstanding; /* of them, asked; the others wait their turn */

	/* Writes the name that DNS is asked for; it fits. NULL: the subject itself. */
	void (*dns_name)(void *arg, enum dns_type, const char *subject,
		char out[FLIGHT_NAME_MAX + 1]);

	/* Sees each answer once, before the waiters do, and even if they have all gone.
	 * May be NULL. */
	void (*landed)(void *arg, enum dns_type, const char *subject,
		const struct dns_answer *, struct monotime now);
	void *arg;
};

enum flight_status {
	FLIGHT_JOINED,
	FLIGHT_FULL,         /* max questions are under way */
	FLIGHT_WAITERS_FULL, /* max_waiters wait for this one */
	FLIGHT_NOMEM,
};

/* NULL: out of memory. The configuration is copied. */
struct flights *flights_new(const struct flights_config *);

/* Ends all questions; waiters are forgotten, not called. */
void flights_free(struct flights *);

struct flight_joined {
	bool asked;            /* this has started the question */
	struct monotime since; /* when it was started */
};

/* A question is a record type and its subject, a domain. On FLIGHT_JOINED the waiter
 * waits. Without one (NULL) the question is asked for its own sake. */
enum flight_status flights_join(struct flights *, enum dns_type, const char *subject,
	struct monotime now, struct flight_waiter *, struct flight_joined *);

/* Legal in any state. The question itself goes on, unless it is still in the queue. */
void flights_leave(struct flight_waiter *);

size_t flights_count(const struct flights *);

#endif
