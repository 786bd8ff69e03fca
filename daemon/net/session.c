/* Input that can't be used yet and output that can't be sent yet are kept in buffers of
 * the session's own; an idle client has none. While output waits, or too many replies are
 * owed, nothing more is read, so both are bounded. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "pipeline.h"
#include "watch.h"

#define DISCARD_MAX (4096 * 1024) /* bytes of garbage that we read before closing */

struct session {
	struct client client;
	struct pipeline pipeline;
	struct places *places;
	struct place place;
	struct watch readable;
	struct watch writable;
	struct buffer in;
	struct buffer out;
	size_t discarded;
	int fd;
	bool reading;   /* readable is set */
	bool unread;    /* the socket may hold more, and no event will say so */
	bool eof;       /* no more input will come, or be read */
	bool lingering; /* all is sent; what the client still sends is discarded */
	bool broken;    /* the socket has failed */
};

static struct counters *
counters(const struct session *s)
{
	return s->pipeline.counters;
}

static bool
is_broken(const struct session *s)
{
	return s->broken || s->pipeline.failed;
}

/* The client of a protocol with one question a connection has it ready. */
static bool
is_about_to_ask(const struct session *s)
{
	return !s->pipeline.has_asked && s->pipeline.endpoint->proto->one_shot;
}

/* May input be turned into requests? */
static bool
takes_requests(const struct session *s)
{
	return !s->pipeline.closed && s->out.len == 0 && !s->client.is_waiting &&
	       !pipeline_is_full(&s->pipeline);
}

/* While answers wait to be sent, too many are owed or it is others' turn, it isn't the
 * client that keeps a request from being whole. */
static void
run_clocks(struct session *s)
{
	struct client *c = &s->client;

	clients_run_clock(c, &c->request,
		takes_requests(s) && (s->in.len > 0 || is_about_to_ask(s)));
	clients_run_clock(c, &c->answer, s->out.len > 0);
}

/* Legal in any state. */
static void
end(void *arg)
{
	struct session *s = arg;

	pipeline_clear(&s->pipeline);
	watch_stop(&s->readable);
	watch_stop(&s->writable);
	close(s->fd);
	buffer_clear(&s->in);
	buffer_clear(&s->out);
	places_leave(s->places, &s->place);
	clients_remove(&s->client);
	free(s);
}

/* Output */

/* Sends now what the socket takes, and keeps the rest. */
static void
send_data(struct session *s, const char *data, size_t len)
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
	send_data(s, out.data, out.len);
	free(out.data);
}

/* The buffer that all sessions share, empty. */
static struct pipeline_output
shared_output(const struct session *s)
{
	return (struct pipeline_output){
		.data = clients_output(s->client.clients), .size = CLIENTS_OUTPUT};
}

static void
send_output(struct session *s, struct pipeline_output *out)
{
	send_data(s, out->data, out->len);
	out->len = 0;
}

/* Sends the replies that were owed and are ready. */
static void
send_ready(struct session *s)
{
	struct pipeline_output out = shared_output(s);
	bool all;

	do {
		all = pipeline_pull(&s->pipeline, &out);
		send_output(s, &out);
	} while (!all);
}

/* Input */

/* turn: how many more requests this turn of the client may take. */
static bool
may_take_another(struct session *s, struct pipeline_output *out, unsigned *turn)
{
	if (pipeline_is_full(&s->pipeline)) {
		counters(s)->pipeline_full++;
		return false;
	}
	if (*turn == 0) {
		clients_wait_turn(&s->client);
		return false;
	}
	--*turn;
	clients_took(s->client.clients);
	if (out->size - out->len < PROTO_REPLY_MAX)
		send_output(s, out);
	return s->out.len == 0;
}

/* Takes the requests that are whole and for which there is room. data is the session's
 * own input, or newly read with it in front. */
static void
process(struct session *s, const char *data, size_t len)
{
	struct pipeline_input in = {
		.data = data, .len = len, .ends = s->eof, .now = loop_now()};
	struct pipeline_output out = shared_output(s);
	unsigned turn = clients_turn(s->client.clients);

	while (in.len > 0 && !s->pipeline.closed && !is_broken(s) &&
		may_take_another(s, &out, &turn))
		if (!pipeline_push(&s->pipeline, &in, &out))
			break;
	send_output(s, &out);
	if (in.len < len)
		clients_run_clock(&s->client, &s->client.request, false);
	if (in.len < len || data != s->in.data)
		if (!buffer_set(&s->in, in.data, in.len))
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
	if (!s->pipeline.malformed || s->eof) {
		end(s);
		return;
	}
	/* Closing with input unread would reset a TCP connection, and the client might
	 * never see why. */
	shutdown(s->fd, SHUT_WR);
	s->lingering = true;
	set_reading(s, true);
	if (s->broken)
		end(s);
	else
		clients_run_clock(&s->client, &s->client.answer, true);
}

