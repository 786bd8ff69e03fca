/* The socket where the operator asks: why a domain goes where it goes, what is pinned,
 * what was counted. One command a connection, a line; the answer is "ok LENGTH\n" or
 * "error LENGTH\n" and a text of so many bytes, and then the daemon closes. */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/counters.h"
#include "core/pins.h"
#include "flow/lookup.h"
#include "net/endpoint.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/pinfile.h"

struct control;

/* How a listener would answer. */
struct control_listener {
	const char *name;
	const struct endpoint *endpoint;
	const struct listener *listener;
};

struct control_config {
	struct loop *loop;
	struct engine *engine;
	struct counters *counters;
	struct pins *pins; /* NULL: none are kept */
	struct pinfile *pinfile;
	const struct bridge *bridge;     /* NULL: there is none */
	struct profile *profile[STYLES]; /* for explanations */
	const struct control_listener *listener;
	size_t nlisteners;
	int timeout_ms; /* for a command; for a client that doesn't read */
};

/* Binds and listens. NULL on failure, logged. The configuration is kept by the caller. */
struct control *control_open(const struct listener_config *);

/* Serves from now on. */
void control_start(struct control *, const struct control_config *);

/* Closes its clients, whatever they are owed, and removes the socket. */
void control_close(struct control *);

#endif
