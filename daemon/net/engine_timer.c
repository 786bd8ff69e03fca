#include "net/engine_timer.h"

#include <stdlib.h>

#include "net/log.h"
#include "watch.h"

struct engine_timer {
	struct engine *engine;
	struct watch watch;
	struct monotime at; /* while the watch is on */
};

static void
fired(evutil_socket_t fd, short what, void *arg)
{
	struct engine_timer *t = arg;

	(void)fd;
	(void)what;
	engine_expire(t->engine, loop_now());
	engine_timer_update(t);
}

void
engine_timer_update(struct engine_timer *t)
{
	struct monotime at;

	if (!engine_next_deadline(t->engine, &at))
		return;
	/* A timer that fires too early looks again; one that is late isn't allowed. */
	if (watch_is_on(&t->watch) && !monotime_before(at, t->at))
		return;
	watch_insist(&t->watch, monotime_diff_ms(at, loop_now()));
	t->at = at;
}

struct engine_timer *
engine_timer_new(struct loop *loop, struct engine *engine)
{
	struct engine_timer *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		log_error("engine timer");
		return NULL;
	}
	t->engine = engine;
	watch_init_timer(&t->watch, loop, fired, t);
	return t;
}

void
engine_timer_free(struct engine_timer *t)
{
	if (t == NULL)
		return;
	watch_stop(&t->watch);
	free(t);
}
