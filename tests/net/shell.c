#include "shell.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct faults faults;

/* Functions of the libraries */

int
connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	struct sockaddr_storage to = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)&to;
	void (*hook)(void *) = faults.on_connect;

	faults.on_connect = NULL;
	if (hook != NULL)
		hook(faults.arg);
	memcpy(&to, addr.__sockaddr__, len < sizeof(to) ? len : sizeof(to));
	if (faults.dns_port != 0 && in->sin_family == AF_INET &&
		in->sin_port == htons(53))
		in->sin_port = htons((uint16_t)faults.dns_port);
	return (int)syscall(SYS_connect, fd, &to, len);
}

ssize_t
recvfrom(int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG from,
	socklen_t *fromlen)
{
	ssize_t len = syscall(
		SYS_recvfrom, fd, buffer, size, flags, from.__sockaddr__, fromlen);
	struct sockaddr_in *in = from.__sockaddr_in__;

	if (len >= 0 && in != NULL && faults.dns_port != 0 && in->sin_family == AF_INET &&
		ntohs(in->sin_port) == faults.dns_port)
		in->sin_port = htons(53);
	return len;
}

int
socket(int family, int type, int protocol)
{
	if (faults.socket_errno != 0) {
		errno = faults.socket_errno;
		return -1;
	}
	return (int)syscall(SYS_socket, family, type, protocol);
}

static int
real_event_add(struct event *event, const struct timeval *timeout)
{
	int (*real)(struct event *, const struct timeval *);

	*(void **)&real = dlsym(RTLD_NEXT, "event_add");
	return real(event, timeout);
}

int
event_add(struct event *event, const struct timeval *timeout)
{
	if (!faults.event_add &&
		(faults.nth_event_add == 0 || --faults.nth_event_add > 0))
		return real_event_add(event, timeout);
	faults.event_adds++;
	return -1;
}

/* As it is when /proc/sys/fs/epoll/max_user_watches is reached. */
int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_DEL || faults.nth_epoll_ctl == 0 ||
		--faults.nth_epoll_ctl > 0)
		return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
	faults.event_adds++;
	errno = ENOSPC;
	return -1;
}

int
accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
	if (faults.accept_errno == 0)
		return (int)syscall(SYS_accept4, fd, addr.__sockaddr__, len, flags);
	faults.accepts++;
	errno = faults.accept_errno;
	return -1;
}

/* Answers */

static unsigned
number_of(const uint8_t *query)
{
	return query[13] == 'n' ? (unsigned)strtoul((const char *)query + 14, NULL, 10)
				: 0;
}

/* Makes an answer of a query, with one A record but for the root. Returns its length. */
static size_t
make_answer(uint8_t *out, const uint8_t *query, size_t len, bool truncated)
{
	const uint32_t ip = htonl(address_of(number_of(query)));

	memcpy(out, query, len);
	out[2] = (uint8_t)(0x81 | (truncated ? 2 : 0));
	out[3] = 0x80;
	if (truncated || query[12] == 0)
		return len;
	out[7] = 1;
	memcpy(out + len, "\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4", 12);
	memcpy(out + len + 12, &ip, 4);
	return len + 16;
}

/* The question, and something else. */
static size_t
make_garbage(uint8_t *out, const uint8_t *query, size_t len)
{
	make_answer(out, query, len, false);
	memset(out + len, 0xff, 100);
	return len + 100;
}

static void
send_datagram(
	struct test_server *s, const struct datagram *to, const uint8_t *out, size_t len)
{
	/* When the other end has closed its socket, the error of that comes here. */
	for (int i = 0; i < 3; i++)
		if (sendto(s->udp, out, len, 0, (const struct sockaddr *)&to->from,
			    sizeof(to->from)) == (ssize_t)len)
			return;
}

static void
reply(struct test_server *s, const struct datagram *d, enum by_udp how)
{
	uint8_t out[sizeof(d->bytes) + 300];
	size_t len = how == BY_UDP_GARBAGE ? make_garbage(out, d->bytes, d->len)
					   : make_answer(out, d->bytes, d->len,
						     how == BY_UDP_TRUNCATED);

	if (how == BY_UDP_SILENCE)
		return;
	if (how == BY_UDP_WRONG_ID) {
		out[0] ^= 0x55;
		send_datagram(s, d, out, len);
		out[0] ^= 0x55;
	}
	if (how == BY_UDP_TWICE)
		send_datagram(s, d, out, len);
	send_datagram(s, d, out, len);
}

