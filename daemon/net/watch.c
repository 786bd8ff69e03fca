#include "watch.h"

#include <stddef.h>

static bool
add(struct watch *w, int64_t limit_ms)
{
	const struct timeval limit = timeval_ms(limit_ms);

	return event_add(&w->event, limit_ms == WATCH_NO_LIMIT ? NULL : &limit) == 0;
}

/* A time that is over needs no memory to be told of. */
static bool
add_again(struct retry *retry)
{
	struct watch *w = (struct watch *)((char *)retry - offsetof(struct watch, retry));
	const int64_t left =
		w->at.ns == 0 ? WATCH_NO_LIMIT : monotime_diff_ms(w->at, loop_now());

	if (left > 0)
		return add(w, left);
	watch_fire(w);
	return true;
}

void
watch_init(struct watch *w, struct loop *loop, int fd, short what, event_callback_fn fn,
	void *arg)
{
	*w = (struct watch){.retries = loop_retries(loop)};
	event_assign(&w->event, loop_base(loop), fd, what, fn, arg);
}

void
watch_init_timer(struct watch *w, struct loop *loop, event_callback_fn fn, void *arg)
{
	watch_init(w, loop, -1, 0, fn, arg);
}

bool
watch_start(struct watch *w, int64_t limit_ms)
{
	retry_remove(&w->retry);
	if (add(w, limit_ms))
		return true;
	event_del(&w->event);
	return false;
}

void
watch_insist(struct watch *w, int64_t limit_ms)
{
	if (watch_start(w, limit_ms))
		return;
	w->at.ns = 0;
	if (limit_ms != WATCH_NO_LIMIT)
		w->at = monotime_add_ms(loop_now(), limit_ms);
	retry_add(w->retries, &w->retry, add_again);
}

void
watch_fire(struct watch *w)
{
	event_active(&w->event, EV_TIMEOUT, 0);
}

bool
watch_is_on(const struct watch *w)
{
	return w->retry.waits ||
	       event_pending(&w->event, EV_READ | EV_WRITE | EV_TIMEOUT, NULL) != 0;
}

void
watch_stop(struct watch *w)
{
	if (w->retries == NULL)
		return;
	retry_remove(&w->retry);
	event_del(&w->event);
}
