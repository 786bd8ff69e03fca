#include "watch.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "net/log.h"

/* Trying again */

static void
arm(const struct watches *all, bool on)
{
	const long ns = on ? WATCH_RETRY_MS * 1000000L : 0;
	const struct itimerspec every = {
		.it_value = {.tv_nsec = ns}, .it_interval = {.tv_nsec = ns}};

	timerfd_settime(all->timer, 0, &every, NULL);
}

static bool
add(struct watch *w, int64_t limit_ms)
{
	const struct timeval limit = timeval_ms(limit_ms);

	return event_add(&w->event, limit_ms == WATCH_NO_LIMIT ? NULL : &limit) == 0;
}

static void
leave_failed(struct watch *w)
{
	if (!w->waits)
		return;
	LIST_REMOVE(w, entry);
	w->waits = false;
}

/* A time that is over needs no memory to be told of. */
static void
try_again(struct watch *w)
{
	const int64_t left =
		w->at.ns == 0 ? WATCH_NO_LIMIT : monotime_diff_ms(w->at, loop_now());

	if (left <= 0)
		watch_fire(w);
	if (left <= 0 || add(w, left))
		leave_failed(w);
}

/* No code of others runs here, so the list changes by this alone. */
static void
retry(evutil_socket_t fd, short what, void *arg)
{
	struct watches *all = arg;
	struct watch *w, *next;
	uint64_t times;

	(void)what;
	(void)!read(fd, &times, sizeof(times));
	for (w = LIST_FIRST(&all->failed); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		try_again(w);
	}
	if (LIST_EMPTY(&all->failed))
		arm(all, false);
}

bool
watches_open(struct watches *all, struct event_base *base)
{
	LIST_INIT(&all->failed);
	all->base = base;
	all->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (all->timer < 0)
		return false;
	event_assign(&all->retry, base, all->timer, EV_READ | EV_PERSIST, retry, all);
	if (event_add(&all->retry, NULL) == 0)
		return true;
	close(all->timer);
	return false;
}

void
watches_close(struct watches *all)
{
	event_del(&all->retry);
	close(all->timer);
}

/* One watch */

void
watch_init(struct watch *w, struct loop *loop, int fd, short what, event_callback_fn fn,
	void *arg)
{
	*w = (struct watch){.all = loop_watches(loop)};
	event_assign(&w->event, w->all->base, fd, what, fn, arg);
}

void
watch_init_timer(struct watch *w, struct loop *loop, event_callback_fn fn, void *arg)
{
	watch_init(w, loop, -1, 0, fn, arg);
}

bool
watch_start(struct watch *w, int64_t limit_ms)
{
	leave_failed(w);
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
	if (LIST_EMPTY(&w->all->failed))
		arm(w->all, true);
	LIST_INSERT_HEAD(&w->all->failed, w, entry);
	w->waits = true;
	w->at.ns = 0;
	if (limit_ms != WATCH_NO_LIMIT)
		w->at = monotime_add_ms(loop_now(), limit_ms);
}

void
watch_fire(struct watch *w)
{
	event_active(&w->event, EV_TIMEOUT, 0);
}

bool
watch_is_on(const struct watch *w)
{
	return w->waits ||
	       event_pending(&w->event, EV_READ | EV_WRITE | EV_TIMEOUT, NULL) != 0;
}

void
watch_stop(struct watch *w)
{
	if (w->all == NULL)
		return;
	leave_failed(w);
	event_del(&w->event);
}

/* Tickers */

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
