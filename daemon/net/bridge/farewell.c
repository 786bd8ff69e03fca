#include "farewell.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define AT_ONCE (1 << 20) /* bytes that are discarded by one call */

static void
ready(evutil_socket_t fd, short what, void *arg)
{
	struct farewell *f = arg;
	/* Of TCP, nothing is copied. */
	ssize_t n = recv(fd, NULL, AT_ONCE, MSG_TRUNC);

	(void)what;
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	farewell_stop(f);
	f->ended(f->arg);
}

void
farewell_start(struct farewell *f, struct loop *loop, int fd, const char *text,
	void (*ended)(void *arg), void *arg)
{
	*f = (struct farewell){.fd = fd, .ended = ended, .arg = arg};
	if (text != NULL)
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	watch_init(&f->watch, loop, fd, EV_READ | EV_PERSIST, ready, f);
	watch_insist(&f->watch, WATCH_NO_LIMIT);
}

void
farewell_stop(struct farewell *f)
{
	watch_stop(&f->watch);
}
