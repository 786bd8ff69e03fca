/* Copies bytes between a mail server and an onion service, both ways.
 *
 * What one side can't take yet is kept, and meanwhile nothing is read from the other, so
 * that at most a chunk waits in each direction.
 *
 * Tor has no half-close: when the client has sent everything, the server is not told, so
 * that the answer that is under way still comes. */
#ifndef NET_BRIDGE_RELAY_H
#define NET_BRIDGE_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../buffer.h"
#include "../watch.h"
#include "core/dialogue.h"
#include "core/monotime.h"
#include "net/loop.h"

#define RELAY_CHUNK (128 * 1024) /* bytes that are read at once */

enum relay_end {
	RELAY_CLIENT_GONE, /* closed, or reset */
	RELAY_SERVER_GONE, /* the client has been sent all that came from it */
	RELAY_BOTH_GONE,   /* the same, and the client has closed its half before */
	RELAY_NO_MEMORY,   /* ours, or the kernel's: what came from the server is lost */
};

/* What all have in common. */
struct relay_config {
	struct loop *loop;
	char *chunk; /* RELAY_CHUNK bytes, for what moves: an idle relay has no buffer */

	/* From the loop, once, and not after relay_stop(). The relay does nothing more.
	 */
	void (*ended)(void *arg, enum relay_end end);
};

/* One of the two ends. */
struct relay_side {
	int fd;
	struct watch watch;
	short waits_for;       /* what the watch is set for */
	struct buffer waiting; /* to be sent here */
	size_t sent;           /* of it */
	bool read_eof;         /* nothing more comes from here */
	bool write_closed;     /* nothing more can be sent here */
};

struct relay {
	const struct relay_config *config;
	void *arg;
	struct relay_side client, server;

	/* For the caller, also behind relay_stop(). */
	struct dialogue dialogue; /* as far as the client has heard it */
	struct monotime moved;    /* when anything did last */
};

/* Begins with len bytes from the server. The configuration and both sockets stay the
 * caller's, and open until relay_stop(). False: out of memory. */
bool relay_start(struct relay *relay, const struct relay_config *config, int client,
	int server, const uint8_t *greeting, size_t len, void *arg);

/* Legal in any state but before relay_start(). */
void relay_stop(struct relay *relay);

/* Would it show at once that the client has closed? */
bool relay_sees_client(const struct relay *relay);

#endif
