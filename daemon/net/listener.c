#include "net/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "acceptor.h"
#include "net/log.h"
#include "peer_uid.h"
#include "server_inside.h"

struct listener {
	LIST_ENTRY(listener) entry;
	struct acceptor socket;
	struct server *server;
	const struct endpoint *endpoint;
	struct places places;
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

static void
refuse(struct listener *l, int fd)
{
	char text[PROTO_REPLY_MAX];
	struct reply reply = {.text = text};

	server_counters(l->server)->clients_refused++;
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

	while ((place = places_longest_idle(&l->places, user)) != NULL)
		if (session_give_way(place->holder)) {
			server_counters(l->server)->clients_evicted++;
			l->counts.evicted++;
			return true;
		}
	return false;
}

static void
serve(void *arg, int fd)
{
	struct listener *l = arg;
	uid_t user = peer_uid_of(fd);
	const int on = 1;

	if (!places_has_room(&l->places, user) && !make_room(l, user)) {
		refuse(l, fd);
		return;
	}
	if (net_addr_path(&l->socket.config->addr) == NULL)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	server_counters(l->server)->clients++;
	session_new(l->server, l->endpoint, fd, &l->places, user);
}

/* File descriptors */

/* May it have another? Beside its reserve, what the others have left of theirs isn't its.
 */
static bool
has_descriptor(const struct listener *l)
{
	const struct server *s = l->server;
	const size_t reserve = s->config.reserve;
	const struct listener *other;
	size_t kept = 0;

	LIST_FOREACH (other, &s->listeners, entry)
		if (other->places.taken < reserve)
			kept += reserve - other->places.taken;
	return l->places.taken < reserve || s->count + kept < s->config.max_clients;
}

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

	return !has_descriptor(l) && is_anybody_waiting(l) &&
	       !make_room(l, PLACES_NOBODY);
}

void
listener_start(struct listener *l, struct server *server, const struct endpoint *endpoint)
{
	struct acceptor_user user = {.accepted = serve,
		.full = no_more,
		.arg = l,
		.counters = server_counters(server)};

	l->server = server;
	l->endpoint = endpoint;
	places_init(&l->places, l->socket.config->max_clients);
	LIST_INSERT_HEAD(&server->listeners, l, entry);
	acceptor_start(&l->socket, server->config.loop, &user);
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
