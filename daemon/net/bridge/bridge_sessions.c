#include "bridge_sessions.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../peer_uid.h"
#include "../ticker.h"
#include "../watch.h"
#include "core/places.h"
#include "farewell.h"
#include "relay.h"

#define TICK_MS 1000
#define LINGER_MS 5000 /* for a client to read why it is refused */
#define LOOK_MS 10000

enum stage {
	STAGE_DIALLING,
	STAGE_RELAYING,
	STAGE_ENDING, /* there is only the client */
};

struct session {
	LIST_ENTRY(session) entry;
	struct bridge_sessions *all;
	enum stage stage;
	int client, server;   /* server: -1 without a connection */
	size_t tor;           /* that has the server's */
	struct monotime end;  /* of STAGE_ENDING */
	struct monotime last; /* moment to relay, whatever moves */
	struct monotime look; /* when to ask whether the client has closed */
	struct place place;
	bool rejected;    /* it is one of BRIDGE_REJECTED_MAX */
	bool was_relayed; /* and has bridge_farewell_ms, not LINGER_MS, to close */

	/* Of the stage. */
	union {
		struct {
			struct dial *dial;
			struct watch client;
			bool client_spoke; /* and isn't watched any more */
		} dialling;
		struct relay relay;
		struct farewell farewell;
	};
};

struct bridge_sessions {
	struct bridge_sessions_config config;
	struct relay_config relay;
	LIST_HEAD(, session) list;
	size_t count;
	struct places places;
	size_t rejected;    /* sessions that have no place */
	struct ticker tick; /* looks at the sessions' times */
	char chunk[RELAY_CHUNK];
};

/* Commands and answers are short, and each side waits for the other's. */
static void
set_nodelay(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* The end */

static void
leave_server(struct session *s)
{
	if (s->server < 0)
		return;
	socks_pool_end(s->all->config.dial.pool, s->tor);
	close(s->server);
	s->server = -1;
}

/* Nothing calls the session any more. */
static void
leave_stage(struct session *s)
{
	switch (s->stage) {
	case STAGE_DIALLING:
		watch_stop(&s->dialling.client);
		if (s->dialling.dial != NULL)
			dial_cancel(s->dialling.dial);
		break;
	case STAGE_RELAYING:
		relay_stop(&s->relay);
		break;
	case STAGE_ENDING:
		farewell_stop(&s->farewell);
	}
}

static void
session_free(struct session *s)
{
	struct bridge_sessions *all = s->all;

	leave_stage(s);
	leave_server(s);
	farewell_close(s->client);
	LIST_REMOVE(s, entry);
	places_leave(&all->places, &s->place);
	all->rejected -= s->rejected;
	free(s);
	if (--all->count == 0)
		all->config.none_left(all->config.arg);
}

static void
client_closed(void *arg)
{
	session_free(arg);
}

static void
say_farewell(struct session *s, const struct farewell_words *words, int ms)
{
	leave_stage(s);
	leave_server(s);
	s->stage = STAGE_ENDING;
	s->end = monotime_add_ms(loop_now(), ms);
	farewell_start(
		&s->farewell, s->all->config.loop, s->client, words, client_closed, s);
}

/* A mail server understands it, and logs it. why may be NULL. */
static void
refuse(struct session *s, const char *code, const char *what, const char *why)
{
	char text[FAREWELL_TEXT_MAX];
	const struct farewell_words words = {.text = text, .count = 1, .close = true};

	snprintf(text, sizeof(text), "421 %s %s%s%s", code, what, why == NULL ? "" : ": ",
		why == NULL ? "" : why);
	say_farewell(s, &words, LINGER_MS);
}

/* Relaying */

/* The server has gone, or has to go. Of what the client hears depends whether it keeps
 * its mail; see farewell.h. */
static void
end_relay(struct session *s, const char *text, bool client_listens)
{
	const struct dialogue *d = &s->relay.dialogue;
	struct farewell_words words = {.close = client_listens};

	switch (dialogue_state(d)) {
	case DIALOGUE_SMTP:
		words.text = text;
		words.count = dialogue_owed(d);
		words.in_line = dialogue_in_line(d);
		words.answer = true;
		break;
	case DIALOGUE_TLS: /* nothing that could be said is understood */
		break;
	case DIALOGUE_OVER:
	case DIALOGUE_OTHER:
		words.close = true;
	}
	s->was_relayed = true;
	say_farewell(s, &words, s->all->config.farewell_ms);
}

static void
relay_ended(void *arg, enum relay_end end)
{
	switch (end) {
	case RELAY_CLIENT_GONE:
		session_free(arg);
		break;
	case RELAY_SERVER_GONE:
	case RELAY_BOTH_GONE:
		end_relay(arg, "421 4.4.2 connection to the onion service lost",
			end == RELAY_BOTH_GONE);
		break;
	case RELAY_NO_MEMORY:
		end_relay(arg, "421 4.3.0 out of memory", false);
	}
}

/* Dialling */

static void
dialled(void *arg, const struct dialled *d)
{
	struct session *s = arg;
	struct bridge_sessions *all = s->all;

	s->dialling.dial = NULL;
	if (d->fd < 0) {
		refuse(s, d->code, d->what, d->why);
		return;
	}
	leave_stage(s);
	s->server = d->fd;
	s->tor = d->tor;
	set_nodelay(s->server);
	all->config.counters->bridge_connected++;
	s->stage = STAGE_RELAYING;
	if (!relay_start(
		    &s->relay, &all->relay, s->client, s->server, d->greeting, d->len, s))
		refuse(s, "4.3.0", "out of memory", NULL);
}

/* A client that leaves before there is a server needs none. One that speaks first has to
 * wait. */
static void
client_early(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK);

	(void)what;
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		session_free(s);
	} else if (n > 0) {
		watch_stop(&s->dialling.client);
		s->dialling.client_spoke = true;
	}
}

