/* The least that a server can do: it parses nothing, and answers every so many bytes with
 * one and the same line. What it takes is the price of the system calls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"

#define EVENTS 256
#define INPUT_BYTES 65536

struct client {
	int fd;
	size_t rest; /* bytes of a question that isn't whole */
};

static struct {
	size_t questionlen, answerlen;
	bool one_shot;
} options;

static char *answers; /* as many as a full input asks for */
static int epoll;

static void
add(int fd, struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void
accept_clients(int listening)
{
	int fd;

	while ((fd = net_accept(listening)) >= 0) {
		struct client *c = calloc(1, sizeof(*c));

		if (c == NULL)
			err(1, "client");
		c->fd = fd;
		add(fd, c);
	}
}

static void
serve(struct client *c)
{
	static char input[INPUT_BYTES];
	ssize_t n = recv(c->fd, input, sizeof(input), 0);
	size_t len;

	if (n > 0) {
		len = (c->rest + (size_t)n) / options.questionlen * options.answerlen;
		c->rest = (c->rest + (size_t)n) % options.questionlen;
		if (len > 0 && send(c->fd, answers, len, MSG_NOSIGNAL) != (ssize_t)len)
			n = 0;
	}
	if ((n < 0 && errno == EAGAIN) || (n > 0 && !options.one_shot))
		return;
	close(c->fd);
	free(c);
}

static void
make_answers(const char *line)
{
	size_t n = INPUT_BYTES / options.questionlen + 1;

	options.answerlen = strlen(line);
	if ((answers = malloc(n * options.answerlen)) == NULL)
		err(1, "answers");
	for (size_t i = 0; i < n; i++)
		memcpy(answers + i * options.answerlen, line, options.answerlen);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listening;

	if (argc < 4)
		errx(1, "usage: bare ADDRESS LENGTH ANSWER [once]");
	options.questionlen = number(argv[2]);
	options.one_shot = argc > 4;
	make_answers(argv[3]);
	listening = net_listen(argv[1]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	add(listening, NULL);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr == NULL)
				accept_clients(listening);
			else
				serve(events[i].data.ptr);
	}
}
