/* One client's connection.
 *
 * Input that can't be used yet and output that can't be sent yet are kept in buffers
 * of the session's own; an idle client has none. While output waits, or too many answers
 * are owed, nothing more is read, so both are bounded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "session_inside.h"

/* Requests that are taken in a round of the loop, and of one client at least and at most.
 */
#define ROUND_REQUESTS 4096U
#define TURN_MIN 8U
#define TURN_MAX 512U

#define DISCARD_MAX (4096 * 1024) /* bytes of garbage that we read before closing */

/* Clocks */

static void
clock_stop(struct session *s, struct clock *c)
{
	if (c->ends.ns != 0)
		TAILQ_REMOVE(&s->server->running, c, entry);
	c->ends.ns = 0;
}

/* One that runs goes on: what moves meanwhile doesn't renew it. */
static void
clock_run(struct session *s, struct clock *c, bool wanted)
{
	struct server *server = s->server;

	if (!wanted)
		clock_stop(s, c);
	if (!wanted || c->ends.ns != 0)
		return;
	c->session = s;
	c->ends = monotime_add_ms(loop_now(), server->config.client_timeout_ms);
	TAILQ_INSERT_TAIL(&server->running, c, entry);
	if (!watch_is_on(&server->timer))
		watch_insist(&server->timer, server->config.client_timeout_ms);
}

/* Who connects for one question only has it ready. */
static bool
is_about_to_ask(const struct session *s)
{
	return s->fresh && s->endpoint->proto->one_shot;
}

/* While answers wait to be sent, too many are owed or it is others' turn, it isn't the
 * client that keeps a request from being whole. */
static void
run_clocks(struct session *s)
{
	bool reads = !s->last && s->out.len == 0 && !s->is_waiting &&
		     s->nrequests < PIPELINE_MAX;

	clock_run(s, &s->request, reads && (s->in.len > 0 || is_about_to_ask(s)));
	clock_run(s, &s->answer, s->out.len > 0);
}

struct session *
session_next(struct session *s)
{
	return TAILQ_NEXT(s, all);
}

/* Output */

void
session_send(struct session *s, const char *data, size_t len)
{
	ssize_t n = 0;

	if (s->broken || len == 0)
		return;
	if (s->out.len == 0) {
		n = send(s->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			s->broken = true;
			return;
		}
		if (n < 0)
			n = 0;
	}
	if ((size_t)n == len)
		return;
	if (!buffer_append(&s->out, data + n, len - (size_t)n)) {
		s->broken = true; /* half an answer is no answer: the client asks again */
		return;
	}
	if (!watch_is_on(&s->writable) && !watch_start(&s->writable, WATCH_NO_LIMIT))
		s->broken = true;
}

static void
send_waiting(struct session *s)
{
	struct buffer out = s->out;

	s->out = (struct buffer){NULL, 0};
	session_send(s, out.data, out.len);
	free(out.data);
}

/* Sends the answers that are ready, up to the first that isn't. */
static void
send_ready(struct session *s)
{
	char *out = s->server->output;
	struct request *r;
	size_t len = 0;

	while ((r = STAILQ_FIRST(&s->requests)) != NULL && r->lookup == NULL) {
		if (r->reply == NULL || OUTPUT_SIZE - len < r->len) {
			session_send(s, out, len);
			len = 0;
		}
		if (r->reply == NULL)
			s->broken = true;
		else
			memcpy(out + len, r->reply, r->len);
		len += r->len;
		request_free(s, r);
	}
	session_send(s, out, len);
}

/* Turns. Between two of a client all others are read, too. */

unsigned
session_turn(const struct session *s)
{
	const unsigned taken = s->server->taken;

	if (taken + TURN_MIN >= ROUND_REQUESTS)
		return TURN_MIN;
	return taken + TURN_MAX < ROUND_REQUESTS ? TURN_MAX : ROUND_REQUESTS - taken;
}

static void
end_round(struct server *server)
{
	if (!watch_is_on(&server->turn))
		watch_insist(&server->turn, 0);
}

void
session_took(struct session *s)
{
	if (++s->server->taken % (ROUND_REQUESTS / 4) == 0)
		end_round(s->server);
}

