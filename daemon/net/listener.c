#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "bound.h"
#include "net/log.h"
#include "server_inside.h"

#define ACCEPTS_AT_ONCE 64  /* then others get a turn */
#define ACCEPT_PAUSE_MS 100 /* when there are no file descriptors */

struct listener {
	struct bound socket;
	struct server *server;
	const struct endpoint *endpoint;
	size_t clients;
	struct event readable;
	struct event pause;
};

struct listener *
listener_open(const struct listener_config *c)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		log_error("listener %s", c->name);
	else if (bound_open(&l->socket, c))
		return l;
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

	if (l->clients >= l->socket.config->max_clients) {
		refuse(l, fd);
		return;
	}
	if (net_addr_path(&l->socket.config->addr) == NULL)
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
			l->socket.config->name);
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
	event_assign(&l->readable, base, l->socket.fd, EV_READ | EV_PERSIST,
		accept_clients, l);
	evtimer_assign(&l->pause, base, resume_accepting, l);
	if (event_add(&l->readable, NULL) < 0) {
		log_errorx("listener %s: can't watch its socket", l->socket.config->name);
		return false;
	}
	return true;
}

void
listener_stop(struct listener *l)
{
	if (l->socket.fd < 0)
		return;
	if (l->server != NULL) {
		accept_clients(l->socket.fd, 0, l); /* those who wait in the backlog */
		event_del(&l->readable);
		event_del(&l->pause);
	}
	bound_close(&l->socket);
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	listener_stop(l);
	free(l);
}
