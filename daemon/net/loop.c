#include <stdlib.h>
#include <time.h>

#include "net/log.h"
#include "watch.h"

#define SIGNALS_MAX 8

struct watched_signal {
	struct watch watch;
	void (*handler)(void *arg);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct watches watches;
	struct watched_signal signal[SIGNALS_MAX];
	size_t nsignals;
};

static void
log_libevent(int severity, const char *message)
{
	if (severity >= EVENT_LOG_WARN)
		log_warnx("libevent: %s", message);
}

/* The environment is none of its business: it could choose poll(2), or a list of changes,
 * by which events fail later than they are added. NULL on failure. */
static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	if (event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/* Its timers are off by a few milliseconds, both ways. Precise ones would cost another
 * system call for each time round the loop. */
struct loop *
loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	event_set_log_callback(log_libevent);
	if (loop != NULL && (loop->base = new_base()) != NULL) {
		if (watches_open(&loop->watches, loop->base))
			return loop;
		event_base_free(loop->base);
	}
	log_errorx("can't make an event loop");
	free(loop);
	return NULL;
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	for (size_t i = 0; i < loop->nsignals; i++)
		watch_stop(&loop->signal[i].watch);
	watches_close(&loop->watches);
	event_base_free(loop->base);
	free(loop);
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

struct watches *
loop_watches(struct loop *loop)
{
	return &loop->watches;
}

void
loop_run(struct loop *loop)
{
	event_base_dispatch(loop->base);
}

void
loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

static void
got_signal(evutil_socket_t signo, short what, void *arg)
{
	struct watched_signal *w = arg;

	(void)signo;
	(void)what;
	w->handler(w->arg);
}

bool
loop_on_signal(struct loop *loop, int signo, void (*handler)(void *arg), void *arg)
{
	struct watched_signal *w = &loop->signal[loop->nsignals];

	if (loop->nsignals == SIGNALS_MAX)
		return false;
	w->handler = handler;
	w->arg = arg;
	watch_init(&w->watch, loop, signo, EV_SIGNAL | EV_PERSIST, got_signal, w);
	if (!watch_start(&w->watch, WATCH_NO_LIMIT))
		return false;
	loop->nsignals++;
	return true;
}

struct monotime
loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct monotime){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}