static void
start_dialling(struct session *s, const struct bridge_line *line)
{
	struct bridge_sessions *all = s->all;

	s->dialling.dial = dial_start(&all->config.dial, line, dialled, s);
	if (s->dialling.dial == NULL) {
		refuse(s, "4.3.0", "out of memory", NULL);
		return;
	}
	watch_init(&s->dialling.client, all->config.loop, s->client, EV_READ | EV_PERSIST,
		client_early, s);
	watch_insist(&s->dialling.client, WATCH_NO_LIMIT);
}

/* Time */

/* While nothing is read from the client, or it has sent everything, its end doesn't show.
 * Half closed it has a right to its place, closed it hasn't. */
static bool
may_have_closed(const struct session *s)
{
	switch (s->stage) {
	case STAGE_DIALLING:
		return s->dialling.client_spoke;
	case STAGE_RELAYING:
		return !relay_sees_client(&s->relay);
	default:
		return false;
	}
}

static bool
has_closed(const struct session *s)
{
	struct sockaddr_in client, server;
	socklen_t clen = sizeof(client), slen = sizeof(server);
	uid_t owner;

	if (getpeername(s->client, (struct sockaddr *)&client, &clen) < 0)
		return errno == ENOTCONN; /* reset */
	return getsockname(s->client, (struct sockaddr *)&server, &slen) == 0 &&
	       peer_uid_look(&client, &server, &owner) == PEER_CLOSED;
}

/* Is the client there no more? */
static bool
look_at_client(struct session *s, struct monotime now)
{
	if (!may_have_closed(s)) {
		s->look.ns = 0;
		return false;
	}
	if (s->look.ns != 0 && !monotime_reached(s->look, now))
		return false;
	if (s->look.ns != 0 && has_closed(s))
		return true;
	s->look = monotime_add_ms(now, LOOK_MS);
	return false;
}

static void
look_at_relay(struct session *s, struct monotime now)
{
	struct bridge_sessions *all = s->all;

	if (monotime_reached(s->last, now)) {
		all->config.counters->bridge_sessions_cut++;
		end_relay(s, "421 4.4.2 the session has taken too long", false);
	} else if (monotime_reached(
			   monotime_add_ms(s->relay.moved, all->config.idle_ms), now)) {
		all->config.counters->bridge_timeouts++;
		end_relay(s, "421 4.4.2 nothing has moved for too long", false);
	}
}

static void
look_at_time(struct session *s, struct monotime now)
{
	if (look_at_client(s, now)) {
		s->all->config.counters->bridge_abandoned++;
		session_free(s);
	} else if (s->stage == STAGE_RELAYING) {
		look_at_relay(s, now);
	} else if (s->stage == STAGE_ENDING && monotime_reached(s->end, now)) {
		s->all->config.counters->bridge_farewells_cut += s->was_relayed;
		session_free(s);
	}
}

