#include "core/breaker.h"

bool
breaker_success(struct breaker *b)
{
	bool was_open = b->open;

	*b = (struct breaker){0};
	return was_open;
}

bool
breaker_failure(struct breaker *b, struct monotime now)
{
	if (b->probing || ++b->failures < BREAKER_FAILURES)
		return false;
	b->probing = true;
	b->pause_ms = BREAKER_PAUSE_MIN_MS;
	b->probe = now;
	return true;
}

bool
breaker_probe_failed(struct breaker *b, struct monotime now)
{
	bool opens = !b->open;

	b->open = true;
	b->probe = monotime_add_ms(now, b->pause_ms);
	b->pause_ms *= 2;
	if (b->pause_ms > BREAKER_PAUSE_MAX_MS)
		b->pause_ms = BREAKER_PAUSE_MAX_MS;
	return opens;
}
