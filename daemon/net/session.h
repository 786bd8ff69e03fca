/* One client's connection to a listener. */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/places.h"
#include "net/clients.h"
#include "net/endpoint.h"

struct session;

/* Where a session begins. */
struct session_config {
	struct clients *clients;
	const struct endpoint *endpoint;
	struct places *places; /* one is taken for the user until the session ends; its
				  holder is the session */
	int fd;                /* becomes the session's */
	uid_t user;            /* of the client, or PLACES_NOBODY */
};

/* Serves the client until it leaves, is too slow, or the clients are freed. Without
 * memory the socket is closed. */
void session_start(const struct session_config *config);

/* Ends a session whose place is idle. False: something has just come in, so it isn't. */
bool session_give_way(struct session *session);

#endif
