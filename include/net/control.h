/* The socket where the operator asks: why a domain goes where it goes, what is pinned,
 * what was counted. One command a connection, a line; the answer is "ok LENGTH\n" or
 * "error LENGTH\n" and a text of so many bytes, and then the daemon closes. */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include "net/command.h"
#include "net/listener_config.h"
#include "net/loop.h"

struct control;

struct control_config {
	struct loop *loop;
	struct counters *counters;
	struct command_deps commands;
	int timeout_ms; /* for a command; for a client that doesn't read */
};

/* Binds and listens. NULL on failure, logged. The configuration is kept by the caller. */
struct control *control_open(const struct listener_config *);

/* Serves from now on. */
void control_start(struct control *, const struct control_config *);

/* Closes its clients, whatever they are owed, and removes the socket. */
void control_close(struct control *);

#endif
