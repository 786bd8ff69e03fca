#include "net/signals.h"

#include <stdlib.h>

#include "net/log.h"
#include "watch.h"

struct handled_signal {
	struct watch watch;
	void (*handler)(void *arg);
	void *arg;
};

struct signals {
	struct loop *loop;
	struct handled_signal handled[SIGNALS_MAX];
	size_t n;
};

static void
got_signal(evutil_socket_t number, short what, void *arg)
{
	struct handled_signal *h = arg;

	(void)number;
	(void)what;
	h->handler(h->arg);
}

struct signals *
signals_new(struct loop *loop)
{
	struct signals *s = calloc(1, sizeof(*s));

	if (s == NULL)
		log_error("signals");
	else
		s->loop = loop;
	return s;
}

bool
signals_handle(struct signals *s, int number, void (*handler)(void *arg), void *arg)
{
	struct handled_signal *h = &s->handled[s->n];

	if (s->n == SIGNALS_MAX)
		return false;
	h->handler = handler;
	h->arg = arg;
	watch_init(&h->watch, s->loop, number, EV_SIGNAL | EV_PERSIST, got_signal, h);
	if (!watch_start(&h->watch, WATCH_NO_LIMIT))
		return false;
	s->n++;
	return true;
}

void
signals_free(struct signals *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		watch_stop(&s->handled[i].watch);
	free(s);
}
