/* The same as bare.c, as one would write it with libevent's bufferevents. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <string.h>

#include "net.h"

static struct {
	const char *answer;
	size_t questionlen, answerlen;
	bool one_shot;
} options;

static void
can_read(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);

	(void)arg;
	while (evbuffer_get_length(in) >= options.questionlen) {
		evbuffer_drain(in, options.questionlen);
		bufferevent_write(bev, options.answer, options.answerlen);
	}
}

static void
all_sent(struct bufferevent *bev, void *arg)
{
	(void)arg;
	if (options.one_shot)
		bufferevent_free(bev);
}

static void
ended(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	/* A client that asks once has said all, but not heard it. */
	if (what & BEV_EVENT_ERROR || !options.one_shot)
		bufferevent_free(bev);
}

static void
can_accept(evutil_socket_t listening, short what, void *arg)
{
	struct bufferevent *bev;
	int fd;

	(void)what;
	while ((fd = net_accept(listening)) >= 0) {
		bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
		if (bev == NULL)
			errx(1, "client");
		bufferevent_setcb(bev, can_read, all_sent, ended, NULL);
		bufferevent_enable(bev, EV_READ);
	}
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	int listening;

	if (argc < 4)
		errx(1, "usage: buffered ADDRESS LENGTH ANSWER [once]");
	options.questionlen = number(argv[2]);
	options.answer = argv[3];
	options.answerlen = strlen(argv[3]);
	options.one_shot = argc > 4;
	listening = net_listen(argv[1]);
	event_add(
		event_new(base, listening, EV_READ | EV_PERSIST, can_accept, base), NULL);
	return event_base_dispatch(base);
}
