/* A client's requests and its answers, in the same order. */
#include <stdlib.h>
#include <string.h>

#include "net/bridge.h"
#include "session_inside.h"

void
request_free(struct session *s, struct request *r)
{
	STAILQ_REMOVE(&s->requests, r, request, entry);
	s->nrequests--;
	if (r->lookup != NULL)
		lookup_cancel(r->lookup);
	free(r->reply);
	free(r);
}

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
	session_pump_soon(s);
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
	struct monotime now;
	char *data;
	size_t len;
	unsigned left; /* of the client's turn */
};

static void
batch_flush(struct batch *b)
{
	session_send(b->session, b->data, b->len);
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
	struct request *r;
	struct reply reply = batch_place(b);
	struct answer answer;
	struct lookup_request lookup = {.profile = s->endpoint->profile,
		.client = &s->client,
		.key = req->key,
		.keylen = req->keylen,
		.done = answered};
	struct lookup *pending;

	if (lookup_start(s->server->config.engine, &lookup, b->now, &answer, &pending) ==
		LOOKUP_READY) {
		format_answer(s, &answer, &reply);
		batch_reply(b, &reply);
	} else if ((r = request_new(s)) != NULL) {
		r->lookup = pending;
		lookup_set_arg(pending, r);
	} else {
		lookup_cancel(pending);
		s->broken = true;
	}
}

static void
look_up_tls(struct batch *b, const struct proto_request *req)
{
	struct bridge *bridge = b->session->server->config.bridge;
	struct reply reply = batch_place(b);
	struct tls_policy policy;
	bool found = bridge != NULL && bridge_tls(bridge, req->key, req->keylen, &policy);

	b->session->endpoint->proto->format_tls(&reply, found ? &policy : NULL);
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
	case PROTO_TLS:
		look_up_tls(b, &req);
		break;
	case PROTO_UNKNOWN:
		refuse(b, REFUSE_UNKNOWN);
		break;
	case PROTO_BAD:
		refuse(b, REFUSE_MALFORMED);
		break;
	}
	/* Its local part is no business of what comes later. */
	explicit_bzero(
		req.scratch, used < sizeof(req.scratch) ? used : sizeof(req.scratch));
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
	if (b->left == 0) {
		session_wait_turn(s);
		return false;
	}
	b->left--;
	session_took(s);
	if (OUTPUT_SIZE - b->len < PROTO_REPLY_MAX)
		batch_flush(b);
	return s->out.len == 0;
}

void
requests_give_up(struct session *s)
{
	struct batch b = {.session = s, .data = s->server->output};
	struct reply reply = batch_place(&b);

	s->endpoint->proto->refuse(&reply, REFUSE_MALFORMED);
	batch_reply(&b, &reply);
	batch_flush(&b);
	buffer_clear(&s->in);
	s->last = true;
}

size_t
requests_take(struct session *s, const char *data, size_t len)
{
	struct batch b = {.session = s,
		.now = loop_now(),
		.data = s->server->output,
		.left = session_turn(s)};
	size_t done = 0, n;

	while (done < len && !s->last && !s->broken && has_room(&b)) {
		if ((n = take_request(&b, data + done, len - done)) == 0)
			break;
		done += n;
	}
	batch_flush(&b);
	return s->last ? len : done;
}
