/* Records of a name in DNS, as far as they are known: from an answer to this very lookup,
 * or from the cache. */
#ifndef FLOW_DNS_NAMES_H
#define FLOW_DNS_NAMES_H

#include "inquiry.h"

enum dns_names_result {
	NAME_RESOLVED,
	NAME_FAILED, /* for now; the fact has the reason */
	NAME_NEEDED, /* DNS has to be asked: it was added to env->needed */
};

/* Sets *fact, whose names are valid as long as the cache's, unless the name is needed. */
enum dns_names_result dns_names_get(struct inquiry *q, enum dns_type type,
	const struct domain *subject, struct dns_fact *fact);

/* Writes the name that DNS is asked for: the subject, behind the prefix of the type.
 * False: it would be too long. */
bool dns_names_query(const struct engine_config *config, enum dns_type type,
	const char *subject, char out[INFLIGHT_NAME_MAX + 1]);

/* The decision stands: asks again for what it used and what will soon expire, which may
 * change the cache. */
void dns_names_renew(struct inquiry *q);

#endif
