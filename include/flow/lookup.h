/* The path of one lookup: key, map, cache, DNS, tor.
 *
 * A ready answer is returned; only one that isn't ready yet is called back: exactly
 * once, and never before lookup_start() has returned. */
#ifndef FLOW_LOOKUP_H
#define FLOW_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/budget.h"
#include "core/explain.h"
#include "flow/engine.h"

struct lookup;

/* Valid during the call only, names included. */
typedef void lookup_done(void *arg, const struct answer *answer, struct monotime now);

/* A client that asks. It must live until the last of its lookups has ended. */
struct lookup_client {
	uint64_t user; /* the same for all clients of one; 0: unknown */
	uint64_t id;   /* of this client, from 1 on */
	struct budget budget;
};

/* Gives it a budget of waiting (core/budget.h) for lookups with this profile. */
void lookup_client_limit(
	struct lookup_client *client, const struct profile *profile, struct monotime now);

struct lookup_request {
	struct profile *profile;
	struct lookup_client *client; /* NULL: the daemon itself */
	const char *key;              /* an address or a domain; not kept */
	size_t keylen;
	lookup_done *done;
	void *arg;
	struct explain *explain; /* NULL, or where to tell why; must live until the end */
};

enum lookup_status {
	LOOKUP_READY,   /* *answer is set; its names are valid until the next call to
			   the engine, or the return to the event loop */
	LOOKUP_PENDING, /* *pending is set; done will run by the deadline */
};

enum lookup_status lookup_start(struct engine *engine,
	const struct lookup_request *request, struct monotime now, struct answer *answer,
	struct lookup **pending);

/* In place of the request's arg, for a caller that makes it only for what is pending. */
void lookup_set_arg(struct lookup *lookup, void *arg);

/* done won't run; the question itself goes on, for the cache. Not after done. */
void lookup_cancel(struct lookup *lookup);

#endif
