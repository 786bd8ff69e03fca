/* One client: requests in, answers out in the same order.
 *
 * Input that can't be used yet and output that can't be sent yet are kept in buffers
 * of the session's own; an idle client has none. While output waits, or too many answers
 * are owed, nothing more is read, so both are bounded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_inside.h"

#define PIPELINE_MAX 64           /* answers that may be owed at once */
#define DISCARD_MAX (4096 * 1024) /* bytes of garbage that we read before closing */

struct buffer {
	char *data;
	size_t len;
};

/* An answer that is owed. */
struct request {
	STAILQ_ENTRY(request) entry;
	struct session *session;
	struct lookup *lookup; /* NULL: the reply is ready */
	char *reply;           /* NULL and len 0 if there was no memory for it */
	size_t len;
};

struct session {
	TAILQ_ENTRY(session) all;
	TAILQ_ENTRY(session) timed;
	struct server *server;
	const struct endpoint *endpoint;
	size_t *clients;
	struct event readable;
	struct event writable;
	struct monotime timeout; /* zero: not in the list of those with a timeout */
	struct buffer in;
	struct buffer out;
	STAILQ_HEAD(, request) requests;
	unsigned nrequests;
	size_t discarded;
	int fd;
	bool reading; /* readable is set */
	bool eof;     /* no more input will come, or be read */
	bool last;    /* no more requests are taken; close when all is sent */
	bool linger;  /* then first read what the client still sends */
	bool lingering;
	bool broken; /* the socket has failed */
	bool fresh;  /* no request has come yet */
};

static void pump(struct session *);

/* Small things */

static struct counters *
session_counters(struct session *s)
{
	return server_counters(s->server);
}

static bool
buffer_set(struct buffer *b, const char *data, size_t len)
{
	char *copy = NULL;

	if (len > 0 && (copy = malloc(len)) == NULL)
		return false;
	if (len > 0)
		memcpy(copy, data, len);
	free(b->data);
	b->data = copy;
	b->len = len;
	return true;
}

static bool
buffer_append(struct buffer *b, const char *data, size_t len)
{
	char *grown = realloc(b->data, b->len + len);

	if (grown == NULL)
		return false;
	memcpy(grown + b->len, data, len);
	b->data = grown;
	b->len += len;
	return true;
}

static void
set_timeout(struct session *s, bool wanted)
{
	struct server *server = s->server;

	if (s->timeout.ns != 0)
		TAILQ_REMOVE(&server->timed, s, timed);
	s->timeout.ns = 0;
	if (!wanted)
		return;
	s->timeout = monotime_add_ms(loop_now(), server->config.client_timeout_ms);
	TAILQ_INSERT_TAIL(&server->timed, s, timed);
	if (!evtimer_pending(&server->timer, NULL)) {
		struct timeval tv = timeval_ms(server->config.client_timeout_ms);

		evtimer_add(&server->timer, &tv);
	}
}

struct monotime
session_timeout(const struct session *s)
{
	return s->timeout;
}

struct session *
session_next(struct session *s)
{
	return TAILQ_NEXT(s, all);
}

/* Output */

/* Sends now what the socket takes, and keeps the rest. */
static void
send_bytes(struct session *s, const char *data, size_t len)
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
	if (!event_pending(&s->writable, EV_WRITE, NULL))
		event_add(&s->writable, NULL);
}

static void
send_waiting(struct session *s)
{
	struct buffer out = s->out;

	s->out = (struct buffer){NULL, 0};
	send_bytes(s, out.data, out.len);
	free(out.data);
}

static void
request_free(struct session *s, struct request *r)
{
	STAILQ_REMOVE(&s->requests, r, request, entry);
	s->nrequests--;
	if (r->lookup != NULL)
		lookup_cancel(r->lookup);
	free(r->reply);
	free(r);
}

/* Sends the answers that are ready, up to the first that isn't. */
static void
send_ready(struct session *s)
{
	struct request *r;

	while ((r = STAILQ_FIRST(&s->requests)) != NULL && r->lookup == NULL) {
		if (r->reply == NULL)
			s->broken = true;
		send_bytes(s, r->reply, r->len);
		request_free(s, r);
	}
}

/* Requests */

static void
format_answer(struct session *s, const struct answer *a, struct reply *reply)
{
	s->endpoint->proto->format(reply, a, &s->endpoint->render);
	session_counters(s)->targets_left_out += reply->left_out;
}

