/* One connection through the bridge.
 *
 * First the client is held while the targets are tried, one after the other, each with as
 * many tors as it takes to find one that works. Then bytes go both ways; what one side
 * can't take yet is kept, and meanwhile nothing is read from the other, so that at most a
 * chunk waits in each direction.
 *
 * Tor has no half-close: when the client has said all, it is not told, so that the answer
 * that is under way still comes. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge_inside.h"
#include "buffer.h"
#include "core/siphash.h"
#include "core/socks.h"
#include "core/srvpack.h"
#include "net/log.h"
#include "peer.h"

#define HANDSHAKE_MS 5000 /* for what tor answers by itself */
#define LINGER_MS 5000    /* for a client to read why it is refused */

enum stage {
	STAGE_CONNECTING, /* to tor */
	STAGE_SOCKS,      /* tor tries the target */
	STAGE_RELAYING,
	STAGE_CLOSING, /* the client is told no more */
};

/* One of the two ends. */
struct end {
	int fd; /* -1: closed */
	struct event event;
	short waits_for;       /* what the event is set for */
	struct buffer waiting; /* to be sent here */
	size_t sent;           /* of it */
	bool said_all;         /* nothing more comes from here */
};

struct relay {
	LIST_ENTRY(relay) entry;
	struct bridge *bridge;
	enum stage stage;
	struct end client, server;
	struct monotime deadline; /* of the stage */
	struct socks socks;
	struct srv_set targets; /* its names are in packed */
	uint8_t target;         /* the one that is being tried */
	size_t tor;             /* by this one; torpool_size(): by none */
	bool turned_away;       /* it isn't one of bridge_max_clients */
	unsigned tried;         /* tors that didn't work, for this target */
	const char *why;        /* the last target failed */
	uint16_t inputlen;      /* of tor's answer that isn't whole */
	bool of_domain;         /* the password; else it is of the target */
	char password[17];
	char *packed;
	uint8_t input[SOCKS_INPUT_MAX];
};

static struct counters *
counters(const struct relay *r)
{
	return r->bridge->config.counters;
}

struct relay *
relay_next(struct relay *r)
{
	return LIST_NEXT(r, entry);
}

static void
set_deadline(struct relay *r, int ms)
{
	r->deadline = monotime_add_ms(loop_now(), ms);
}

static void
end_close(struct end *e)
{
	if (e->fd < 0)
		return;
	event_del(&e->event);
	close(e->fd);
	buffer_clear(&e->waiting);
	e->fd = -1;
	e->waits_for = 0;
}

static void
leave_tor(struct relay *r)
{
	struct torpool *tors = r->bridge->tors;

	if (r->tor < torpool_size(tors))
		torpool_end(tors, r->tor);
	r->tor = torpool_size(tors);
	end_close(&r->server);
}

void
relay_free(struct relay *r)
{
	struct bridge *b = r->bridge;

	leave_tor(r);
	end_close(&r->client);
	LIST_REMOVE(r, entry);
	b->turned_away -= r->turned_away;
	free(r->packed);
	free(r);
	bridge_relay_ended(b);
}

/* Events */

static void wait_for(struct relay *, struct end *, short what);

static void end_ready(evutil_socket_t fd, short what, void *arg);

/* What an end waits for; 0: nothing. */
static void
wait_for(struct relay *r, struct end *e, short what)
{
	if (e->fd < 0 || e->waits_for == what)
		return;
	if (e->waits_for != 0)
		event_del(&e->event);
	e->waits_for = what;
	if (what == 0)
		return;
	event_assign(&e->event, loop_base(r->bridge->config.loop), e->fd,
		(short)(what | EV_PERSIST), end_ready, r);
	if (event_add(&e->event, NULL) < 0)
		set_deadline(r, 0); /* no memory: it ends with the next tick */
}

/* The end: what a mail server understands, and logs */

/* The client has been sent all. Closing with input unread would reset the connection, and
 * what is still on the way to it be lost. */
