#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"
#include "server_inside.h"

#define SEND_BUFFER (64 * 1024) /* else the kernel holds megabytes for a slow reader */
#define BACKLOG 4096            /* the kernel may make it less */
#define ACCEPTS_AT_ONCE 64      /* then others get a turn */
#define ACCEPT_PAUSE_MS 100     /* when there are no file descriptors */

struct listener {
	const struct listener_config *config;
	int fd;
	dev_t dev; /* of the socket file */
	ino_t ino;
	struct server *server;
	const struct endpoint *endpoint;
	size_t clients;
	struct event readable;
	struct event pause;
};

/* The socket file */

/* Does a daemon answer at this socket? When in doubt it does. */
static bool
is_alive(const struct net_addr *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead;

	if (fd < 0)
		return true;
	dead = connect(fd, (const struct sockaddr *)&addr->sa, addr->len) < 0 &&
	       errno == ECONNREFUSED;
	close(fd);
	return !dead;
}

/* Makes way for our socket. False, and logged, if something is there that stays. */
static bool
remove_stale(const struct listener_config *c, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return true;
		log_error("listener %s: %s", c->name, path);
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		log_errorx("listener %s: %s is in the way and isn't a socket", c->name,
			path);
		return false;
	}
	if (is_alive(&c->addr)) {
		log_errorx(
			"listener %s: %s is in use by a running daemon", c->name, path);
		return false;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		log_error("listener %s: can't remove %s", c->name, path);
		return false;
	}
	return true;
}

/* Mode and owner, before anybody can have connected: listen() comes later. */
static bool
set_owner(struct listener *l, const char *path)
{
	const struct listener_config *c = l->config;
	struct stat st;

	if ((c->owner != (uid_t)-1 || c->group != (gid_t)-1) &&
		chown(path, c->owner, c->group) < 0) {
		log_error("listener %s: can't change the owner of %s", c->name, path);
		return false;
	}
	if (chmod(path, c->mode) < 0 || stat(path, &st) < 0) {
		log_error("listener %s: %s", c->name, path);
		return false;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return true;
}

static void
remove_socket(const struct listener *l)
{
	const char *path = net_addr_path(&l->config->addr);
	struct stat st;

	if (path != NULL && l->ino != 0 && lstat(path, &st) == 0 && st.st_dev == l->dev &&
		st.st_ino == l->ino)
		unlink(path);
}

static bool
bind_and_listen(struct listener *l)
{
	const struct listener_config *c = l->config;
	const struct sockaddr *sa = (const struct sockaddr *)&c->addr.sa;
	const char *path = net_addr_path(&c->addr);
	const int on = 1, send_buffer = SEND_BUFFER;
	mode_t before;
	int rc;

	if (path != NULL && !remove_stale(c, path))
		return false;
	if (path == NULL) {
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(
			l->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	}
	if (sa->sa_family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	before = umask(0177);
	rc = bind(l->fd, sa, c->addr.len);
	umask(before);
	if (rc < 0) {
		log_error("listener %s: can't bind", c->name);
		return false;
	}
	if (path != NULL && !set_owner(l, path)) {
		unlink(path);
		return false;
	}
	if (listen(l->fd, BACKLOG) < 0) {
		log_error("listener %s: can't listen", c->name);
		remove_socket(l);
		return false;
	}
	return true;
}

struct listener *
listener_open(const struct listener_config *c)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		log_error("listener %s", c->name);
		return NULL;
	}
	l->config = c;
	l->fd = socket(
		c->addr.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		log_error("listener %s", c->name);
	else if (bind_and_listen(l))
		return l;
	else
		close(l->fd);
	free(l);
	return NULL;
}

/* Clients */

static void
refuse(struct listener *l, int fd)
{
	char text[PROTO_REPLY_MAX];
	struct reply reply = {.text = text};

	server_counters(l->server)->clients_refused++;
	l->endpoint->proto->refuse(&reply, REFUSE_BUSY);
	/* Into an empty socket buffer: it fits, or the client has gone. */
	(void)!send(fd, reply.text, reply.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
serve(struct listener *l, int fd)
{
	const int on = 1;

	if (l->clients >= l->config->max_clients) {
		refuse(l, fd);
		return;
	}
	if (net_addr_path(&l->config->addr) == NULL)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	server_counters(l->server)->clients++;
	l->clients++;
	if (!session_new(l->server, l->endpoint, fd, &l->clients))
		l->clients--;
}

/* Out of descriptors or memory: neither spin nor give up. */
static void
pause_accepting(struct listener *l)
{
	struct timeval tv = timeval_ms(ACCEPT_PAUSE_MS);

	if (server_counters(l->server)->accepts_paused++ == 0)
		log_warnx("listener %s: no file descriptor or memory for more clients",
			l->config->name);
	event_del(&l->readable);
	event_add(&l->pause, &tv);
}

static void
resume_accepting(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	event_add(&l->readable, NULL);
}

static void
accept_clients(evutil_socket_t listening, short what, void *arg)
{
	struct listener *l = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd;

		if (server_clients(l->server) >= l->server->config.max_clients) {
			pause_accepting(l);
			return;
		}
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			serve(l, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			errno == ENOMEM)
			pause_accepting(l);
		else if (errno == ECONNABORTED || errno == EINTR)
			continue;
		return;
	}
}

bool
listener_start(struct listener *l, struct server *server, const struct endpoint *endpoint)
{
	struct event_base *base = loop_base(server->config.loop);

	l->server = server;
	l->endpoint = endpoint;
	event_assign(&l->readable, base, l->fd, EV_READ | EV_PERSIST, accept_clients, l);
	evtimer_assign(&l->pause, base, resume_accepting, l);
	if (event_add(&l->readable, NULL) < 0) {
		log_errorx("listener %s: can't watch its socket", l->config->name);
		return false;
	}
	return true;
}

void
listener_stop(struct listener *l)
{
	if (l->fd < 0)
		return;
	if (l->server != NULL) {
		accept_clients(l->fd, 0, l); /* those who wait in the backlog */
		event_del(&l->readable);
		event_del(&l->pause);
	}
	remove_socket(l);
	close(l->fd);
	l->fd = -1;
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	listener_stop(l);
	free(l);
}
