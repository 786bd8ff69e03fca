/* Routes from DNS compared with what is pinned (core/pins.h). */
#ifndef FLOW_PINNING_H
#define FLOW_PINNING_H

#include "inquiry.h"

/* Compares the SRV fact from DNS with the domain's pin. The fact becomes that of the pin
 * if it differs and the change doesn't count yet. Returns whether the route is pinned. */
bool pinning_compare(struct inquiry *q, struct dns_fact *srv);

/* The route is used, and isn't pinned yet: it will be once the decision stands. */
void pinning_first_use(struct inquiry *q, const struct dns_fact *srv);

/* The decision stands: writes down what was found above. */
void pinning_apply(struct inquiry *q);

#endif
