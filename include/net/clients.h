/* The clients of all listeners: whose turn it is, who is too slow, and how many file
 * descriptors are left for each listener. A client is a part of a session. */
#ifndef NET_CLIENTS_H
#define NET_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/counters.h"
#include "core/monotime.h"
#include "core/places.h"
#include "net/loop.h"

struct clients;

struct clients_config {
	struct loop *loop;
	struct counters *counters;
	int client_timeout_ms; /* of each clock */
	size_t max_clients;    /* of all listeners; more wait in the backlog */
	size_t reserve;        /* of these, for each listener */
};

/* Copies the configuration; what that points to must outlive the clients. NULL on
 * failure, logged. */
struct clients *clients_new(const struct clients_config *config);

/* Closes every connection at once, whatever is owed. NULL is legal. */
void clients_free(struct clients *clients);

/* Takes no more requests; each client gets the replies that it is owed and is closed.
 * Then drained(arg) runs, once: from the loop, or before this returns if there is no
 * client. Stop the listeners first. */
void clients_drain(struct clients *clients, void (*drained)(void *arg), void *arg);

size_t clients_count(const struct clients *clients);
const struct clients_config *clients_config(const struct clients *clients);

/* One client */

struct client;

/* A time by which a client must have done something: client_timeout_ms after the clock
 * was started. It begins as zeros. */
struct client_clock {
	TAILQ_ENTRY(client_clock) entry;
	struct monotime ends; /* zero: the clock doesn't run */
	struct client *client;
};

/* The session's side. Each function runs from the loop and may remove the client. */
struct client_ops {
	/* A lookup has been answered since clients_proceed_soon(), or it is the client's
	 * turn after clients_wait_turn(). */
	void (*proceed)(void *arg);
	void (*timed_out)(void *arg); /* a clock has ended; it still has to be stopped */
	void (*drain)(void *arg);     /* see clients_drain() */
	void (*close)(void *arg);     /* removes the client */
};

/* The session sets ops and arg; everything else belongs to clients.c. */
struct client {
	const struct client_ops *ops;
	void *arg;
	struct clients *clients;
	TAILQ_ENTRY(client) all;
	TAILQ_ENTRY(client) answered;
	TAILQ_ENTRY(client) waiting;
	struct client_clock request; /* from its first byte until it is whole */
	struct client_clock
		answer; /* from when it can't be sent until the kernel has it */
	bool is_answered;
	bool is_waiting; /* for its next turn: the session may read this */
};

/* Adds a client. Returns its number, which no other one has had. */
uint64_t clients_add(struct clients *clients, struct client *client);

/* Forgets the client, and whatever was to be called for it. */
void clients_remove(struct client *client);

/* Starts or stops one of the client's two clocks. A clock that runs already goes on: no
 * progress renews it. */
void clients_run_clock(struct client *client, struct client_clock *clock, bool runs);

/* Has proceed called soon, and once for many answers that come at the same time: each
 * sending is a system call. */
void clients_proceed_soon(struct client *client);

/* Turns. Between two turns of a client all others are read, too. */

/* How many requests a client may have taken in a turn that begins now. */
unsigned clients_turn(const struct clients *clients);

/* One request has been taken. */
void clients_took(struct clients *clients);

/* The client's turn is over and there are more requests: proceed is called when all
 * others have had their turn. */
void clients_wait_turn(struct client *client);

/* Buffers for the session at work: an idle client has none of its own. */
#define CLIENTS_INPUT (16 * 1024)
#define CLIENTS_OUTPUT (64 * 1024)
char *clients_input(struct clients *clients);
char *clients_output(struct clients *clients);

/* File descriptors */

/* The clients of one listener, among those of all. */
struct clients_share {
	LIST_ENTRY(clients_share) entry;
	struct places places;
};

/* max: how many places the listener has for its clients (core/places.h). */
void clients_add_share(struct clients *clients, struct clients_share *share, size_t max);

/* Is there a file descriptor for another client of this listener? Beside its own reserve
 * it may have what isn't the reserve of others. */
bool clients_has_descriptor(
	const struct clients *clients, const struct clients_share *share);

#endif
