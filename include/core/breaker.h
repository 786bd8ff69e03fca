/* A circuit breaker: a server that has left several questions in a row unanswered isn't
 * asked any more, but probed, until it answers again. An answer that says "failure" is an
 * answer. */
#ifndef CORE_BREAKER_H
#define CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/monotime.h"

#define BREAKER_FAILURES 5       /* in a row, to open it */
#define BREAKER_PAUSE_MIN_MS 500 /* before the first probe; doubled with each */
#define BREAKER_PAUSE_MAX_MS 5000

/* All zeros is a closed one. */
struct breaker {
	unsigned failures; /* in a row */
	bool open;
	int64_t pause_ms;
	struct monotime probe; /* when to probe next; only while it is open */
};

/* It has answered. */
void breaker_success(struct breaker *);

/* It hasn't. Returns true if that has opened the breaker. */
bool breaker_failure(struct breaker *, struct monotime now);

#endif