void
session_wait_turn(struct session *s)
{
	struct server *server = s->server;

	if (s->is_waiting)
		return;
	end_round(server);
	s->is_waiting = true;
	server->nwaiting++;
	TAILQ_INSERT_TAIL(&server->waiting, s, waiting);
}

static void
stop_waiting(struct session *s)
{
	if (!s->is_waiting)
		return;
	s->is_waiting = false;
	s->server->nwaiting--;
	TAILQ_REMOVE(&s->server->waiting, s, waiting);
}

/* Those that come to wait meanwhile have another in the next round. */
void
sessions_take_turns(struct server *server)
{
	struct session *s;

	server->taken = 0;
	for (size_t n = server->nwaiting; n > 0; n--) {
		if ((s = TAILQ_FIRST(&server->waiting)) == NULL)
			return;
		stop_waiting(s);
		session_pump(s);
	}
}

/* data is the session's own input, or newly read with it in front. */
static void
process(struct session *s, const char *data, size_t len)
{
	size_t done = requests_take(s, data, len);

	if (done > 0)
		clock_stop(s, &s->request);
	if (done > 0 || data != s->in.data)
		if (!buffer_set(&s->in, data + done, len - done))
			s->broken = true;
}

/* Events */

/* Adding the event anew tells of what is there already; else only changes are told of. */
static void
set_reading(struct session *s, bool wanted)
{
	if (wanted == s->reading && !s->unread)
		return;
	if (s->reading)
		watch_stop(&s->readable);
	s->reading = wanted && watch_start(&s->readable, WATCH_NO_LIMIT);
	s->broken |= s->reading != wanted;
	s->unread = false;
}

/* Everything is sent and nothing more will be. */
static void
finish(struct session *s)
{
	if (!s->linger || s->eof) {
		session_free(s);
		return;
	}
	/* Closing with input unread would reset a TCP connection, and the client might
	 * never see why. */
	shutdown(s->fd, SHUT_WR);
	s->lingering = true;
	set_reading(s, true);
	if (s->broken)
		session_free(s);
	else
		clock_run(s, &s->answer, true);
}

void
session_pump(struct session *s)
{
	bool idle;

	send_ready(s);
	if (s->in.len > 0 && s->out.len == 0 && !s->last && !s->broken &&
		!s->is_waiting && s->nrequests < PIPELINE_MAX)
		process(s, s->in.data, s->in.len);
	if (s->broken) {
		session_free(s);
		return;
	}
	idle = s->nrequests == 0 && s->out.len == 0 && !s->is_waiting;
	place_set_idle(&s->place, idle && s->in.len == 0 && !is_about_to_ask(s));
	if (idle && (s->last || (s->eof && s->in.len == 0))) {
		finish(s);
		return;
	}
	session_counters(s)->output_full += s->reading && s->out.len > 0;
	set_reading(s, !s->eof && !s->last && s->out.len == 0 && !s->is_waiting &&
			       s->nrequests < PIPELINE_MAX);
	run_clocks(s);
	if (s->broken)
		session_free(s);
}

static void
pump_no_more(struct session *s)
{
	if (s->is_answered)
		TAILQ_REMOVE(&s->server->answered, s, answered);
	s->is_answered = false;
}

void
session_pump_soon(struct session *s)
{
	struct server *server = s->server;

	if (s->is_answered)
		return;
	if (TAILQ_EMPTY(&server->answered))
		watch_fire(&server->pump);
	s->is_answered = true;
	TAILQ_INSERT_TAIL(&server->answered, s, answered);
}

void
sessions_pump(struct server *server)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&server->answered)) != NULL) {
		pump_no_more(s);
		session_pump(s);
	}
}

/* Epoll tells of changes only, so that it needn't look at each socket twice. After as
 * much as there was room for there may be more, and after the last data the end. (After
 * urgent data, too, and a descriptor; a client that sends such waits for its own next
 * byte.) */
