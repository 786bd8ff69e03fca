/* The bytes are copied. splice(2) would do without, but it takes two pipes for each
 * connection, and haproxy forwards no more with it than without ("make bench"). */
#include "relay.h"

#include <errno.h>
#include <sys/socket.h>

static bool
has_waiting(const struct relay_side *s)
{
	return s->sent < s->waiting.len;
}

static void
drop_waiting(struct relay_side *s)
{
	buffer_clear(&s->waiting);
	s->sent = 0;
}

static void
stop(struct relay_side *s)
{
	watch_stop(&s->watch);
	s->waits_for = 0;
	drop_waiting(s);
}

void
relay_stop(struct relay *r)
{
	stop(&r->client);
	stop(&r->server);
}

static void
end(struct relay *r, enum relay_end how)
{
	relay_stop(r);
	r->config->ended(r->arg, how);
}

/* Sending */

/* Nothing more can be sent to it. If the server's connection isn't lost (the kernel had
 * no memory) it has to hear that, or both sides would wait for each other. */
static void
close_write(struct relay *r, struct relay_side *s)
{
	s->write_closed = true;
	if (s == &r->server)
		shutdown(s->fd, SHUT_WR);
	drop_waiting(s);
}

/* False: there was no memory to send to the client. */
static bool
send_some(struct relay *r, struct relay_side *to, const char *data, size_t len,
	size_t *sent)
{
	ssize_t n = send(to->fd, data, len, MSG_NOSIGNAL);

	*sent = n < 0 ? 0 : (size_t)n;
	if (n < 0 && errno != EAGAIN) {
		const bool is_gone = errno == EPIPE || errno == ECONNRESET;

		close_write(r, to);
		return to == &r->server || is_gone;
	}
	if (to == &r->client)
		dialogue_server(&r->dialogue, data, *sent);
	return true;
}

/* Sends what it can, keeps the rest. False: out of memory. */
static bool
forward(struct relay *r, struct relay_side *to, const char *data, size_t len)
{
	size_t n;

	to->sent = 0;
	if (!send_some(r, to, data, len, &n))
		return false;
	return to->write_closed || n == len ||
	       buffer_set(&to->waiting, data + n, len - n);
}

static bool
send_waiting(struct relay *r, struct relay_side *to)
{
	size_t n;

	if (!send_some(
		    r, to, to->waiting.data + to->sent, to->waiting.len - to->sent, &n))
		return false;
	to->sent += n;
	if (!has_waiting(to))
		drop_waiting(to);
	return true;
}

/* Moving */

/* A server that is reset has sent everything: it is the client's to read. */
static bool
move(struct relay *r, struct relay_side *from, struct relay_side *to, enum relay_end *how)
{
	char *chunk = r->config->chunk;
	ssize_t n = recv(from->fd, chunk, RELAY_CHUNK, 0);

	if (n < 0 && errno == EAGAIN)
		return true;
	*how = RELAY_CLIENT_GONE;
	if (n < 0 && from == &r->client)
		return false;
	if (n <= 0) {
		from->read_eof = true;
		return true;
	}
	if (from == &r->client)
		dialogue_client(&r->dialogue, chunk, (size_t)n);
	*how = RELAY_NO_MEMORY;
	return forward(r, to, chunk, (size_t)n);
}

static bool
is_reset(const struct relay_side *s)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0;
}

/* What each side is to wait for */

/* A client that has sent everything may still listen, or may have closed: that shows, by
 * its reset, when something was sent to it. Its end can always be read, so edges count.
 */
static short
client_waits_for(const struct relay *r)
{
	const struct relay_side *c = &r->client, *s = &r->server;
	short what = has_waiting(c) ? EV_WRITE : 0;

	if (s->read_eof || s->write_closed || has_waiting(s))
		return what;
	if (!c->read_eof)
		return EV_READ | what;
	return what != 0 ? what : EV_READ | EV_ET;
}

static short
server_waits_for(const struct relay *r)
{
	const struct relay_side *c = &r->client, *s = &r->server;

	return (short)((!s->read_eof && !has_waiting(c) ? EV_READ : 0) |
		       (has_waiting(s) ? EV_WRITE : 0));
}

static void ready(evutil_socket_t fd, short what, void *arg);

static void
wait_for(struct relay *r, struct relay_side *s, short what)
{
	if (s->waits_for == what)
		return;
	watch_stop(&s->watch);
	s->waits_for = what;
	if (what == 0)
		return;
	watch_init(
		&s->watch, r->config->loop, s->fd, (short)(what | EV_PERSIST), ready, r);
	watch_insist(&s->watch, WATCH_NO_LIMIT);
}

static void
go_on(struct relay *r)
{
	const struct relay_side *c = &r->client;

	if (r->server.read_eof && !has_waiting(c)) {
		end(r, c->read_eof ? RELAY_BOTH_GONE : RELAY_SERVER_GONE);
		return;
	}
	wait_for(r, &r->client, client_waits_for(r));
	wait_for(r, &r->server, server_waits_for(r));
	r->moved = loop_now();
}

static void
ready(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;
	struct relay_side *s = fd == r->client.fd ? &r->client : &r->server,
			  *other = s == &r->client ? &r->server : &r->client;
	enum relay_end how = RELAY_NO_MEMORY;
	bool good = !(what & EV_WRITE) || send_waiting(r, s);

	if (good && what & EV_READ && s->read_eof) {
		good = !is_reset(s);
		how = RELAY_CLIENT_GONE;
	} else if (good && what & EV_READ && !has_waiting(other)) {
		good = move(r, s, other, &how);
	}
	if (!good)
		end(r, how);
	else if (r->client.write_closed)
		end(r, RELAY_CLIENT_GONE);
	else
		go_on(r);
}

/* The greeting is sent from the loop, like all that has to wait. */
bool
relay_start(struct relay *r, const struct relay_config *config, int client, int server,
	const uint8_t *greeting, size_t len, void *arg)
{
	*r = (struct relay){.config = config,
		.arg = arg,
		.client.fd = client,
		.server.fd = server,
		.moved = loop_now()};
	if (len > 0 && !buffer_set(&r->client.waiting, (const char *)greeting, len))
		return false;
	wait_for(r, &r->client, client_waits_for(r));
	wait_for(r, &r->server, server_waits_for(r));
	return true;
}

bool
relay_sees_client(const struct relay *r)
{
	return !r->client.read_eof && r->client.waits_for & EV_READ;
}
