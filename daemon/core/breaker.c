#include "core/breaker.h"

void
breaker_success(struct breaker *b)
{
	*b = (struct breaker){0};
}

bool
breaker_failure(struct breaker *b, struct monotime now)
{
	bool opens = !b->open && ++b->failures >= BREAKER_FAILURES;

	if (opens) {
		b->open = true;
		b->pause_ms = BREAKER_PAUSE_MIN_MS;
		b->probe = monotime_add_ms(now, b->pause_ms);
	} else if (b->open && monotime_reached(b->probe, now)) {
		/* The probe's own failure. Those of questions that were under way when it
		 * opened change nothing. */
		b->pause_ms *= 2;
		if (b->pause_ms > BREAKER_PAUSE_MAX_MS)
			b->pause_ms = BREAKER_PAUSE_MAX_MS;
		b->probe = monotime_add_ms(now, b->pause_ms);
	}
	return opens;
}
