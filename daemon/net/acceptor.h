/* A socket that listens, and accepts one client after the other. */
#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H

#include <stdbool.h>

#include "core/counters.h"
#include "net/listener_config.h"
#include "net/loop.h"
#include "watch.h"

/* Who takes the clients. */
struct acceptor_user {
	/* The socket is the user's. */
	void (*accepted)(void *arg, int fd);

	/* No more clients for now: they wait in the backlog. NULL: never. */
	bool (*full)(void *arg);
	void *arg;
	struct counters *counters;
};

struct acceptor {
	const struct listener_config *config;
	int fd;    /* -1: closed */
	dev_t dev; /* of the socket file */
	ino_t ino; /* 0: there is none */
	struct acceptor_user user;
	struct watch readable;
	struct watch pause; /* a client can't be accepted: neither spin nor give up */
};

/* Clients can connect from now on, and wait. The socket file of a dead daemon is
 * replaced, that of a live one isn't. False on failure, logged. The configuration is kept
 * by the caller. */
bool acceptor_open(struct acceptor *, const struct listener_config *);

/* The same with a socket that is bound already, which becomes the acceptor's. False on
 * failure, errno is set. */
bool acceptor_adopt(struct acceptor *, const struct listener_config *, int fd);

/* Accepts from now on. */
void acceptor_start(struct acceptor *, struct loop *, const struct acceptor_user *);

/* Takes those who wait already. Legal in any state. */
void acceptor_drain(struct acceptor *);

/* Closes it and removes its file, if that still is ours. Legal when it is closed. */
void acceptor_close(struct acceptor *);

#endif
