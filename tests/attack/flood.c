/* Strangers, as fast as they can be, for some seconds:
 *
 *	flood names PROTOCOL ADDRESS CLIENTS DEPTH SECONDS ZONES SUFFIX
 *
 * asks for names that nobody has asked for, DEPTH at a time on each connection:
 *n1.z1.SUFFIX and so on, in ZONES zones (0: each in one of its own). PROTOCOL is
 *tcp_table, socketmap or readsocket; on the last each name has a connection of its own.
 *
 *	flood onions PROTOCOL ADDRESS CLIENTS DEPTH SECONDS FILE
 *
 * asks for the names of a file, one a line.
 *
 *	flood idle PROTOCOL ADDRESS CLIENTS - SECONDS
 *	flood drip PROTOCOL ADDRESS CLIENTS - SECONDS
 *
 * connects, and sends nothing; or a byte of a request each second. Who is closed comes
 * again. It ends with a line: how many requests were sent, and how many connections made.
 */
#include "../bench/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUEST_MAX 300
#define DEPTH_MAX 1024
#define CLIENTS_MAX 16384
#define EVENTS 512
#define SECOND UINT64_C(1000000000)

enum attack {
	NAMES,
	ONIONS,
	IDLE,
	DRIP,
};

enum protocol {
	TCP_TABLE,
	SOCKETMAP,
	READSOCKET,
};

struct client {
	int fd; /* -1: to be connected */
	size_t owed;
	uint64_t again; /* when it sends or connects next, for those that wait */
	/* The part of a socketmap answer that has been read. */
	size_t netstring; /* what is left of it, and its comma */
	size_t length;    /* as read so far */
};

static enum attack attack;
static enum protocol protocol;
static struct sockaddr_storage address;
static socklen_t address_len;
static struct client client[CLIENTS_MAX];
static size_t clients, depth, zones;
static const char *suffix;
static FILE *names;
static int poller;
static uint64_t sent, connections, end_at;

static size_t
choose(const char *text, const char *const words[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	errx(2, "%s?", text);
}

static void
set_address(const char *text)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&address;
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	char host[INET_ADDRSTRLEN] = "";
	const char *colon = strrchr(text, ':');

	if (strncmp(text, "unix:", 5) == 0 && strlen(text + 5) < sizeof(un->sun_path)) {
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, text + 5);
		address_len = sizeof(*un);
		return;
	}
	if (colon != NULL && (size_t)(colon - text) < sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		errx(2, "%s: neither unix:PATH nor IPV4:PORT", text);
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)number(colon + 1));
	address_len = sizeof(*in);
}

/* Requests */

/* The next name. False: there are no more. */
static bool
next_name(char out[REQUEST_MAX])
{
	static uint64_t n;

	n++;
	if (attack == NAMES) {
		snprintf(out, REQUEST_MAX, "n%llu.z%llu.%s", (unsigned long long)n,
			(unsigned long long)(zones == 0 ? n : n % zones), suffix);
		return true;
	}
	if (fgets(out, REQUEST_MAX, names) == NULL)
		return false;
	out[strcspn(out, "\n")] = '\0';
	return true;
}

static size_t
put_request(char *out)
{
	char name[REQUEST_MAX];
	int n = 0;

	if (!next_name(name))
		return 0;
	if (protocol == TCP_TABLE)
		n = sprintf(out, "get %s\n", name);
	else if (protocol == READSOCKET)
		n = sprintf(out, "route %s\n", name);
	else
		n = sprintf(out, "%zu:onion %s,", strlen(name) + 6, name);
	sent++;
	return (size_t)n;
}

static void
hang_up(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct client){.fd = -1, .again = now_ns() + SECOND / 100};
}

