/* One connection through the bridge.
 *
 * First the client is held while reach.c tries the targets. Then bytes go both ways; what
 * one side can't take yet is kept, and meanwhile nothing is read from the other, so that
 * at most a chunk waits in each direction.
 *
 * Tor has no half-close: when the client has said all, it is not told, so that the answer
 * that is under way still comes.
 *
 * The bytes are copied. splice(2) would do without, but it takes two pipes for each
 * connection, and haproxy forwards no more with it than without ("make bench"). */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../peer_uid.h"
#include "relay_inside.h"

#define LINGER_MS 5000 /* for a client to read why it is refused */
#define LOOK_MS 10000

struct relay *
relay_next(struct relay *r)
{
	return LIST_NEXT(r, entry);
}

void
relay_set_deadline(struct relay *r, int ms)
{
	r->deadline = monotime_add_ms(loop_now(), ms);
}

static void
end_close(struct end *e)
{
	if (e->fd < 0)
		return;
	watch_stop(&e->watch);
	close(e->fd);
	buffer_clear(&e->waiting);
	e->fd = -1;
	e->waits_for = 0;
}

void
relay_leave_tor(struct relay *r)
{
	struct socks_pool *tors = r->bridge->tors;

	if (r->tor < socks_pool_size(tors))
		socks_pool_end(tors, r->tor);
	r->tor = socks_pool_size(tors);
	end_close(&r->server);
}

void
relay_free(struct relay *r)
{
	struct bridge *b = r->bridge;

	relay_leave_tor(r);
	end_close(&r->client);
	LIST_REMOVE(r, entry);
	places_leave(&b->places, &r->place);
	b->rejected -= r->rejected;
	free(r->packed);
	free(r);
	bridge_relay_ended(b);
}

/* Commands and answers are short, and each side waits for the other's. */
void
relay_set_nodelay(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Events */

static void end_ready(evutil_socket_t fd, short what, void *arg);

void
relay_wait_for(struct relay *r, struct end *e, short what)
{
	if (e->fd < 0 || e->waits_for == what)
		return;
	watch_stop(&e->watch);
	e->waits_for = what;
	if (what == 0)
		return;
	watch_init(&e->watch, r->bridge->config.loop, e->fd, (short)(what | EV_PERSIST),
		end_ready, r);
	watch_insist(&e->watch, WATCH_NO_LIMIT);
}

/* The end: what a mail server understands, and logs */

/* The client has been sent all. Closing with input unread would reset the connection, and
 * what is still on the way to it be lost. */
static void
let_client_close(struct relay *r, int ms)
{
	shutdown(r->client.fd, SHUT_WR);
	r->stage = STAGE_CLOSING;
	relay_wait_for(r, &r->client, EV_READ);
	relay_set_deadline(r, ms);
}

void
relay_refuse(struct relay *r, const char *code, const char *what, const char *why)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "421 %s %s%s%s\r\n", code, what,
		why == NULL ? "" : ": ", why == NULL ? "" : why);

	relay_leave_tor(r);
	(void)!send(r->client.fd, text, (size_t)n, MSG_NOSIGNAL);
	let_client_close(r, LINGER_MS);
}

static void
discard(struct relay *r)
{
	ssize_t n = recv(r->client.fd, r->bridge->chunk, RELAY_CHUNK, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		relay_free(r);
}

void
relay_refuse_for_descriptors(struct relay *r)
{
	relay_counters(r)->bridge_refused++;
	relay_refuse(r, "4.3.2", "out of file descriptors", NULL);
}

/* Relaying */

static bool
has_waiting(const struct end *e)
{
	return e->sent < e->waiting.len;
}

/* Nothing more can be sent to it. If its connection isn't lost (the kernel had no memory)
 * it has to hear that, or both sides would wait for each other. */
static void
close_write(struct end *e)
{
	e->write_closed = true;
	shutdown(e->fd, SHUT_WR);
	buffer_clear(&e->waiting);
	e->sent = 0;
}

/* Sends what it can, keeps the rest. False: out of memory. */
static bool
forward(struct end *to, const char *data, size_t len)
{
	ssize_t n = send(to->fd, data, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		close_write(to);
		return true;
	}
	if (n < 0)
		n = 0;
	to->sent = 0;
	return (size_t)n == len || buffer_set(&to->waiting, data + n, len - (size_t)n);
}

static void
send_waiting(struct end *to)
{
	ssize_t n = send(to->fd, to->waiting.data + to->sent, to->waiting.len - to->sent,
		MSG_NOSIGNAL);

	if (n < 0) {
		if (errno != EAGAIN)
			close_write(to);
		return;
	}
	to->sent += (size_t)n;
	if (!has_waiting(to)) {
		buffer_clear(&to->waiting);
		to->sent = 0;
	}
}

/* A server that is reset has said all: it is the client's to read. */
static bool
move(struct relay *r, struct end *from, struct end *to)
{
	char *chunk = r->bridge->chunk;
	ssize_t n = recv(from->fd, chunk, RELAY_CHUNK, 0);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n < 0 && from == &r->client)
		return false;
	if (n <= 0)
		from->read_eof = true;
	else if (from == &r->server)
		replies_feed(&r->replies, chunk, (size_t)n);
	return n <= 0 || forward(to, chunk, (size_t)n);
}

