#include "bridge_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../acceptor.h"
#include "net/log.h"

#define RETRY_MS 1000

/* Two sockets are bound to the port of every address. The guard never listens, and keeps
 * away whoever would bind to one of the addresses. The listener is bound to the loopback
 * interface as well, where it alone gets the connections. SO_REUSEPORT lets both have the
 * port, since they are of one user; another user's socket can't join them, whatever its
 * options. It also lets a new daemon have the port while connections of the old one are
 * in TIME_WAIT. Neither has SO_REUSEADDR, with which others could bind beside the guard.
 *
 * A second daemon of the same user could join them, too, and would take a part of the
 * connections. So there is a lock: a Unix socket with a name that has the port in it, and
 * that, like the port, belongs to the network namespace and goes with the process. */
struct bridge_socket {
	struct bridge_socket_config config;
	int lock, guard; /* -1: not held */
	struct listener_config listener;
	struct acceptor acceptor;
	struct watch retry;
	bool is_held;
	bool was_refused; /* is logged */
};

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool
take_lock(struct bridge_socket *s)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t len = (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;

	len += (socklen_t)snprintf(un.sun_path + 1, sizeof(un.sun_path) - 1,
		"onionmxd bridge %u", (unsigned)s->config.port);
	s->lock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return s->lock >= 0 && bind(s->lock, (struct sockaddr *)&un, len) == 0;
}

/* -1 on failure, errno is set. */
static int
bound_socket(const struct bridge_socket *s, const char *interface)
{
	const struct sockaddr_in every = {
		.sin_family = AF_INET, .sin_port = htons(s->config.port)};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0 &&
		(interface == NULL ||
			setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface,
				(socklen_t)strlen(interface)) == 0) &&
		bind(fd, (const struct sockaddr *)&every, sizeof(every)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
accepted(void *arg, int fd)
{
	struct bridge_socket *s = arg;
	struct sockaddr_in ours = {0}, theirs = {0};
	socklen_t len = sizeof(ours), their_len = sizeof(theirs);

	if (getsockname(fd, (struct sockaddr *)&ours, &len) == 0 &&
		getpeername(fd, (struct sockaddr *)&theirs, &their_len) == 0 &&
		ntohl(theirs.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
		s->config.accepted(s->config.arg, fd, &ours);
	else
		close(fd);
}

static bool
take_port(struct bridge_socket *s)
{
	const struct acceptor_user user = {
		.accepted = accepted, .arg = s, .counters = s->config.counters};
	int listener;

	if (!take_lock(s) || (s->guard = bound_socket(s, NULL)) < 0 ||
		(listener = bound_socket(s, "lo")) < 0)
		return false;
	if (!acceptor_adopt(&s->acceptor, &s->listener, listener))
		return false;
	acceptor_start(&s->acceptor, s->config.loop, &user);
	return true;
}

static void
give_up(struct bridge_socket *s)
{
	acceptor_close(&s->acceptor);
	close_fd(&s->guard);
	close_fd(&s->lock);
	s->is_held = false;
}

static void
complain(struct bridge_socket *s)
{
	if (!s->was_refused && errno == EADDRINUSE)
		log_errorx(
			"bridge: port %u is in use by another program on this machine; "
			"until it is free, answers that need the bridge are temporary "
			"failures",
			(unsigned)s->config.port);
	else if (!s->was_refused)
		log_error("bridge: can't take port %u; until it can, answers that need "
			  "the bridge are temporary failures",
			(unsigned)s->config.port);
	s->was_refused = true;
}

static void
try(struct bridge_socket *s)
{
	if (take_port(s)) {
		if (s->was_refused)
			log_warnx("bridge: port %u is free now, and in use by the bridge",
				(unsigned)s->config.port);
		s->is_held = true;
		return;
	}
	complain(s);
	give_up(s);
	watch_insist(&s->retry, RETRY_MS);
}

static void
retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	try(arg);
}

struct bridge_socket *
bridge_socket_open(const struct bridge_socket_config *config)
{
	static char name[] = "bridge";
	struct bridge_socket *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		log_error("bridge");
		return NULL;
	}
	s->config = *config;
	s->lock = s->guard = s->acceptor.fd = -1;
	s->listener.name = name;
	watch_init_timer(&s->retry, config->loop, retry, s);
	try(s);
	return s;
}

bool
bridge_socket_is_held(const struct bridge_socket *s)
{
	return s != NULL && s->is_held;
}

void
bridge_socket_close(struct bridge_socket *s)
{
	if (s == NULL)
		return;
	watch_stop(&s->retry);
	give_up(s);
	free(s);
}
