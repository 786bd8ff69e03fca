/* At the debug level: each lookup and how it ended. */
#ifndef TRACE_H
#define TRACE_H

#include "core/answer.h"
#include "core/domain.h"

/* "example.org: route NAME.onion:25 (10.192.0.5), ...", or "none", "temporary: ..." */
void trace_lookup(const struct domain *, const struct answer *);

#endif