/* A client that has said all may still listen, or may have closed: that shows, by its
 * reset, when something was sent to it. Its end can always be read, so edges count. */
static short
client_waits_for(const struct relay *r)
{
	const struct end *c = &r->client, *s = &r->server;
	short what = has_waiting(c) ? EV_WRITE : 0;

	if (s->read_eof || s->write_closed || has_waiting(s))
		return what;
	if (!c->read_eof)
		return EV_READ | what;
	return what != 0 ? what : EV_READ | EV_ET;
}

static bool
is_reset(const struct end *e)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0;
}

/* The server has gone, with tor or without, or has to go. A client that waits for a reply
 * is given one: Exim from 4.98 on loses a message whose connection ends between a
 * recipient's reply and that to DATA, and others log no reason. */
static void
end_for_client(struct relay *r, const char *why)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "421 4.4.2 %s\r\n", why);

	relay_leave_tor(r);
	if (!has_waiting(&r->client) && replies_can_follow(&r->replies))
		(void)!send(r->client.fd, text, (size_t)n, MSG_NOSIGNAL);
	let_client_close(r, r->bridge->config.idle_ms);
}

/* What each end is to wait for, now that something has moved. */
static void
settle(struct relay *r)
{
	struct end *c = &r->client, *s = &r->server;

	if (s->read_eof && !has_waiting(c)) {
		if (c->read_eof)
			relay_free(r);
		else
			end_for_client(r, "connection to the onion service lost");
		return;
	}
	relay_wait_for(r, c, client_waits_for(r));
	relay_wait_for(r, s,
		(short)((!s->read_eof && !has_waiting(c) ? EV_READ : 0) |
			(has_waiting(s) ? EV_WRITE : 0)));
	relay_set_deadline(r, r->bridge->config.idle_ms);
}

static void
relay_bytes(struct relay *r, struct end *e, short what)
{
	struct end *other = e == &r->client ? &r->server : &r->client;
	bool good = true;

	if (what & EV_WRITE)
		send_waiting(e);
	if (what & EV_READ && e->read_eof)
		good = !is_reset(e);
	else if (what & EV_READ && !has_waiting(other))
		good = move(r, e, other);
	if (good && !r->client.write_closed)
		settle(r);
	else
		relay_free(r);
}

void
relay_start(struct relay *r, const uint8_t *greeting, size_t len)
{
	relay_counters(r)->bridge_connected++;
	r->stage = STAGE_RELAYING;
	replies_feed(&r->replies, (const char *)greeting, len);
	if ((len > 0 && !forward(&r->client, (const char *)greeting, len)) ||
		r->client.write_closed)
		relay_free(r);
	else
		settle(r);
}

/* A client that leaves before there is a server needs none. One that speaks first has to
 * wait. */
static void
client_early(struct relay *r)
{
	char byte;
	ssize_t n = recv(r->client.fd, &byte, 1, MSG_PEEK);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		relay_free(r);
	else if (n > 0)
		relay_wait_for(r, &r->client, 0);
}

static void
end_ready(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;
	struct end *e = fd == r->client.fd ? &r->client : &r->server;

	if (r->stage == STAGE_RELAYING)
		relay_bytes(r, e, what);
	else if (r->stage == STAGE_CLOSING)
		discard(r);
	else if (e == &r->client)
		client_early(r);
	else
		reach_ready(r);
}

/* While nothing is read from the client, or it has said all, its end doesn't show. Half
 * closed it has a right to its place, closed it hasn't. */
static bool
may_have_closed(const struct relay *r)
{
	return r->stage != STAGE_CLOSING &&
	       (r->client.read_eof || !(r->client.waits_for & EV_READ));
}