static void
keep_reply(struct request *r, const struct reply *reply)
{
	if ((r->reply = malloc(reply->len)) == NULL)
		return;
	memcpy(r->reply, reply->text, reply->len);
	r->len = reply->len;
}

static void
answered(void *arg, const struct answer *a, struct monotime now)
{
	struct request *r = arg;
	struct session *s = r->session;
	char text[PROTO_REPLY_MAX];
	struct reply reply = {.text = text};

	(void)now;
	r->lookup = NULL;
	format_answer(s, a, &reply);
	keep_reply(r, &reply);
	pump(s);
}

static struct request *
request_new(struct session *s)
{
	struct request *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->session = s;
	STAILQ_INSERT_TAIL(&s->requests, r, entry);
	s->nrequests++;
	return r;
}

/* The shared output buffer as it is filled by one run over a client's input. */
struct batch {
	struct session *session;
	char *data;
	size_t len;
};

static void
batch_flush(struct batch *b)
{
	send_bytes(b->session, b->data, b->len);
	b->len = 0;
}

/* A reply that is ready goes out at once, or behind those that are still owed. */
static void
batch_reply(struct batch *b, struct reply *reply)
{
	struct session *s = b->session;
	struct request *r;

	if (STAILQ_EMPTY(&s->requests)) {
		b->len += reply->len; /* it was written in place */
		return;
	}
	if ((r = request_new(s)) == NULL)
		s->broken = true;
	else
		keep_reply(r, reply);
}

static struct reply
batch_place(const struct batch *b)
{
	return (struct reply){.text = b->data + b->len};
}

static void
refuse(struct batch *b, enum refusal why)
{
	struct session *s = b->session;
	struct reply reply = batch_place(b);

	if (why == REFUSE_UNKNOWN) {
		session_counters(s)->requests_unknown++;
	} else {
		session_counters(s)->requests_malformed++;
		s->last = s->linger = true;
	}
	s->endpoint->proto->refuse(&reply, why);
	batch_reply(b, &reply);
}

static void
look_up(struct batch *b, const struct proto_request *req)
{
	struct session *s = b->session;
	struct request *r = NULL;
	struct reply reply = batch_place(b);
	struct answer answer;
	struct lookup_request lookup = {.profile = s->endpoint->profile,
		.key = req->key,
		.keylen = req->keylen,
		.done = answered};
	struct lookup *pending;

	/* The request comes first, since a pending lookup needs it. */
	if ((r = request_new(s)) == NULL) {
		s->broken = true;
		return;
	}
	lookup.arg = r;
	if (lookup_start(s->server->config.engine, &lookup, loop_now(), &answer,
		    &pending) == LOOKUP_PENDING) {
		r->lookup = pending;
		server_deadline_changed(s->server);
		return;
	}
	request_free(s, r);
	format_answer(s, &answer, &reply);
	batch_reply(b, &reply);
}

/* Takes one request from the input. Returns its length, 0 if it isn't whole yet. */
static size_t
take_request(struct batch *b, const char *data, size_t len)
{
	struct session *s = b->session;
	const struct proto *proto = s->endpoint->proto;
	struct proto_request req;
	size_t used;

	switch (proto->parse(data, len, &used, &req)) {
	case PROTO_MORE:
		if (s->eof)
			refuse(b, REFUSE_MALFORMED);
		return s->eof ? len : 0;
	case PROTO_LOOKUP:
		look_up(b, &req);
		break;
	case PROTO_UNKNOWN:
		refuse(b, REFUSE_UNKNOWN);
		break;
	case PROTO_BAD:
		refuse(b, REFUSE_MALFORMED);
		break;
	}
	s->fresh = false;
	s->last |= proto->one_shot;
	return used;
}

/* May another request be taken now? */
static bool
has_room(struct batch *b)
{
	struct session *s = b->session;

	if (s->nrequests >= PIPELINE_MAX) {
		session_counters(s)->pipeline_full++;
		return false;
	}
	if (OUTPUT_SIZE - b->len < PROTO_REPLY_MAX)
		batch_flush(b);
	if (s->out.len > 0) {
		session_counters(s)->output_full++;
		return false;
	}
	return true;
}

/* Takes all the requests it can; returns how much of the input they were. */
static size_t
take_requests(struct session *s, const char *data, size_t len)
{
	struct batch b = {.session = s, .data = s->server->output};
	size_t done = 0, n;

	while (done < len && !s->last && !s->broken && has_room(&b)) {
		if ((n = take_request(&b, data + done, len - done)) == 0)
			break;
		done += n;
	}
	batch_flush(&b);
	return s->last ? len : done;
}