static void
tick(void *arg)
{
	struct bridge_sessions *all = arg;
	struct monotime now = loop_now();
	struct session *s, *next;

	for (s = LIST_FIRST(&all->list); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		look_at_time(s, now);
	}
}

/* The beginning */

/* It takes no place of those that may stay, however long it takes to read why. */
static void
reject(struct session *s, const char *code, const char *what)
{
	struct bridge_sessions *all = s->all;

	refuse(s, code, what, NULL);
	s->rejected = true;
	if (++all->rejected > BRIDGE_REJECTED_MAX)
		session_free(s);
}

static bool
is_user(const struct bridge_sessions_config *config, uid_t owner)
{
	for (size_t i = 0; i < config->nusers; i++)
		if (config->user[i] == owner)
			return true;
	return false;
}

/* False: it has been refused. */
static bool
take_place(struct session *s, uid_t owner)
{
	struct bridge_sessions *all = s->all;

	if (!places_has_room(&all->places, owner)) {
		all->config.counters->bridge_refused++;
		reject(s, "4.3.2", "too many connections");
		return false;
	}
	if (places_take(&all->places, &s->place, owner, s))
		return true;
	refuse(s, "4.3.0", "out of memory", NULL);
	return false;
}

static bool
is_local(int fd, struct sockaddr_in *client)
{
	socklen_t len = sizeof(*client);

	return getpeername(fd, (struct sockaddr *)client, &len) == 0 &&
	       ntohl(client->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* False: it has been refused. */
static bool
admit(struct session *s, const struct sockaddr_in *address)
{
	const struct bridge_sessions_config *config = &s->all->config;
	struct sockaddr_in client = {0};
	uid_t owner = PLACES_NOBODY;
	bool good = is_local(s->client, &client);

	errno = 0;
	if (good && peer_uid_look(&client, address, &owner) != PEER_OPEN &&
		(errno == EMFILE || errno == ENFILE)) {
		config->counters->bridge_refused++;
		refuse(s, "4.3.2", "out of file descriptors", NULL);
		return false;
	}
	if (good && (config->any_user || is_user(config, owner)))
		return take_place(s, owner);
	config->counters->bridge_denied++;
	reject(s, "4.7.0", "this user may not connect");
	return false;
}

void
bridge_sessions_accept(
	struct bridge_sessions *all, int fd, const struct sockaddr_in *address)
{
	struct session *s = calloc(1, sizeof(*s));
	struct bridge_line line;

	if (s == NULL || !bridge_state_get(all->config.state,
				 ntohl(address->sin_addr.s_addr), &line)) {
		free(s);
		farewell_close(fd);
		return;
	}
	set_nodelay(fd);
	s->all = all;
	s->client = fd;
	s->server = -1;
	s->last = monotime_add_ms(loop_now(), all->config.session_ms);
	LIST_INSERT_HEAD(&all->list, s, entry);
	all->count++;
	all->config.counters->bridge_clients++;
	if (!admit(s, address))
		return;
	bridge_state_use(all->config.state, line.ipv4);
	start_dialling(s, &line);
}

/* The whole */

void
bridge_sessions_end(struct bridge_sessions *all)
{
	struct session *s;

	LIST_FOREACH (s, &all->list, entry)
		if (s->stage == STAGE_RELAYING)
			end_relay(s, "421 4.3.2 shutting down", false);
		else if (s->stage == STAGE_DIALLING)
			refuse(s, "4.3.2", "shutting down", NULL);
}

size_t
bridge_sessions_count(const struct bridge_sessions *all)
{
	return all->count;
}

struct bridge_sessions *
bridge_sessions_new(const struct bridge_sessions_config *config)
{
	struct bridge_sessions *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->config = *config;
	all->relay = (struct relay_config){
		.loop = config->loop, .chunk = all->chunk, .ended = relay_ended};
	LIST_INIT(&all->list);
	places_init(&all->places, config->max);
	ticker_start(&all->tick, config->loop, TICK_MS, tick, all);
	return all;
}

void
bridge_sessions_free(struct bridge_sessions *all)
{
	if (all == NULL)
		return;
	ticker_stop(&all->tick);
	while (!LIST_EMPTY(&all->list))
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		session_free(LIST_FIRST(&all->list));
	free(all);
}
