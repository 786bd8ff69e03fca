/* The end of a client's connection: it is told why, and read until it closes. Closing
 * with input unread would reset the connection, and what is still on the way to the
 * client be lost. Needs no memory. */
#ifndef NET_BRIDGE_FAREWELL_H
#define NET_BRIDGE_FAREWELL_H

#include "../watch.h"
#include "net/loop.h"

struct farewell {
	int fd;
	void (*ended)(void *arg);
	void *arg;
	struct watch watch;
};

/* Sends text, if it isn't NULL, and the end. The socket stays the caller's, and open
 * until farewell_stop(). ended is called from the loop, once: the client has closed. */
void farewell_start(struct farewell *farewell, struct loop *loop, int fd,
	const char *text, void (*ended)(void *arg), void *arg);

/* Legal in any state but before farewell_start(). */
void farewell_stop(struct farewell *farewell);

#endif
