/* The far end of a forwarder: takes uploads and gives downloads. With "socks" it is first
 * the least that a SOCKS5 server can be, which is connected to everything. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "stream.h"

#define EVENTS 64

enum stage { GREETING, PASSWORD, REQUEST, HEADER, UPLOADING, DOWNLOADING };

struct peer {
	int fd;
	enum stage stage;
	uint64_t done;
	struct header header;
};

static int epoll;

static void
watch(struct peer *p, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = p};

	if (epoll_ctl(epoll, op, p->fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void
accept_peers(int listening, enum stage stage)
{
	int fd;

	while ((fd = net_accept(listening)) >= 0) {
		struct peer *p = calloc(1, sizeof(*p));

		if (p == NULL)
			err(1, "peer");
		p->fd = fd;
		p->stage = stage;
		watch(p, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static bool
say(struct peer *p, const void *data, size_t len)
{
	return send(p->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* One message of SOCKS, which comes as a whole, since its sender waits for an answer. */
static bool
take_socks(struct peer *p)
{
	static const char ok[10] = {5, 0, 0, 1};
	char in[512];
	ssize_t n = recv(p->fd, in, sizeof(in), 0);

	if (n < 3)
		return n < 0 && errno == EAGAIN;
	switch (p->stage) {
	case GREETING:
		p->stage = in[n - 1] == 2 ? PASSWORD : REQUEST;
		return say(p, (char[]){5, in[n - 1]}, 2);
	case PASSWORD:
		p->stage = REQUEST;
		return say(p, (char[]){1, 0}, 2);
	default:
		p->stage = HEADER;
		return say(p, ok, sizeof(ok));
	}
}

static bool
take_header(struct peer *p)
{
	ssize_t n = recv(p->fd, &p->header, sizeof(p->header), 0);

	if (n != (ssize_t)sizeof(p->header))
		return n < 0 && errno == EAGAIN;
	if (p->header.direction == QUIT)
		return false;
	p->done = 0;
	p->stage = p->header.direction == UPLOAD ? UPLOADING : DOWNLOADING;
	watch(p, EPOLL_CTL_MOD, p->stage == UPLOADING ? EPOLLIN : EPOLLOUT);
	return true;
}

static bool
upload(struct peer *p)
{
	static char in[BLOCK];
	ssize_t n = recv(p->fd, in, sizeof(in), 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	if (memcmp(in, pattern_at(p->done), (size_t)n) != 0)
		errx(1, "damaged after %lu bytes", (unsigned long)p->done);
	p->done += (uint64_t)n;
	if (p->done < p->header.bytes)
		return true;
	p->stage = HEADER;
	return say(p, (char[]){RECEIPT}, 1);
}

static bool
download(struct peer *p)
{
	uint64_t left = p->header.bytes - p->done;
	ssize_t n = send(
		p->fd, pattern_at(p->done), left < BLOCK ? left : BLOCK, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN;
	p->done += (uint64_t)n;
	if (p->done == p->header.bytes) {
		p->stage = HEADER;
		watch(p, EPOLL_CTL_MOD, EPOLLIN);
	}
	return true;
}

static void
serve(struct peer *p)
{
	bool good;

	if (p->stage < HEADER)
		good = take_socks(p);
	else if (p->stage == HEADER)
		good = take_header(p);
	else
		good = p->stage == UPLOADING ? upload(p) : download(p);
	if (good)
		return;
	close(p->fd);
	free(p);
}

int
main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct peer listening = {0};

	if (argc < 2)
		errx(1, "usage: sink ADDRESS [socks]");
	listening.fd = net_listen(argv[1]);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(&listening, EPOLL_CTL_ADD, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr == &listening)
				accept_peers(listening.fd, argc > 2 ? GREETING : HEADER);
			else
				serve(events[i].data.ptr);
	}
}
