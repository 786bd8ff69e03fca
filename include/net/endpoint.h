/* How the clients of a listener are answered. */
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include "core/proto.h"
#include "flow/lookup.h"

struct bridge;

/* One for each listener; it belongs to the caller, who keeps it and what it points to
 * until the last client has gone. */
struct endpoint {
	const struct proto *proto;
	struct render render;
	struct profile *profile; /* of the engine */
	struct engine *engine;
	struct bridge *bridge; /* NULL: there is none */
};

#endif
