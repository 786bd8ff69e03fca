/* Would a route from DNS lower the security of the domain's mail? */
#ifndef FLOW_DOWNGRADE_H
#define FLOW_DOWNGRADE_H

#include "inquiry.h"

enum downgrade {
	DOWNGRADE_NO,
	DOWNGRADE_REFUSED, /* the route isn't used: the answer is set */
	DOWNGRADE_UNKNOWN, /* a name is needed to tell */
};

/* Compares a route, which isn't validated by DNSSEC, with what the mail server would see
 * to on clearnet: MTA-STS (RFC 8461), DANE (RFC 7672). */
enum downgrade downgrade_check(struct inquiry *q);

/* Is this fact as secure as the domain's options want it? */
bool downgrade_is_secure(const struct inquiry *q, const struct dns_fact *fact);

/* Ends the decision, for a fact that isn't, as on_insecure says. */
void downgrade_refuse(struct inquiry *q);

#endif
