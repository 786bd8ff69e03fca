/* A circuit breaker. A server that has left several questions in a row unanswered is
 * probed; it goes on being asked until a probe has failed, too, since the silence may
 * have been about the names. Then it is only probed, until it answers again. An answer
 * that says "failure" is an answer. */
#ifndef CORE_BREAKER_H
#define CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/monotime.h"

#define BREAKER_FAILURES 5       /* in a row, before the first probe */
#define BREAKER_PAUSE_MIN_MS 500 /* before the second probe; doubled with each */
#define BREAKER_PAUSE_MAX_MS 5000

/* All zeros is a closed one. */
struct breaker {
	unsigned failures; /* in a row */
	bool probing;
	bool open; /* don't ask; only while probing */
	int64_t pause_ms;
	struct monotime probe; /* when to probe next; only while probing */
};

/* The server has answered. Returns true if that has closed an open breaker. */
bool breaker_success(struct breaker *breaker);

/* It has left a question unanswered. Returns true if probing begins, at once. */
bool breaker_failure(struct breaker *breaker, struct monotime now);

/* It has left a probe unanswered. Returns true if that has opened the breaker. */
bool breaker_probe_failed(struct breaker *breaker, struct monotime now);

#endif