static ssize_t
receive(struct session *s, size_t had, bool ends)
{
	const size_t room = INPUT_SIZE - had;
	ssize_t n;

	do
		n = recv(s->fd, s->server->input + had, room, 0);
	while (n < 0 && errno == EINTR);
	s->unread = n > 0 && (ends || (size_t)n == room);
	return n;
}

static void
discard(struct session *s)
{
	ssize_t n = receive(s, 0, true);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		explicit_bzero(s->server->input, (size_t)n);
		s->discarded += (size_t)n;
	}
	if (n > 0 && s->discarded <= DISCARD_MAX)
		set_reading(s, true);
	if (n <= 0 || s->discarded > DISCARD_MAX || s->broken)
		session_free(s);
}

/* Reads once, and takes the requests that have become whole. */
static void
read_input(struct session *s, bool ends)
{
	struct server *server = s->server;
	size_t had = s->in.len;
	/* Less than a request is ever left over from before, so there is room. */
	ssize_t n = receive(s, had, ends);

	if (n < 0 && errno == EAGAIN)
		return;
	place_set_idle(&s->place, false);
	if (n < 0) {
		s->broken = true;
	} else if (n == 0) {
		s->eof = true;
	} else {
		if (had > 0)
			memcpy(server->input, s->in.data, had);
		process(s, server->input, had + (size_t)n);
		explicit_bzero(server->input, had + (size_t)n);
		/* That it was reset isn't told of as an end. Who expects an answer finds
		 * out by sending it. */
		s->unread |= s->in.len > 0;
	}
}

static void
can_read(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	if (s->lingering) {
		discard(s);
		return;
	}
	read_input(s, what & EV_CLOSED);
	session_pump(s);
}

static void
can_write(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	send_waiting(s);
	session_pump(s);
}

void
session_timed_out(struct session *s)
{
	session_counters(s)->clients_timed_out++;
	if (s->lingering || s->out.len > 0) {
		session_free(s);
		return;
	}
	requests_give_up(s);
	session_pump(s);
}

void
session_drain(struct session *s)
{
	if (s->lingering) {
		session_free(s);
		return;
	}
	if (s->reading)
		read_input(s, false);
	s->eof = true;
	session_pump(s);
}

/* A connection for one question has no next one that could suffer. */
static void
introduce(struct session *s, uid_t user)
{
	s->client.id = ++s->server->last_session;
	s->client.user = (uid_t)(user + 1);
	if (!s->endpoint->proto->one_shot)
		lookup_client_limit(&s->client, s->endpoint->profile, loop_now());
}

bool
session_give_way(struct session *s)
{
	char byte;

	/* What has come in since is taken when its event is. */
	if (!s->lingering && recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		place_set_idle(&s->place, false);
		return false;
	}
	session_free(s);
	return true;
}

void
session_new(struct server *server, const struct endpoint *endpoint, int fd,
	struct places *places, uid_t user)
{
	struct loop *loop = server->config.loop;
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL || !places_take(places, &s->place, user, s)) {
		free(s);
		close(fd);
		return;
	}
	s->server = server;
	s->endpoint = endpoint;
	s->places = places;
	s->fd = fd;
	s->fresh = true;
	STAILQ_INIT(&s->requests);
	watch_init(&s->readable, loop, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST,
		can_read, s);
	watch_init(&s->writable, loop, fd, EV_WRITE | EV_ET, can_write, s);
	introduce(s, user);
	TAILQ_INSERT_TAIL(&server->all, s, all);
	server->count++;
	session_pump(s);
}

void
session_free(struct session *s)
{
	struct server *server = s->server;

	while (!STAILQ_EMPTY(&s->requests))
		request_free(s, STAILQ_FIRST(&s->requests));
	clock_stop(s, &s->request);
	clock_stop(s, &s->answer);
	pump_no_more(s);
	stop_waiting(s);
	watch_stop(&s->readable);
	watch_stop(&s->writable);
	close(s->fd);
	buffer_clear(&s->in);
	buffer_clear(&s->out);
	TAILQ_REMOVE(&server->all, s, all);
	server->count--;
	places_leave(s->places, &s->place);
	free(s);
	if (server->draining && server->count == 0)
		server->drained(server->drained_arg);
}
