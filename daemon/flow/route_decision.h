/* Where a domain's mail goes, from what is known now: the map, then SRV, then the MX. */
#ifndef FLOW_ROUTE_DECISION_H
#define FLOW_ROUTE_DECISION_H

#include "inquiry.h"

/* False: it takes answers for the names in env->needed. It is always decided once it
 * gives up. May be called again when more is known. */
bool route_decision_make(struct inquiry *q);

/* The decision stands: does all that was noted while it was made. To be called once,
 * right after route_decision_make(). */
void route_decision_apply(struct inquiry *q);

#endif
