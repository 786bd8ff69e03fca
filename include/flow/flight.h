/* Questions under way. Whoever asks for a name that is already being asked for waits
 * for the same answer. */
#ifndef FLOW_FLIGHT_H
#define FLOW_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "flow/sources.h"

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

struct flights_config {
	struct dns_source *source;
	size_t max;         /* names at once, those in the queue included */
	size_t outstanding; /* of them, asked for; the others wait their turn */

	/* Sees each answer once, before the waiters do, and even if they have all gone.
	 * May be NULL. */
	void (*landed)(void *arg, const char *name, const struct dns_answer *,
		struct monotime now);
	void *arg;
};

enum flight_status {
	FLIGHT_JOINED,
	FLIGHT_FULL,
	FLIGHT_NOMEM,
};

/* NULL: out of memory. The configuration is copied. */
struct flights *flights_new(const struct flights_config *);

/* Ends all questions; waiters are forgotten, not called. */
void flights_free(struct flights *);

/* On FLIGHT_JOINED the waiter waits. *asked tells if this asks the source anew. */
enum flight_status flights_join(
	struct flights *, const char *name, struct flight_waiter *, bool *asked);

/* Legal in any state. The question itself goes on, unless it is still in the queue. */
void flights_leave(struct flight_waiter *);

size_t flights_count(const struct flights *);

#endif
