#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "acceptor.h"
#include "net/log.h"
#include "peer_uid.h"
#include "session.h"

struct listener {
	struct acceptor socket;
	struct clients *clients;
	const struct endpoint *endpoint;
	struct clients_share share;
	struct listener_counts counts;
};

struct listener *
listener_open(const struct listener_config *c)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		log_error("listener %s", c->name);
	else if (acceptor_open(&l->socket, c))
		return l;
	free(l);
	return NULL;
}

/* Clients */

static struct counters *
counters(const struct listener *l)
{
	return clients_config(l->clients)->counters;
}

static void
refuse(struct listener *l, int fd)
{
	char text[PROTO_REPLY_MAX];
	struct reply reply = {.text = text};

	counters(l)->clients_refused++;
	l->counts.refused++;
	l->endpoint->proto->refuse(&reply, REFUSE_BUSY);
	/* Into an empty socket buffer: it fits, or the client has gone. */
	(void)!send(fd, reply.text, reply.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

/* Closes the client that has been idle longest, of the user who has most. False: that
 * user has none that is idle. */
static bool
make_room(struct listener *l, uid_t user)
{
	struct place *place;

	while ((place = places_longest_idle(&l->share.places, user)) != NULL)
		if (session_give_way(place->holder)) {
			counters(l)->clients_evicted++;
			l->counts.evicted++;
			return true;
		}
	return false;
}

static void
serve(void *arg, int fd)
{
	struct listener *l = arg;
	const struct session_config session = {.clients = l->clients,
		.endpoint = l->endpoint,
		.places = &l->share.places,
		.fd = fd,
		.user = peer_uid_of(fd)};
	const int on = 1;

	if (!places_has_room(session.places, session.user) &&
		!make_room(l, session.user)) {
		refuse(l, fd);
		return;
	}
	if (net_addr_path(&l->socket.config->addr) == NULL)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	counters(l)->clients++;
	session_start(&session);
}

/* File descriptors */

static bool
is_anybody_waiting(const struct listener *l)
{
	struct pollfd p = {.fd = l->socket.fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static bool
no_more(void *arg)
{
	struct listener *l = arg;

	return !clients_has_descriptor(l->clients, &l->share) && is_anybody_waiting(l) &&
	       !make_room(l, PLACES_NOBODY);
}

void
listener_start(
	struct listener *l, struct clients *clients, const struct endpoint *endpoint)
{
	const struct clients_config *config = clients_config(clients);
	struct acceptor_user user = {.accepted = serve,
		.full = no_more,
		.arg = l,
		.counters = config->counters};

	l->clients = clients;
	l->endpoint = endpoint;
	clients_add_share(clients, &l->share, l->socket.config->max_clients);
	acceptor_start(&l->socket, config->loop, &user);
}

struct listener_counts
listener_counts(const struct listener *l)
{
	return l->counts;
}

void
listener_stop(struct listener *l)
{
	acceptor_drain(&l->socket);
	acceptor_close(&l->socket);
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	listener_stop(l);
	free(l);
}