static void
let_client_close(struct relay *r, int ms)
{
	shutdown(r->client.fd, SHUT_WR);
	r->stage = STAGE_CLOSING;
	wait_for(r, &r->client, EV_READ);
	set_deadline(r, ms);
}

static void
refuse(struct relay *r, const char *code, const char *what, const char *why)
{
	char text[160];
	int n = snprintf(text, sizeof(text), "421 %s %s%s%s\r\n", code, what,
		why == NULL ? "" : ": ", why == NULL ? "" : why);

	leave_tor(r);
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

static void
refuse_for_descriptors(struct relay *r)
{
	counters(r)->bridge_refused++;
	refuse(r, "4.3.2", "out of file descriptors", NULL);
}

/* Trying the targets */

static void next_tor(struct relay *);

static void
next_target(struct relay *r, const char *why)
{
	r->why = why;
	counters(r)->bridge_targets_failed++;
	r->tried = 0;
	if (++r->target < r->targets.n) {
		next_tor(r);
		return;
	}
	counters(r)->bridge_unreachable++;
	refuse(r, "4.4.1", "onion service unreachable", why);
}

/* This tor is of no use. Another may be, for the same target. */
static void
tor_failed(struct relay *r)
{
	torpool_failed(r->bridge->tors, r->tor);
	r->tried |= 1U << r->tor;
	leave_tor(r);
	next_tor(r);
}

/* Commands and answers are short, and each side waits for the other's. */
static void
set_nodelay(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static bool
connect_tor(struct relay *r)
{
	const struct net_addr *to = torpool_address(r->bridge->tors, r->tor);

	r->server = (struct end){.fd = socket(to->sa.ss_family,
					 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	if (r->server.fd < 0)
		return false;
	set_nodelay(r->server.fd);
	return connect(r->server.fd, (const struct sockaddr *)&to->sa, to->len) == 0 ||
	       errno == EINPROGRESS;
}

static void
next_tor(struct relay *r)
{
	struct torpool *tors = r->bridge->tors;
	size_t tor = torpool_choose(tors, r->tried);

	if (tor == torpool_size(tors)) {
		counters(r)->socks_down_answers++;
		refuse(r, "4.4.1", "onion service unreachable", "tor is down");
		return;
	}
	r->tor = tor;
	torpool_begin(tors, tor);
	r->stage = STAGE_CONNECTING;
	r->inputlen = 0;
	if (!connect_tor(r)) {
		if (r->server.fd < 0) /* that isn't tor's fault */
			refuse_for_descriptors(r);
		else
			tor_failed(r);
		return;
	}
	wait_for(r, &r->server, EV_WRITE);
	set_deadline(r, HANDSHAKE_MS);
}

/* SOCKS */

/* A name that keeps circuits apart, and tells nobody which. */
static void
make_password(struct relay *r, const char *of, size_t len)
{
	struct siphash_key key = {r->bridge->secret, r->bridge->config.isolate};

	snprintf(r->password, sizeof(r->password), "%016llx",
		(unsigned long long)siphash13(&key, of, len));
}

static bool
send_socks(struct relay *r)
{
	uint8_t out[SOCKS_OUTPUT_MAX];
	size_t n = socks_output(&r->socks, out);

	/* Into an empty socket buffer it goes as a whole. */
	return send(r->server.fd, out, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static void
connected_to_tor(struct relay *r)
{
	const struct srv_record *rr = &r->targets.rr[r->target];
	struct socks_target target = {
		.host = rr->host, .hostlen = rr->hostlen, .port = rr->port};
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(r->server.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ||
		error != 0) {
		tor_failed(r);
		return;
	}
	if (r->bridge->config.isolate != ISOLATE_NONE) {
		if (!r->of_domain)
			make_password(r, rr->host, rr->hostlen);
		target.user = "onionmxd";
		target.password = r->password;
	}
	socks_begin(&r->socks, &target);
	r->stage = STAGE_SOCKS;
	if (send_socks(r))
		wait_for(r, &r->server, EV_READ);
	else
		tor_failed(r);
}

static void start_relaying(struct relay *, const uint8_t *greeting, size_t len);

/* The conversation goes on with what has come in. */
static void
take_socks_input(struct relay *r)
{
	enum socks_state before = r->socks.state;
	size_t used = socks_input(&r->socks, r->input, r->inputlen);

	if (used == 0) {
		if (r->inputlen == SOCKS_INPUT_MAX)
			tor_failed(r);
		return;
	}
	switch (r->socks.state) {
	case SOCKS_FAILED:
		if (before != SOCKS_REQUEST || r->socks.code == 0) {
			tor_failed(r);
			break;
		}
		torpool_worked(r->bridge->tors, r->tor);
		leave_tor(r);
		next_target(r, socks_reason(r->socks.code));
		break;
	case SOCKS_CONNECTED:
		torpool_worked(r->bridge->tors, r->tor);
		start_relaying(r, r->input + used, r->inputlen - used);
		break;
	default:
		/* Tor says no more than it is asked. */
		r->inputlen = 0;
		if (!send_socks(r))
			tor_failed(r);
		else if (r->socks.state == SOCKS_REQUEST)
			set_deadline(r, r->bridge->config.connect_ms);
	}
}

static void
read_socks(struct relay *r)
{
	ssize_t n = recv(
		r->server.fd, r->input + r->inputlen, SOCKS_INPUT_MAX - r->inputlen, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		tor_failed(r);
		return;
	}
	r->inputlen = (uint16_t)(r->inputlen + n);
	take_socks_input(r);
}

/* Relaying */

static bool
has_waiting(const struct end *e)
{
	return e->sent < e->waiting.len;
}

/* Sends what it can, keeps the rest. False: that end is gone. */
static bool
forward(struct end *to, const char *data, size_t len)
{
	ssize_t n = send(to->fd, data, len, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		return false;
	if (n < 0)
		n = 0;
	to->sent = 0;
	return (size_t)n == len || buffer_set(&to->waiting, data + n, len - (size_t)n);
}

static bool
send_waiting(struct end *to)
{
	ssize_t n = send(to->fd, to->waiting.data + to->sent, to->waiting.len - to->sent,
		MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN;
	to->sent += (size_t)n;
	if (!has_waiting(to)) {
		buffer_clear(&to->waiting);
		to->sent = 0;
	}
	return true;
}

static bool
move(struct relay *r, struct end *from, struct end *to)
{
	char *chunk = r->bridge->chunk;
	ssize_t n = recv(from->fd, chunk, RELAY_CHUNK, 0);

	if (n < 0)
		return errno == EAGAIN;
	if (n == 0)
		from->said_all = true;
	return n == 0 || forward(to, chunk, (size_t)n);
}

/* What each end is to wait for, now that something has moved. */
static void
settle(struct relay *r)
{
	struct end *c = &r->client, *s = &r->server;

	if (s->said_all && !has_waiting(c)) {
		if (c->said_all) {
			relay_free(r);
		} else {
			leave_tor(r);
			let_client_close(r, r->bridge->config.idle_ms);
		}
		return;
	}
	wait_for(r, c,
		(short)((!c->said_all && !s->said_all && !has_waiting(s) ? EV_READ : 0) |
			(has_waiting(c) ? EV_WRITE : 0)));
	wait_for(r, s,
		(short)((!s->said_all && !has_waiting(c) ? EV_READ : 0) |
			(has_waiting(s) ? EV_WRITE : 0)));
	set_deadline(r, r->bridge->config.idle_ms);
}

static void
relay_bytes(struct relay *r, struct end *e, short what)
{
	struct end *other = e == &r->client ? &r->server : &r->client;
	bool good = true;

	if (what & EV_WRITE)
		good = send_waiting(e);
	if (good && what & EV_READ && !has_waiting(other))
		good = move(r, e, other);
	if (good)
		settle(r);
	else
		relay_free(r);
}

static void
start_relaying(struct relay *r, const uint8_t *greeting, size_t len)
{
	counters(r)->bridge_connected++;
	r->stage = STAGE_RELAYING;
	if (len > 0 && !forward(&r->client, (const char *)greeting, len))
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
		wait_for(r, &r->client, 0);
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
	else if (r->stage == STAGE_CONNECTING)
		connected_to_tor(r);
	else
		read_socks(r);
}

void
relay_look_at_time(struct relay *r, struct monotime now)
{
	if (!monotime_reached(r->deadline, now))
		return;
	switch (r->stage) {
	case STAGE_CONNECTING:
		tor_failed(r);
		break;
	case STAGE_SOCKS:
		if (r->socks.state != SOCKS_REQUEST) {
			tor_failed(r);
			break;
		}
		counters(r)->bridge_timeouts++;
		leave_tor(r);
		next_target(r, "timed out");
		break;
	case STAGE_RELAYING:
		counters(r)->bridge_timeouts++;
		relay_free(r);
		break;
	case STAGE_CLOSING:
		relay_free(r);
	}
}

/* The beginning */

/* It takes no place of those that may stay, however long it takes to read why. */
static void
turn_away(struct relay *r, const char *code, const char *what)
{
	struct bridge *b = r->bridge;

	refuse(r, code, what, NULL);
	r->turned_away = true;
	if (++b->turned_away > BRIDGE_TURNED_AWAY_MAX)
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
admit(struct relay *r, const struct sockaddr_in *address)
{
	const struct bridge *b = r->bridge;
	struct sockaddr_in client = {0};
	bool good = is_local(r->client.fd, &client);
	uid_t owner;

	errno = 0;
	if (good && !b->config.any_user)
		good = peer_owner(&client, address, &owner) && is_user(b, owner);
	if (!good && (errno == EMFILE || errno == ENFILE)) {
		refuse_for_descriptors(r);
	} else if (!good) {
		counters(r)->bridge_denied++;
		turn_away(r, "4.7.0", "this user may not connect");
	} else if (b->count - b->turned_away > b->config.max_clients) {
		counters(r)->bridge_refused++;
		turn_away(r, "4.3.2", "too many connections");
		good = false;
	}
	return good;
}

/* Copies the targets: their order may change in the book. */
static bool
take_way(struct relay *r, const struct way *w)
{
	struct srv_set set = {.n = w->route.n};

	for (uint8_t i = 0; i < set.n; i++)
		set.rr[i] = (struct srv_record){.host = w->route.target[i].host,
			.hostlen = w->route.target[i].hostlen,
			.port = w->route.target[i].port};
	if ((r->packed = malloc(srvpack_size(&set))) == NULL)
		return false;
	srvpack_put(r->packed, &set);
	srvpack_get(r->packed, &r->targets);
	r->of_domain = r->bridge->config.isolate == ISOLATE_DOMAIN && w->domain.len > 0;
	if (r->of_domain)
		make_password(r, w->domain.text, w->domain.len);
	return true;
}

void
relay_new(struct bridge *b, int fd, const struct sockaddr_in *address)
{
	struct relay *r = calloc(1, sizeof(*r));
	struct way way;

	if (r == NULL ||
		!addressbook_get(b->book, ntohl(address->sin_addr.s_addr), &way)) {
		free(r);
		close(fd);
		return;
	}
	set_nodelay(fd);
	r->bridge = b;
	r->client.fd = fd;
	r->server.fd = -1;
	r->tor = torpool_size(b->tors);
	LIST_INSERT_HEAD(&b->relays, r, entry);
	b->count++;
	b->config.counters->bridge_clients++;
	if (!admit(r, address))
		return;
	if (!take_way(r, &way)) {
		refuse(r, "4.3.0", "out of memory", NULL);
		return;
	}
	wait_for(r, &r->client, EV_READ);
	next_tor(r);
}
