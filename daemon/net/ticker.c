#include "ticker.h"

/* The next time is set first: fn may stop it, and free it. */
static void
tick(evutil_socket_t fd, short what, void *arg)
{
	struct ticker *t = arg;

	(void)fd;
	(void)what;
	watch_insist(&t->watch, t->every_ms);
	t->fn(t->arg);
}

void
ticker_start(struct ticker *t, struct loop *loop, int64_t every_ms, void (*fn)(void *arg),
	void *arg)
{
	*t = (struct ticker){.every_ms = every_ms, .fn = fn, .arg = arg};
	watch_init_timer(&t->watch, loop, tick, t);
	watch_insist(&t->watch, every_ms);
}

void
ticker_stop(struct ticker *t)
{
	watch_stop(&t->watch);
}
