/* Sends much through a forwarder to a sink, or has it sent, on some connections at once,
 * and looks at every byte that comes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "stream.h"

#define EVENTS 64
#define PATIENCE_MS 10000

struct client {
	int fd;
	uint64_t done;
	bool receipt; /* has come */
};

static struct header header;
static int epoll;

static void
watch(struct client *c, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (epoll_ctl(epoll, op, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void
start(struct client *c, const char *address)
{
	c->fd = net_connect(address);
	if (send(c->fd, &header, sizeof(header), MSG_NOSIGNAL) != sizeof(header))
		err(1, "send");
	watch(c, EPOLL_CTL_ADD, header.direction == UPLOAD ? EPOLLOUT : EPOLLIN);
}

static void
push(struct client *c)
{
	uint64_t left = header.bytes - c->done;
	ssize_t n = send(c->fd, pattern_at(c->done), left < BLOCK ? left : BLOCK,
		MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		err(1, "send");
	c->done += (uint64_t)n;
	if (c->done == header.bytes)
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void
pull(struct client *c)
{
	static char in[BLOCK];
	ssize_t n = recv(c->fd, in, sizeof(in), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		errx(1, "a connection has ended after %lu bytes", (unsigned long)c->done);
	if (header.direction == UPLOAD) {
		c->receipt = n == 1 && in[0] == RECEIPT;
		return;
	}
	if (memcmp(in, pattern_at(c->done), (size_t)n) != 0)
		errx(1, "damaged after %lu bytes", (unsigned long)c->done);
	c->done += (uint64_t)n;
}

/* Something has moved. True: it is all there. */
static bool
move(struct client *c)
{
	if (header.direction == UPLOAD && c->done < header.bytes)
		push(c);
	else
		pull(c);
	return c->done == header.bytes && (header.direction == DOWNLOAD || c->receipt);
}

/* As a mail client does: it says so, and the other side closes. */
static void
end(struct client *c)
{
	const struct header quit = {.direction = QUIT};
	char byte;

	if (send(c->fd, &quit, sizeof(quit), MSG_NOSIGNAL) != sizeof(quit) ||
		recv(c->fd, &byte, 1, 0) != 0)
		errx(1, "a connection doesn't end");
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct client *clients;
	size_t connections, finished = 0;
	uint64_t began;

	if (argc != 5)
		errx(1, "usage: stream ADDRESS u|d CONNECTIONS BYTES");
	header = (struct header){number(argv[4]), argv[2][0]};
	connections = number(argv[3]);
	clients = calloc(connections, sizeof(*clients));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || epoll < 0)
		err(1, "no memory");
	began = now_ns();
	for (size_t i = 0; i < connections; i++)
		start(&clients[i], argv[1]);
	while (finished < connections) {
		int n = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);

		if (n <= 0)
			errx(1, "nothing moves");
		for (int i = 0; i < n; i++)
			finished += move(events[i].data.ptr);
	}
	printf("%.6f\n", (double)(now_ns() - began) / 1e9);
	fflush(stdout);
	/* The connections stay open until that is enough. */
	while (getchar() != EOF)
		continue;
	for (size_t i = 0; i < connections; i++)
		end(&clients[i]);
	return 0;
}