void
server_answer(struct test_server *s, unsigned i, enum by_udp how)
{
	assert_true(i < s->udp_seen && i < DATAGRAMS_KEPT);
	reply(s, &s->seen[i], how);
}

static void
datagram_came(evutil_socket_t fd, short what, void *arg)
{
	struct test_server *s = arg;
	struct datagram d;
	socklen_t fromlen = sizeof(d.from);
	ssize_t len;

	(void)what;
	while ((len = recvfrom(fd, d.bytes, sizeof(d.bytes), MSG_DONTWAIT,
			(struct sockaddr *)&d.from, &fromlen)) >= 0) {
		assert_true(len >= 12);
		d.len = (size_t)len;
		if (s->udp_seen < DATAGRAMS_KEPT)
			s->seen[s->udp_seen] = d;
		s->udp_seen++;
		reply(s, &d, s->by_udp);
	}
}

void
server_poll(struct test_server *s)
{
	if (s->udp >= 0)
		datagram_came(s->udp, EV_READ, s);
}

/* Connections */

static void
end_connection(struct connection *c)
{
	event_del(&c->event);
	LIST_REMOVE(c, entry);
	close(c->fd);
	free(c);
}

static void
send_piece(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	const struct timeval soon = {.tv_usec = 1000};

	(void)fd;
	(void)what;
	if (send(c->fd, c->bytes + c->sent, 1, MSG_NOSIGNAL) != 1 ||
		++c->sent == c->len) {
		end_connection(c);
		return;
	}
	assert_int_equal(real_event_add(&c->event, &soon), 0);
}

static void
answer_connection(struct connection *c)
{
	struct test_server *s = c->server;
	uint8_t out[600];
	size_t len = s->by_tcp == BY_TCP_GARBAGE
			     ? make_garbage(out, c->bytes + 2, c->len - 2)
			     : make_answer(out, c->bytes + 2, c->len - 2,
				       s->by_tcp == BY_TCP_TRUNCATED);

	c->bytes[0] = (uint8_t)(len >> 8);
	c->bytes[1] = (uint8_t)len;
	memcpy(c->bytes + 2, out, len);
	c->len = len + 2;
	event_del(&c->event);
	evtimer_assign(&c->event, loop_base(s->loop), send_piece, c);
	if (s->by_tcp != BY_TCP_PIECES)
		c->sent = (size_t)send(c->fd, c->bytes, c->len - 1, MSG_NOSIGNAL);
	send_piece(-1, 0, c);
}

static void
connection_readable(evutil_socket_t fd, short what, void *arg)
{
	struct connection *c = arg;
	struct test_server *s = c->server;
	ssize_t got = recv(fd, c->bytes + c->len, sizeof(c->bytes) - c->len, 0);

	(void)what;
	if (got <= 0) {
		end_connection(c);
		return;
	}
	c->len += (size_t)got;
	if (c->len < 2 || c->len < 2U + (size_t)(c->bytes[0] << 8 | c->bytes[1]))
		return;
	s->tcp_seen++;
	if (s->by_tcp == BY_TCP_CLOSE)
		end_connection(c);
	else if (s->by_tcp != BY_TCP_SILENCE)
		answer_connection(c);
}

static void
connection_came(evutil_socket_t fd, short what, void *arg)
{
	struct test_server *s = arg;
	int one = 1, client;

	(void)what;
	while ((client = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct connection *c = calloc(1, sizeof(*c));

		assert_non_null(c);
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->server = s;
		c->fd = client;
		LIST_INSERT_HEAD(&s->connections, c, entry);
		event_assign(&c->event, loop_base(s->loop), client, EV_READ | EV_PERSIST,
			connection_readable, c);
		assert_int_equal(real_event_add(&c->event, NULL), 0);
	}
}

/* The server */

static int
bind_socket(const struct net_addr *address, int type)
{
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0), one = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address->sa, address->len) == 0 &&
		(type != SOCK_STREAM || listen(fd, 1024) == 0))
		return fd;
	close(fd);
	return -1;
}

