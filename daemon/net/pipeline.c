#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "net/bridge.h"

struct owed_reply {
	STAILQ_ENTRY(owed_reply) entry;
	struct pipeline *pipeline;
	struct lookup *lookup; /* NULL: the reply is ready */
	char *text;            /* NULL: there was no memory for it */
	size_t len;
};

void
pipeline_init(struct pipeline *p)
{
	STAILQ_INIT(&p->owed);
}

static void
owed_free(struct owed_reply *o)
{
	struct pipeline *p = o->pipeline;

	STAILQ_REMOVE(&p->owed, o, owed_reply, entry);
	p->nowed--;
	if (o->lookup != NULL)
		lookup_cancel(o->lookup);
	free(o->text);
	free(o);
}

void
pipeline_clear(struct pipeline *p)
{
	while (!STAILQ_EMPTY(&p->owed))
		owed_free(STAILQ_FIRST(&p->owed));
}

static struct owed_reply *
owed_new(struct pipeline *p)
{
	struct owed_reply *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		p->failed = true;
		return NULL;
	}
	o->pipeline = p;
	STAILQ_INSERT_TAIL(&p->owed, o, entry);
	p->nowed++;
	return o;
}

static void
keep_text(struct owed_reply *o, const struct reply *reply)
{
	if ((o->text = malloc(reply->len)) == NULL)
		return;
	memcpy(o->text, reply->text, reply->len);
	o->len = reply->len;
}

static void
format_answer(struct pipeline *p, const struct answer *a, struct reply *reply)
{
	p->endpoint->proto->format(reply, a, &p->endpoint->render);
	p->counters->targets_left_out += reply->left_out;
}

static void
answered(void *arg, const struct answer *a, struct monotime now)
{
	struct owed_reply *o = arg;
	struct pipeline *p = o->pipeline;
	char text[PROTO_REPLY_MAX];
	struct reply reply = {.text = text};

	(void)now;
	o->lookup = NULL;
	format_answer(p, a, &reply);
	keep_text(o, &reply);
	p->ready(p->arg);
}

/* Requests */

/* Where the next reply is written, which then stays there or becomes an owed one. */
static struct reply
reply_at_end(const struct pipeline_output *out)
{
	return (struct reply){.text = out->data + out->len};
}

/* A reply that is ready goes out at once, or behind those that are still owed. */
static void
add_reply(struct pipeline *p, struct pipeline_output *out, const struct reply *reply)
{
	struct owed_reply *o;

	if (STAILQ_EMPTY(&p->owed))
		out->len += reply->len;
	else if ((o = owed_new(p)) != NULL)
		keep_text(o, reply);
}

static void
refuse(struct pipeline *p, struct pipeline_output *out, enum refusal why)
{
	struct reply reply = reply_at_end(out);

	if (why == REFUSE_UNKNOWN) {
		p->counters->requests_unknown++;
	} else {
		p->counters->requests_malformed++;
		p->closed = p->malformed = true;
	}
	p->endpoint->proto->refuse(&reply, why);
	add_reply(p, out, &reply);
}

static void
look_up(struct pipeline *p, const struct proto_request *req, struct monotime now,
	struct pipeline_output *out)
{
	struct lookup_request request = {.profile = p->endpoint->profile,
		.client = &p->client,
		.key = req->key,
		.keylen = req->keylen,
		.done = answered};
	struct reply reply = reply_at_end(out);
	struct lookup *pending;
	struct answer answer;
	struct owed_reply *o;

	if (lookup_start(p->endpoint->engine, &request, now, &answer, &pending) ==
		LOOKUP_READY) {
		format_answer(p, &answer, &reply);
		add_reply(p, out, &reply);
	} else if ((o = owed_new(p)) != NULL) {
		o->lookup = pending;
		lookup_set_arg(pending, o);
	} else {
		lookup_cancel(pending);
	}
}

static void
look_up_tls(
	struct pipeline *p, const struct proto_request *req, struct pipeline_output *out)
{
	struct bridge *bridge = p->endpoint->bridge;
	struct reply reply = reply_at_end(out);
	struct tls_policy policy;
	bool found = bridge != NULL && bridge_tls(bridge, req->key, req->keylen, &policy);

	p->endpoint->proto->format_tls(&reply, found ? &policy : NULL);
	add_reply(p, out, &reply);
}

/* Returns how many bytes the request took; 0: it isn't whole yet. */
static size_t
take_request(
	struct pipeline *p, const struct pipeline_input *in, struct pipeline_output *out)
{
	const struct proto *proto = p->endpoint->proto;
	struct proto_request req;
	size_t used;

	switch (proto->parse(in->data, in->len, &used, &req)) {
	case PROTO_MORE:
		if (in->ends)
			refuse(p, out, REFUSE_MALFORMED);
		return in->ends ? in->len : 0;
	case PROTO_LOOKUP:
		look_up(p, &req, in->now, out);
		break;
	case PROTO_TLS:
		look_up_tls(p, &req, out);
		break;
	case PROTO_UNKNOWN:
		refuse(p, out, REFUSE_UNKNOWN);
		break;
	case PROTO_BAD:
		refuse(p, out, REFUSE_MALFORMED);
		break;
	}
	/* Its local part is no business of what comes later. */
	explicit_bzero(
		req.scratch, used < sizeof(req.scratch) ? used : sizeof(req.scratch));
	p->has_asked = true;
	p->closed |= proto->one_shot;
	return used;
}

bool
pipeline_push(struct pipeline *p, struct pipeline_input *in, struct pipeline_output *out)
{
	size_t used = take_request(p, in, out);

	if (p->closed)
		used = in->len;
	in->data += used;
	in->len -= used;
	return used > 0;
}

void
pipeline_refuse_rest(struct pipeline *p, struct pipeline_output *out)
{
	struct reply reply = reply_at_end(out);

	p->endpoint->proto->refuse(&reply, REFUSE_MALFORMED);
	add_reply(p, out, &reply);
	p->closed = true;
}

/* Replies */

bool
pipeline_pull(struct pipeline *p, struct pipeline_output *out)
{
	struct owed_reply *o;

	while (!p->failed && (o = STAILQ_FIRST(&p->owed)) != NULL && o->lookup == NULL) {
		if (out->size - out->len < o->len)
			return false;
		if (o->text == NULL)
			p->failed = true;
		else
			memcpy(out->data + out->len, o->text, o->len);
		out->len += o->len;
		owed_free(o);
	}
	return true;
}
