/* The bridge's address for a route, which is answered once it is on the disk: one that
 * was forgotten by a restart could be given to another route. */
#ifndef FLOW_CROSSING_H
#define FLOW_CROSSING_H

#include <sys/queue.h>

#include "flow/lookup.h"

/* An answer that waits for the disk; and all that do, the first to end first. */
struct crossing;
TAILQ_HEAD(crossings, crossing);

/* Puts the bridge's address in place of the route's targets, or a reason. True: the
 * answer is to wait for *wait. */
bool crossing_needed(const struct engine_ports *ports, const struct domain *domain,
	const struct map_options *options, struct answer *answer,
	struct bridge_wait *wait);

/* The answer has the bridge's address and can't wait, for this reason: unless the address
 * was known before, it becomes a temporary failure. */
void crossing_give_up(
	const struct bridge_wait *wait, enum reason reason, struct answer *answer);

/* The answer is valid during the call only, its names included. The operation has ended.
 */
typedef void crossing_done(void *arg, struct answer *answer, struct monotime now);

/* Waits; the route, with the bridge's address as its only target, is copied. done runs
 * once, never before this has returned. NULL: out of memory. */
struct crossing *crossing_start(struct crossings *all, const struct target_set *route,
	const struct bridge_wait *wait, crossing_done *done, void *arg);

/* done won't run. */
void crossing_cancel(struct crossing *crossing);

/* Ends it: there is no time to wait, for this reason; REASON_NONE: it is on the disk. */
void crossing_end(struct crossing *crossing, enum reason reason, struct monotime now);

/* Ends those that wait for a number up to this one. */
void crossings_end(
	struct crossings *all, uint64_t upto, enum reason reason, struct monotime now);

#endif
