/* The clients of all listeners, and what they share. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/counters.h"
#include "core/proto.h"
#include "flow/lookup.h"
#include "net/addr.h"
#include "net/loop.h"

struct bridge;
struct server;
struct listener;

struct server_config {
	struct loop *loop;
	struct engine *engine;
	struct counters *counters;
	int client_timeout_ms; /* for a request, and for the answers' way out */
	size_t max_clients;    /* of all listeners; more wait in the backlog */
	size_t reserve;        /* of these, for each listener */
	struct bridge *bridge; /* NULL: there is none */
};

/* NULL on failure, logged. What the configuration points to must outlive it. */
struct server *server_new(const struct server_config *);

/* Closes every connection at once, whatever is owed. */
void server_free(struct server *);

/* Takes no more requests; each client gets what it is owed and is closed. Then drained
 * runs, in the loop, once. Stop the listeners first. */
void server_drain(struct server *, void (*drained)(void *arg), void *arg);

size_t server_clients(const struct server *);

/* The engine's next deadline may have come nearer: see that it will be kept. */
void server_deadline_changed(struct server *);

/* What a listener answers with; one for each listener, belongs to the caller. */
struct endpoint {
	const struct proto *proto;
	struct render render;
	struct profile *profile;
};

#endif
