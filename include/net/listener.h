/* Sockets that mail servers connect to. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "net/clients.h"
#include "net/endpoint.h"
#include "net/listener_config.h"

struct listener;

/* Binds and listens, so that clients can already connect and wait. The socket file of a
 * dead daemon is replaced, that of a live one isn't. NULL on failure, logged. The
 * configuration is kept by the caller. */
struct listener *listener_open(const struct listener_config *);

/* Serves its clients from now on. */
void listener_start(struct listener *, struct clients *, const struct endpoint *);

/* What became of its clients when there was no place. */
struct listener_counts {
	uint64_t refused; /* those that came */
	uint64_t evicted; /* those that were idle, for others */
};

struct listener_counts listener_counts(const struct listener *);

/* Takes the clients that wait already, closes the socket and removes its file, if that
 * still is ours. The clients stay. */
void listener_stop(struct listener *);

/* Stops it, too. Its clients must have gone. */
void listener_free(struct listener *);

#endif
