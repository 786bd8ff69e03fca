/* Asks a server many questions and checks every answer, byte for byte.
 *
 * The questions and their answers come from a file of items: two lengths of 16 bits, as
 * this machine has them, the question, the answer. They are asked in turn and over again.
 * Each connection sends a batch, waits until all of it is answered, and sends the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net.h"

#define BATCH_BYTES 65536
#define EVENTS 256
#define PATIENCE_MS 10000

struct item {
	const char *question, *answer;
	uint16_t questionlen, answerlen;
};

struct client {
	int fd;
	uint64_t sent_at;
	size_t first; /* item of the batch */
	size_t count; /* of items in it */
	size_t item;  /* whose answer is being read */
	size_t have;  /* of that answer */
};

static struct {
	const char *address;
	size_t connections, idle, depth, questions;
	bool one_shot; /* a connection for each question */
} options = {.connections = 1, .depth = 1, .questions = 1};

static struct item *items;
static size_t nitems;
static size_t asked, answered;
static uint32_t *took; /* microseconds/10 for each batch */
static size_t ntook;
static int epoll;

static void
usage(void)
{
	errx(1, "usage: load -a ADDRESS [-c CONNECTIONS] [-d DEPTH] [-n QUESTIONS]"
		" [-i IDLE CONNECTIONS] [-1] ITEMS");
}

/* The items */

static void
read_items(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const char *p, *end;
	uint16_t len[2];

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		err(1, "%s", path);
	close(fd);
	items = malloc((size_t)st.st_size / sizeof(len) * sizeof(*items));
	for (end = p + st.st_size; p < end; p = items[nitems++].answer + len[1]) {
		memcpy(len, p, sizeof(len));
		p += sizeof(len);
		items[nitems] = (struct item){p, p + len[0], len[0], len[1]};
	}
	if (nitems == 0 || p != end)
		errx(1, "%s: cut off", path);
}

static const struct item *
item_at(size_t i)
{
	return &items[i % nitems];
}

/* One batch */

static void
ask(struct client *c)
{
	static char batch[BATCH_BYTES];
	size_t len = 0;

	c->first = c->item = asked;
	c->have = c->count = 0;
	while (c->count < options.depth && asked < options.questions) {
		const struct item *it = item_at(asked);

		if (len + it->questionlen > sizeof(batch))
			break;
		memcpy(batch + len, it->question, it->questionlen);
		len += it->questionlen;
		c->count++;
		asked++;
	}
	if (len == 0)
		return;
	c->sent_at = now_ns();
	if (send(c->fd, batch, len, MSG_NOSIGNAL) != (ssize_t)len)
		err(1, "send");
	if (options.one_shot && shutdown(c->fd, SHUT_WR) < 0)
		err(1, "shutdown");
}

static void
check(struct client *c, const char *data, size_t len)
{
	while (len > 0) {
		const struct item *it = item_at(c->item);
		size_t n = it->answerlen - c->have;

		if (n > len)
			n = len;
		if (c->item == c->first + c->count ||
			memcmp(data, it->answer + c->have, n) != 0)
			errx(1, "asked %.*s: got %.*s, not %.*s", it->questionlen,
				it->question, (int)len, data, it->answerlen, it->answer);
		data += n;
		len -= n;
		c->have += n;
		if (c->have == it->answerlen) {
			c->have = 0;
			c->item++;
			answered++;
		}
	}
}

static bool
is_done(struct client *c)
{
	if (c->count == 0 || c->item < c->first + c->count)
		return false;
	took[ntook++] = (uint32_t)((now_ns() - c->sent_at) / 100);
	return true;
}

/* Connections */

static void
watch(struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	c->fd = net_connect(options.address);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		err(1, "epoll_ctl");
}

static void
answers_came(struct client *c)
{
	static char input[2 * BATCH_BYTES];
	ssize_t n = recv(c->fd, input, sizeof(input), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		err(1, "recv");
	check(c, input, (size_t)n);
	if (n == 0 && !options.one_shot)
		errx(1, "the server has closed a connection");
	if (options.one_shot ? n > 0 : !is_done(c))
		return;
	if (options.one_shot) {
		if (!is_done(c))
			errx(1, "a connection was closed without an answer");
		close(c->fd);
		if (asked == options.questions)
			return;
		watch(c);
	}
	ask(c);
}

static void
run(struct client *clients)
{
	struct epoll_event events[EVENTS];

	for (size_t i = 0; i < options.connections; i++)
		ask(&clients[i]);
	while (answered < options.questions) {
		int n = epoll_wait(epoll, events, EVENTS, PATIENCE_MS);

		if (n <= 0)
			errx(1, "%zu answers don't come", options.questions - answered);
		for (int i = 0; i < n; i++)
			answers_came(events[i].data.ptr);
	}
}

/* The report */

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile(double p)
{
	return took[(size_t)(p * (double)(ntook - 1))] / 10.0;
}

static void
parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "a:c:d:n:i:1")) >= 0)
		switch (c) {
		case 'a':
			options.address = optarg;
			break;
		case 'c':
			options.connections = number(optarg);
			break;
		case 'd':
			options.depth = number(optarg);
			break;
		case 'n':
			options.questions = number(optarg);
			break;
		case 'i':
			options.idle = number(optarg);
			break;
		case '1':
			options.one_shot = true;
			break;
		default:
			usage();
		}
	if (options.address == NULL || optind != argc - 1 || options.connections == 0 ||
		options.depth == 0 || options.questions == 0)
		usage();
}

int
main(int argc, char **argv)
{
	struct client *clients;
	uint64_t began;

	parse_options(argc, argv);
	read_items(argv[optind]);
	clients = calloc(options.connections, sizeof(*clients));
	took = calloc(options.questions, sizeof(*took));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (clients == NULL || took == NULL || epoll < 0)
		err(1, "no memory");
	for (size_t i = 0; i < options.idle; i++)
		net_connect(options.address);
	for (size_t i = 0; i < options.connections; i++)
		watch(&clients[i]);
	began = now_ns();
	run(clients);
	printf("%zu %.6f ", answered, (double)(now_ns() - began) / 1e9);
	qsort(took, ntook, sizeof(*took), compare);
	printf("%.1f %.1f %.1f\n", percentile(0.5), percentile(0.99), percentile(1));
	free(clients);
	free(took);
	free(items);
	return 0;
}