/* data is the session's own input, or newly read with it in front. */
static void
process(struct session *s, const char *data, size_t len)
{
	size_t done = take_requests(s, data, len);

	if (done > 0 || data != s->in.data)
		if (!buffer_set(&s->in, data + done, len - done))
			s->broken = true;
}

/* Events */

static void
set_reading(struct session *s, bool wanted)
{
	if (wanted == s->reading)
		return;
	s->reading = wanted;
	if (wanted)
		event_add(&s->readable, NULL);
	else
		event_del(&s->readable);
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
	set_timeout(s, true);
}

/* What now? Runs after whatever has happened; the session may be gone after it. */
static void
pump(struct session *s)
{
	bool idle;

	send_ready(s);
	if (s->in.len > 0 && s->out.len == 0 && !s->last && !s->broken &&
		s->nrequests < PIPELINE_MAX)
		process(s, s->in.data, s->in.len);
	if (s->broken) {
		session_free(s);
		return;
	}
	idle = s->nrequests == 0 && s->out.len == 0;
	if (idle && (s->last || (s->eof && s->in.len == 0))) {
		finish(s);
		return;
	}
	set_reading(
		s, !s->eof && !s->last && s->out.len == 0 && s->nrequests < PIPELINE_MAX);
	set_timeout(s, s->out.len > 0 || (s->nrequests == 0 && s->in.len > 0) ||
			       (s->fresh && s->endpoint->proto->one_shot));
}

static void
discard(struct session *s)
{
	ssize_t n = recv(s->fd, s->server->input, INPUT_SIZE, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		s->discarded += (size_t)n;
	if (n <= 0 || s->discarded > DISCARD_MAX)
		session_free(s);
}

/* Reads once, and takes the requests that have become whole. */
static void
read_input(struct session *s)
{
	struct server *server = s->server;
	size_t had = s->in.len;
	/* Less than a request is ever left over from before, so there is room. */
	ssize_t n = recv(s->fd, server->input + had, INPUT_SIZE - had, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		s->broken = true;
	} else if (n == 0) {
		s->eof = true;
	} else {
		if (had > 0)
			memcpy(server->input, s->in.data, had);
		process(s, server->input, had + (size_t)n);
	}
}

static void
can_read(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	if (s->lingering) {
		discard(s);
		return;
	}
	read_input(s);
	pump(s);
}

static void
can_write(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;

	(void)fd;
	(void)what;
	send_waiting(s);
	pump(s);
}

void
session_timed_out(struct session *s)
{
	session_counters(s)->clients_timed_out++;
	if (!s->lingering && s->out.len == 0) {
		struct reply reply = {.text = s->server->output};

		s->endpoint->proto->refuse(&reply, REFUSE_MALFORMED);
		send_bytes(s, reply.text, reply.len);
	}
	session_free(s);
}

void
session_drain(struct session *s)
{
	if (s->lingering) {
		session_free(s);
		return;
	}
	if (s->reading)
		read_input(s);
	s->eof = true;
	pump(s);
}

bool
session_new(
	struct server *server, const struct endpoint *endpoint, int fd, size_t *clients)
{
	struct event_base *base = loop_base(server->config.loop);
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		close(fd);
		return false;
	}
	s->server = server;
	s->endpoint = endpoint;
	s->clients = clients;
	s->fd = fd;
	s->fresh = true;
	STAILQ_INIT(&s->requests);
	event_assign(&s->readable, base, fd, EV_READ | EV_PERSIST, can_read, s);
	event_assign(&s->writable, base, fd, EV_WRITE, can_write, s);
	TAILQ_INSERT_TAIL(&server->all, s, all);
	server->count++;
	pump(s);
	return true;
}

void
session_free(struct session *s)
{
	struct server *server = s->server;

	while (!STAILQ_EMPTY(&s->requests))
		request_free(s, STAILQ_FIRST(&s->requests));
	set_timeout(s, false);
	event_del(&s->readable);
	event_del(&s->writable);
	close(s->fd);
	free(s->in.data);
	free(s->out.data);
	TAILQ_REMOVE(&server->all, s, all);
	server->count--;
	--*s->clients;
	free(s);
	if (server->draining && server->count == 0)
		server->drained(server->drained_arg);
}
