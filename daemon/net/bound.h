/* A socket that is bound and listens. */
#ifndef NET_BOUND_H
#define NET_BOUND_H

#include <stdbool.h>

#include "net/listener.h"

struct bound {
	const struct listener_config *config;
	int fd;    /* -1: closed */
	dev_t dev; /* of the socket file */
	ino_t ino; /* 0: there is none */
};

/* Clients can connect from now on, and wait. The socket file of a dead daemon is
 * replaced, that of a live one isn't. False on failure, logged. The configuration is kept
 * by the caller. */
bool bound_open(struct bound *, const struct listener_config *);

/* Closes it and removes its file, if that still is ours. Legal when it is closed. */
void bound_close(struct bound *);

#endif
