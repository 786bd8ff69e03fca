#include "farewell.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A message's text has many lines, and one reply behind it is enough. */
#define ANSWERS_MAX 1000

#define NEWLINE (sizeof("\r\n") - 1)

static void
end(struct farewell *f)
{
	farewell_stop(f);
	f->ended(f->arg);
}

/* Replies. A client that can't be sent any is read on. */

static void
say(struct farewell *f)
{
	while (f->due > 0) {
		ssize_t n =
			send(f->fd, f->text + f->sent, f->len - f->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			f->due = f->answers = 0;
		else if ((f->sent += (size_t)n) < f->len)
			return;
		else
			f->due--;
		f->sent = NEWLINE;
	}
	if (f->close)
		shutdown(f->fd, SHUT_WR);
	f->close = false;
}

static void
answer(struct farewell *f, const char *in, size_t len)
{
	const char *end = in + len;

	while (f->answers > 0 && (in = memchr(in, '\n', (size_t)(end - in))) != NULL) {
		in++;
		f->due++;
		f->answers--;
	}
}

/* Events */

static void ready(evutil_socket_t fd, short what, void *arg);

static void
wait_for(struct farewell *f, short what)
{
	if (f->waits_for == what)
		return;
	watch_stop(&f->watch);
	f->waits_for = what;
	watch_init(&f->watch, f->loop, f->fd, (short)(what | EV_PERSIST), ready, f);
	watch_insist(&f->watch, WATCH_NO_LIMIT);
}

/* A client that has closed its half only can still read. */
static void
go_on(struct farewell *f)
{
	say(f);
	if (f->read_eof && f->due == 0)
		end(f);
	else
		wait_for(f, (short)((f->read_eof ? 0 : EV_READ) |
				    (f->due > 0 ? EV_WRITE : 0)));
}

static void
ready(evutil_socket_t fd, short what, void *arg)
{
	struct farewell *f = arg;
	char in[4096];
	ssize_t n = 0;

	if (what & EV_READ) {
		n = recv(fd, in, sizeof(in), 0);
		if (n < 0 && errno != EAGAIN) {
			end(f);
			return;
		}
		f->read_eof = n == 0;
	}
	if (n > 0)
		answer(f, in, (size_t)n);
	go_on(f);
}

void
farewell_start(struct farewell *f, struct loop *loop, int fd,
	const struct farewell_words *words, void (*ended)(void *arg), void *arg)
{
	*f = (struct farewell){.loop = loop,
		.fd = fd,
		.ended = ended,
		.arg = arg,
		.answers = words->answer ? ANSWERS_MAX : 0,
		.close = words->close};
	if (words->text != NULL) {
		f->len = (size_t)snprintf(
			f->text, sizeof(f->text), "\r\n%s\r\n", words->text);
		f->sent = words->in_line ? 0 : NEWLINE;
		f->due = words->count;
	}
	say(f);
	wait_for(f, (short)(EV_READ | (f->due > 0 ? EV_WRITE : 0)));
}

void
farewell_stop(struct farewell *f)
{
	watch_stop(&f->watch);
}

void
farewell_close(int fd)
{
	char in[4096];
	int tries = 1000;

	shutdown(fd, SHUT_WR);
	while (tries-- > 0 && recv(fd, in, sizeof(in), MSG_DONTWAIT) > 0)
		;
	close(fd);
}
