/* The result of each lookup, in the log at level debug. */
#ifndef LOOKUP_LOG_H
#define LOOKUP_LOG_H

#include "core/answer.h"
#include "core/domain.h"

/* Logs "example.org: route NAME.onion:25 (10.192.0.5), ...", "example.org: none" or
 * "example.org: temporary: REASON". */
void lookup_log(const struct domain *domain, const struct answer *answer);

#endif
