/* The requests of one client, and the replies to them in the same order. It knows no
 * socket: the session pushes input, and pulls replies that a lookup has kept waiting. */
#ifndef NET_PIPELINE_H
#define NET_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "core/counters.h"
#include "net/endpoint.h"

#define PIPELINE_MAX 64 /* replies that may be owed at once */

struct owed_reply;

/* The caller sets what stands before the blank line; everything else begins as zeros. */
struct pipeline {
	const struct endpoint *endpoint;
	struct counters *counters;
	struct lookup_client client;
	void (*ready)(void *arg); /* a lookup has ended: there may be something to pull */
	void *arg;

	STAILQ_HEAD(, owed_reply) owed;
	unsigned nowed;
	bool has_asked; /* a request has come */
	bool closed;    /* no more requests are taken */
	bool malformed; /* closed since the last request was: the client may go on */
	bool failed;    /* a reply is lost for lack of memory: nothing may follow it */
};

/* Bytes of the client. */
struct pipeline_input {
	const char *data;
	size_t len;
	bool ends; /* nothing will follow */
	struct monotime now;
};

/* Room for replies: size bytes, of which len are used. */
struct pipeline_output {
	char *data;
	size_t size;
	size_t len;
};

void pipeline_init(struct pipeline *pipeline);

/* Cancels the lookups, and forgets the replies that are owed. */
void pipeline_clear(struct pipeline *pipeline);

/* Takes one request, which goes from the beginning of the input. If its reply is ready
 * and none is owed before it, the reply is added to the output, in which PROTO_REPLY_MAX
 * bytes must be free; otherwise it is owed. Not if the pipeline is closed or full. False:
 * the request isn't whole yet. A closed pipeline takes all of the input. */
bool pipeline_push(struct pipeline *pipeline, struct pipeline_input *input,
	struct pipeline_output *output);

/* Adds the replies that are ready to the output, up to the first that isn't. False: more
 * are ready than there is room for. */
bool pipeline_pull(struct pipeline *pipeline, struct pipeline_output *output);

/* Refuses the request that isn't whole, as malformed, behind the replies that are owed,
 * and closes the pipeline. PROTO_REPLY_MAX bytes must be free in the output. */
void pipeline_refuse_rest(struct pipeline *pipeline, struct pipeline_output *output);

/* Are as many replies owed as may be? */
static inline bool
pipeline_is_full(const struct pipeline *pipeline)
{
	return pipeline->nowed >= PIPELINE_MAX;
}

#endif