static void
watch(struct test_server *s, struct event *event, int fd, event_callback_fn fn)
{
	event_assign(event, loop_base(s->loop), fd, EV_READ | EV_PERSIST, fn, s);
	assert_int_equal(real_event_add(event, NULL), 0);
}

static bool
try_start(struct test_server *s)
{
	if ((s->udp = bind_socket(&s->address, SOCK_DGRAM)) < 0)
		return false;
	getsockname(s->udp, (struct sockaddr *)&s->address.sa, &s->address.len);
	if ((s->tcp = bind_socket(&s->address, SOCK_STREAM)) < 0) {
		close(s->udp);
		s->udp = -1;
		return false;
	}
	watch(s, &s->udp_event, s->udp, datagram_came);
	watch(s, &s->tcp_event, s->tcp, connection_came);
	return true;
}

static void
prepare(struct test_server *s, struct loop *loop, unsigned host, unsigned port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&s->address.sa;

	memset(s, 0, sizeof(*s));
	s->loop = loop;
	s->udp = s->tcp = -1;
	LIST_INIT(&s->connections);
	*in = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + host),
		.sin_port = htons((uint16_t)port)};
	s->address.len = sizeof(*in);
}

void
server_start(struct test_server *s, struct loop *loop, unsigned host)
{
	do /* the port may be free by UDP alone */
		prepare(s, loop, host, 0);
	while (!try_start(s));
}

void
server_start_beside(struct test_server *s, const struct test_server *other, unsigned host)
{
	prepare(s, other->loop, host, server_port(other));
	assert_true(try_start(s));
}

unsigned
server_port(const struct test_server *s)
{
	return ntohs(((const struct sockaddr_in *)&s->address.sa)->sin_port);
}

void
server_restart(struct test_server *s)
{
	assert_true(s->udp < 0);
	assert_true(try_start(s));
}

static void
close_socket(int *fd, struct event *event)
{
	if (*fd < 0)
		return;
	event_del(event);
	close(*fd);
	*fd = -1;
}

void
server_stop_tcp(struct test_server *s)
{
	close_socket(&s->tcp, &s->tcp_event);
}

void
server_stop(struct test_server *s)
{
	while (!LIST_EMPTY(&s->connections))
		end_connection(LIST_FIRST(&s->connections));
	close_socket(&s->udp, &s->udp_event);
	server_stop_tcp(s);
}

/* The loop */

struct monotime
wait_limit(void)
{
	const char *slack = getenv("ONIONMXD_SLACK");

	return monotime_add_ms(
		loop_now(), (int64_t)(60000 * (slack != NULL ? atof(slack) : 1)));
}

static void
nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void
run_once(struct loop *loop)
{
	const struct timeval tick = {.tv_usec = 20000};
	struct event timer;

	evtimer_assign(&timer, loop_base(loop), nothing, NULL);
	assert_int_equal(real_event_add(&timer, &tick), 0);
	event_base_loop(loop_base(loop), EVLOOP_ONCE);
	event_del(&timer);
}

/* What is sent over the loopback interface has come when send() returns. */
void
run_ready(struct loop *loop)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

/* This process */

unsigned
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 3; /* ".", ".." and the directory */
}

void
allow_many_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

size_t
memory_used(void)
{
	if (__sanitizer_get_current_allocated_bytes != NULL)
		return __sanitizer_get_current_allocated_bytes();
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static int stderr_before = -1;

void
log_capture(void)
{
	int file = memfd_create("log", MFD_CLOEXEC);

	assert_true(file >= 0);
	fflush(stderr);
	stderr_before = dup(STDERR_FILENO);
	dup2(file, STDERR_FILENO);
	close(file);
}

const char *
log_taken(void)
{
	static char text[1 << 20];
	ssize_t len;

	fflush(stderr);
	len = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);
	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	assert_true(len >= 0);
	text[len] = '\0';
	return text;
}

unsigned
count_words(const char *text, const char *words)
{
	unsigned n = 0;

	for (; (text = strstr(text, words)) != NULL; text++)
		n++;
	return n;
}