static void
send_all(struct client *c, const char *data, size_t len)
{
	/* They fit into an empty socket buffer, or nearly. */
	while (len > 0) {
		ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && now_ns() < end_at)
			continue;
		if (n < 0) {
			hang_up(c);
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}

static void
ask_more(struct client *c)
{
	static char out[DEPTH_MAX * REQUEST_MAX];
	size_t len = 0, n;

	for (; c->owed < depth; c->owed++) {
		if ((n = put_request(out + len)) == 0)
			break;
		len += n;
	}
	if (len > 0)
		send_all(c, out, len);
}

/* Answers: they are only counted. */

static size_t
count_netstrings(struct client *c, const char *data, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (c->netstring > 0) {
			const size_t skip =
				c->netstring < len - i ? c->netstring : len - i;

			n += skip == c->netstring;
			c->netstring -= skip;
			i += skip - 1;
		} else if (data[i] == ':') {
			c->netstring = c->length + 1;
			c->length = 0;
		} else {
			c->length = 10 * c->length + (size_t)(data[i] - '0');
		}
	return n;
}

static size_t
count_lines(const char *data, size_t len)
{
	const char *end = data + len;
	size_t n = 0;

	while ((data = memchr(data, '\n', (size_t)(end - data))) != NULL) {
		data++;
		n++;
	}
	return n;
}

static void
read_answers(struct client *c)
{
	static char in[65536];
	ssize_t n = recv(c->fd, in, sizeof(in), 0);
	size_t came;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		hang_up(c);
		if (protocol == READSOCKET)
			c->again = 0;
		return;
	}
	if (attack == IDLE || attack == DRIP)
		return;
	came = protocol == SOCKETMAP ? count_netstrings(c, in, (size_t)n)
				     : count_lines(in, (size_t)n);
	c->owed -= came < c->owed ? came : c->owed;
	if (protocol != READSOCKET && c->owed <= depth / 2)
		ask_more(c);
}

/* Clients */

static void
call(struct client *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* A Unix socket has no connection under way, so that one blocks. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, address_len) < 0 ||
		fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) {
		if (fd >= 0)
			close(fd);
		c->again = now_ns() + SECOND / 10;
		return;
	}
	connections++;
	*c = (struct client){.fd = fd, .again = now_ns() + SECOND};
	if (attack == NAMES || attack == ONIONS)
		ask_more(c);
}

/* A part of a request that never ends. */
static void
drip(struct client *c, uint64_t now)
{
	static const char *const byte[] = {
		[TCP_TABLE] = "g", [SOCKETMAP] = "0", [READSOCKET] = "r"};

	c->again = now + SECOND;
	if (send(c->fd, byte[protocol], 1, MSG_NOSIGNAL) < 0)
		hang_up(c);
	sent++;
}

static void
look_after_all(void)
{
	const uint64_t now = now_ns();

	for (size_t i = 0; i < clients; i++) {
		struct client *c = &client[i];

		if (c->fd < 0 && c->again <= now)
			call(c);
		else if (c->fd >= 0 && attack == DRIP && c->again <= now)
			drip(c, now);
	}
}

static void
run(void)
{
	struct epoll_event event[EVENTS];
	uint64_t next = 0;

	while (now_ns() < end_at) {
		int n = epoll_wait(poller, event, EVENTS, 5);

		for (int i = 0; i < n; i++)
			read_answers(event[i].data.ptr);
		if (protocol == READSOCKET || now_ns() >= next) {
			look_after_all();
			next = now_ns() + SECOND / 100;
		}
	}
}

static void
allow_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	static const char *const attacks[] = {"names", "onions", "idle", "drip"};
	static const char *const protocols[] = {"tcp_table", "socketmap", "readsocket"};
	const size_t args[] = {[NAMES] = 9, [ONIONS] = 8, [IDLE] = 7, [DRIP] = 7};

	if (argc < 2)
		errx(2, "usage: flood names|onions|idle|drip ...");
	attack = (enum attack)choose(argv[1], attacks, 4);
	if ((size_t)argc != args[attack])
		errx(2, "flood %s: %zu arguments", argv[1], args[attack] - 1);
	protocol = (enum protocol)choose(argv[2], protocols, 3);
	set_address(argv[3]);
	clients = number(argv[4]);
	depth = attack < IDLE ? number(argv[5]) : 0;
	if (clients > CLIENTS_MAX || depth > DEPTH_MAX)
		errx(2, "at most %d clients and a depth of %d", CLIENTS_MAX, DEPTH_MAX);
	if (attack == NAMES) {
		zones = number(argv[7]);
		suffix = argv[8];
	} else if (attack == ONIONS && (names = fopen(argv[7], "r")) == NULL) {
		err(1, "%s", argv[7]);
	}
	allow_files();
	poller = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < clients; i++)
		client[i].fd = -1;
	end_at = now_ns() + number(argv[6]) * SECOND;
	run();
	printf("%llu %llu\n", (unsigned long long)sent, (unsigned long long)connections);
	return 0;
}
