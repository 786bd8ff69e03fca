/* What the files of the bridge share. */
#ifndef NET_BRIDGE_INSIDE_H
#define NET_BRIDGE_INSIDE_H

#include <netinet/in.h>
#include <sys/queue.h>

#include "../watch.h"
#include "bridge_socket.h"
#include "bridge_state.h"
#include "core/places.h"
#include "failures.h"
#include "net/bridge.h"
#include "socks_pool.h"

#define RELAY_CHUNK (128 * 1024) /* that are read at once */

struct relay;

LIST_HEAD(relays, relay);

struct bridge {
	struct bridge_config config;
	struct bridge_state *state;
	struct socks_pool *tors;
	struct bridge_socket *socket; /* NULL: closed */
	struct relays relays;
	size_t count; /* of the relays */
	struct places places;
	size_t rejected;          /* relays that have no place */
	struct ticker tick;       /* looks at the relays' times */
	uint64_t secret;          /* for the passwords that keep circuits apart */
	struct failures failures; /* of targets, as tor has told them */
	bool draining;
	void (*ended)(void *arg);
	void *ended_arg;
	struct watch grace;

	/* What moves passes through here; an idle relay has no buffer. */
	char chunk[RELAY_CHUNK];
};

/* relay.c: one connection. */

/* Takes the client's socket, which is connected to this address of ours. */
void relay_new(struct bridge *, int fd, const struct sockaddr_in *address);
void relay_free(struct relay *);

/* Once a second. */
void relay_look_at_time(struct relay *, struct monotime now);
struct relay *relay_next(struct relay *);

/* bridge.c: a relay has ended. */
void bridge_relay_ended(struct bridge *);

#endif