/* What now? Runs after whatever has happened; the session may be gone after it. */
static void
proceed(void *arg)
{
	struct session *s = arg;
	bool idle;

	send_ready(s);
	if (s->in.len > 0 && takes_requests(s) && !is_broken(s))
		process(s, s->in.data, s->in.len);
	if (is_broken(s)) {
		end(s);
		return;
	}
	idle = s->pipeline.nowed == 0 && s->out.len == 0 && !s->client.is_waiting;
	places_set_idle(&s->place, idle && s->in.len == 0 && !is_about_to_ask(s));
	if (idle && (s->pipeline.closed || (s->eof && s->in.len == 0))) {
		finish(s);
		return;
	}
	counters(s)->output_full += s->reading && s->out.len > 0;
	set_reading(s, !s->eof && takes_requests(s));
	run_clocks(s);
	if (s->broken)
		end(s);
}

/* Many replies may become ready at once, and each sending is a system call. */
static void
replies_ready(void *arg)
{
	struct session *s = arg;

	clients_proceed_soon(&s->client);
}

/* Epoll tells of changes only, so that it needn't look at each socket twice. After as
 * much as there was room for there may be more, and after the last data the end. (After
 * urgent data, too, and a descriptor; a client that sends such waits for its own next
 * byte.) */
static ssize_t
receive(struct session *s, char *data, size_t room, bool ends)
{
	ssize_t n;

	do
		n = recv(s->fd, data, room, 0);
	while (n < 0 && errno == EINTR);
	s->unread = n > 0 && (ends || (size_t)n == room);
	return n;
}

static void
discard(struct session *s)
{
	char *input = clients_input(s->client.clients);
	ssize_t n = receive(s, input, CLIENTS_INPUT, true);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		explicit_bzero(input, (size_t)n);
		s->discarded += (size_t)n;
	}
	if (n > 0 && s->discarded <= DISCARD_MAX)
		set_reading(s, true);
	if (n <= 0 || s->discarded > DISCARD_MAX || s->broken)
		end(s);
}

/* Reads once, and takes the requests that have become whole. */
static void
read_input(struct session *s, bool ends)
{
	char *input = clients_input(s->client.clients);
	size_t had = s->in.len;
	/* Less than a request is ever left over from before, so there is room. */
	ssize_t n = receive(s, input + had, CLIENTS_INPUT - had, ends);

	if (n < 0 && errno == EAGAIN)
		return;
	places_set_idle(&s->place, false);
	if (n < 0) {
		s->broken = true;
	} else if (n == 0) {
		s->eof = true;
	} else {
		if (had > 0)
			memcpy(input, s->in.data, had);
		process(s, input, had + (size_t)n);
		explicit_bzero(input, had + (size_t)n);
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
	proceed(s);
}

static void
can_write(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	send_waiting(s);
	proceed(s);
}

static void
timed_out(void *arg)
{
	struct session *s = arg;
	struct pipeline_output out = shared_output(s);

	counters(s)->clients_timed_out++;
	if (s->lingering || s->out.len > 0) {
		end(s);
		return;
	}
	pipeline_refuse_rest(&s->pipeline, &out);
	send_output(s, &out);
	buffer_clear(&s->in);
	proceed(s);
}

static void
drain(void *arg)
{
	struct session *s = arg;

	if (s->lingering) {
		end(s);
		return;
	}
	if (s->reading)
		read_input(s, false);
	s->eof = true;
	proceed(s);
}

bool
session_give_way(struct session *s)
{
	char byte;

	/* What has come in since is taken when its event is. */
	if (!s->lingering && recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		places_set_idle(&s->place, false);
		return false;
	}
	end(s);
	return true;
}

/* A connection for one question has no next one that could suffer. */
static void
introduce(struct session *s, uint64_t number, uid_t user)
{
	struct pipeline *p = &s->pipeline;

	p->client.id = number;
	p->client.user = (uid_t)(user + 1);
	if (!p->endpoint->proto->one_shot)
		lookup_client_limit(&p->client, p->endpoint->profile, loop_now());
}

void
session_start(const struct session_config *config)
{
	static const struct client_ops ops = {proceed, timed_out, drain, end};
	const struct clients_config *shared = clients_config(config->clients);
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL || !places_take(config->places, &s->place, config->user, s)) {
		free(s);
		close(config->fd);
		return;
	}
	s->client.ops = &ops;
	s->client.arg = s->pipeline.arg = s;
	s->pipeline.endpoint = config->endpoint;
	s->pipeline.counters = shared->counters;
	s->pipeline.ready = replies_ready;
	pipeline_init(&s->pipeline);
	s->places = config->places;
	s->fd = config->fd;
	watch_init(&s->readable, shared->loop, s->fd,
		EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, can_read, s);
	watch_init(&s->writable, shared->loop, s->fd, EV_WRITE | EV_ET, can_write, s);
	introduce(s, clients_add(config->clients, &s->client), config->user);
	proceed(s);
}
