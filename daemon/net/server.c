#include "net/server.h"

#include <stdlib.h>

#include "net/log.h"
#include "server_inside.h"

/* Clients' clocks */

static void
arm_timer(struct server *s)
{
	struct clock *first = TAILQ_FIRST(&s->running);

	if (first != NULL)
		watch_insist(&s->timer, monotime_diff_ms(first->ends, loop_now()));
}

/* It runs once per timeout at most, not once per client: clocks come and go from the
 * list without touching it. */
static void
timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	struct monotime now = loop_now();
	struct clock *first;

	(void)fd;
	(void)what;
	while ((first = TAILQ_FIRST(&s->running)) != NULL &&
		monotime_reached(first->ends, now))
		session_timed_out(first->session);
	arm_timer(s);
}

static void
pump_fired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sessions_pump(arg);
}

static void
turn_fired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sessions_take_turns(arg);
}

/* Deadlines of lookups */

static void
deadline_fired(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;

	(void)fd;
	(void)what;
	engine_expire(s->config.engine, loop_now());
	server_deadline_changed(s);
}

void
server_deadline_changed(struct server *s)
{
	struct monotime at;

	if (!engine_next_deadline(s->config.engine, &at))
		return;
	/* A timer that fires too early looks again; one that is late isn't allowed. */
	if (watch_is_on(&s->deadline) && !monotime_before(at, s->deadline_at))
		return;
	watch_insist(&s->deadline, monotime_diff_ms(at, loop_now()));
	s->deadline_at = at;
}

struct server *
server_new(const struct server_config *config)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		log_error("server");
		return NULL;
	}
	s->config = *config;
	TAILQ_INIT(&s->all);
	LIST_INIT(&s->listeners);
	TAILQ_INIT(&s->running);
	TAILQ_INIT(&s->answered);
	TAILQ_INIT(&s->waiting);
	watch_init_timer(&s->pump, config->loop, pump_fired, s);
	watch_init_timer(&s->turn, config->loop, turn_fired, s);
	watch_init_timer(&s->timer, config->loop, timer_fired, s);
	watch_init_timer(&s->deadline, config->loop, deadline_fired, s);
	return s;
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	s->draining = false;
	while (!TAILQ_EMPTY(&s->all))
		session_free(TAILQ_FIRST(&s->all));
	watch_stop(&s->timer);
	watch_stop(&s->pump);
	watch_stop(&s->turn);
	watch_stop(&s->deadline);
	free(s);
}

size_t
server_clients(const struct server *s)
{
	return s->count;
}

void
server_drain(struct server *s, void (*drained)(void *arg), void *arg)
{
	struct session *session, *next;

	/* Set last, so that drained can't run before this returns. */
	for (session = TAILQ_FIRST(&s->all); session != NULL; session = next) {
		next = session_next(session);
		session_drain(session);
	}
	if (s->count == 0) {
		drained(arg);
		return;
	}
	s->draining = true;
	s->drained = drained;
	s->drained_arg = arg;
}