static bool
has_closed(const struct relay *r)
{
	struct sockaddr_in client, server;
	socklen_t clen = sizeof(client), slen = sizeof(server);
	uid_t owner;

	if (getpeername(r->client.fd, (struct sockaddr *)&client, &clen) < 0)
		return errno == ENOTCONN; /* reset */
	return getsockname(r->client.fd, (struct sockaddr *)&server, &slen) == 0 &&
	       peer_uid_look(&client, &server, &owner) == PEER_CLOSED;
}

/* False: there was nobody any more, and the relay has gone. */
static bool
look_at_client(struct relay *r, struct monotime now)
{
	if (!may_have_closed(r)) {
		r->look.ns = 0;
		return true;
	}
	if (r->look.ns != 0 && !monotime_reached(r->look, now))
		return true;
	if (r->look.ns != 0 && has_closed(r)) {
		relay_counters(r)->bridge_abandoned++;
		relay_free(r);
		return false;
	}
	r->look = monotime_add_ms(now, LOOK_MS);
	return true;
}

void
relay_look_at_time(struct relay *r, struct monotime now)
{
	if (!look_at_client(r, now))
		return;
	if (r->stage == STAGE_RELAYING && monotime_reached(r->end, now)) {
		relay_counters(r)->bridge_sessions_cut++;
		end_for_client(r, "the session has taken too long");
		return;
	}
	if (!monotime_reached(r->deadline, now))
		return;
	switch (r->stage) {
	case STAGE_CONNECTING:
	case STAGE_SOCKS:
		reach_timed_out(r);
		break;
	case STAGE_RELAYING:
		relay_counters(r)->bridge_timeouts++;
		relay_free(r);
		break;
	case STAGE_CLOSING:
		relay_free(r);
	}
}

/* The beginning */

/* It takes no place of those that may stay, however long it takes to read why. */
static void
reject(struct relay *r, const char *code, const char *what)
{
	struct bridge *b = r->bridge;

	relay_refuse(r, code, what, NULL);
	r->rejected = true;
	if (++b->rejected > BRIDGE_REJECTED_MAX)
		relay_free(r);
}

static bool
is_local(int fd, struct sockaddr_in *client)
{
	socklen_t len = sizeof(*client);

	return getpeername(fd, (struct sockaddr *)client, &len) == 0 &&
	       ntohl(client->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool
is_user(const struct bridge *b, uid_t owner)
{
	for (size_t i = 0; i < b->config.nusers; i++)
		if (b->config.user[i] == owner)
			return true;
	return false;
}

/* False: it has been refused. */
static bool
take_place(struct relay *r, uid_t owner)
{
	struct places *places = &r->bridge->places;

	if (!places_has_room(places, owner)) {
		relay_counters(r)->bridge_refused++;
		reject(r, "4.3.2", "too many connections");
		return false;
	}
	if (places_take(places, &r->place, owner, r))
		return true;
	relay_refuse(r, "4.3.0", "out of memory", NULL);
	return false;
}

/* False: it has been refused. */
static bool
admit(struct relay *r, const struct sockaddr_in *address)
{
	const struct bridge *b = r->bridge;
	struct sockaddr_in client = {0};
	uid_t owner = PLACES_NOBODY;
	bool good = is_local(r->client.fd, &client);

	errno = 0;
	if (good && peer_uid_look(&client, address, &owner) != PEER_OPEN &&
		(errno == EMFILE || errno == ENFILE)) {
		relay_refuse_for_descriptors(r);
		return false;
	}
	if (good && (b->config.any_user || is_user(b, owner)))
		return take_place(r, owner);
	relay_counters(r)->bridge_denied++;
	reject(r, "4.7.0", "this user may not connect");
	return false;
}

void
relay_new(struct bridge *b, int fd, const struct sockaddr_in *address)
{
	struct relay *r = calloc(1, sizeof(*r));
	struct bridge_line line;

	if (r == NULL ||
		!bridge_state_get(b->state, ntohl(address->sin_addr.s_addr), &line)) {
		free(r);
		close(fd);
		return;
	}
	relay_set_nodelay(fd);
	r->bridge = b;
	r->client.fd = fd;
	r->server.fd = -1;
	r->tor = socks_pool_size(b->tors);
	r->end = monotime_add_ms(loop_now(), b->config.session_ms);
	LIST_INSERT_HEAD(&b->relays, r, entry);
	b->count++;
	b->config.counters->bridge_clients++;
	if (!admit(r, address))
		return;
	bridge_state_use(b->state, line.ipv4);
	if (!reach_prepare(r, &line)) {
		relay_refuse(r, "4.3.0", "out of memory", NULL);
		return;
	}
	relay_wait_for(r, &r->client, EV_READ);
	reach_begin(r);
}
