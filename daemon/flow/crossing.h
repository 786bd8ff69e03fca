/* The bridge's address for a route, which is answered once it is on the disk: one that
 * was forgotten by a restart could be given to another route. */
#ifndef FLOW_CROSSING_H
#define FLOW_CROSSING_H

#include "flow/lookup.h"

/* An answer that waits for the disk, and all of an engine that do. */
struct crossing;
struct crossings;

/* NULL: out of memory. */
struct crossings *crossings_new(void);

/* None may wait. NULL is fine. */
void crossings_free(struct crossings *all);

/* What the bridge has up to this number is on the disk, or (good is false) can't be
 * written now: those that wait for it end. */
void crossings_kept(struct crossings *all, uint64_t upto, bool good, struct monotime now);

/* Puts the bridge's address in place of the route's targets, or a reason. True: the
 * answer is to wait for *wait. */
bool crossing_needed(const struct engine_ports *ports, const struct domain *domain,
	const struct policy *policy, struct answer *answer, struct bridge_wait *wait);

/* The answer is valid during the call only, its names included. The operation has ended.
 */
typedef void crossing_done(void *arg, struct answer *answer, struct monotime now);

/* Waits; the route, with the bridge's address as its only target, is copied. done runs
 * once, never before this has returned. NULL: out of memory. */
struct crossing *crossing_start(struct crossings *all, const struct target_set *route,
	const struct bridge_wait *wait, crossing_done *done, void *arg);

/* done won't run. */
void crossing_cancel(struct crossing *crossing);

/* Ends it now: there is no time to wait, for this reason. */
void crossing_end(struct crossing *crossing, enum reason reason, struct monotime now);

/* What the answer becomes, which is the bridge's address, if it can't wait for this
 * reason. */
void crossing_give_up(
	const struct bridge_wait *wait, enum reason reason, struct answer *answer);

#endif
