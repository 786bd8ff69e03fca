/* What server.c, session.c and listener.c share. */
#ifndef NET_SERVER_INSIDE_H
#define NET_SERVER_INSIDE_H

#include <sys/queue.h>

#include "core/places.h"
#include "net/server.h"
#include "watch.h"

#define INPUT_SIZE (16 * 1024)
#define OUTPUT_SIZE (64 * 1024)

struct session;

TAILQ_HEAD(sessions, session);

/* What a client must have done by some time, all after client_timeout_ms. */
struct clock {
	TAILQ_ENTRY(clock) entry;
	struct monotime ends; /* zero: it isn't running */
	struct session *session;
};

TAILQ_HEAD(clocks, clock);

struct server {
	struct server_config config;
	struct sessions all;
	size_t count;
	LIST_HEAD(, listener) listeners;
	struct clocks running;    /* one timeout for all: the first ends first */
	struct watch timer;       /* for them */
	struct sessions answered; /* those that a lookup has just been answered for */
	struct watch pump;        /* runs when all that came in at once has been taken */
	struct sessions waiting;  /* those with requests left over from their turn */
	size_t nwaiting;
	unsigned taken;              /* requests, about, in this round of the loop */
	struct watch turn;           /* begins the next one */
	uint64_t last_session;       /* number of the latest */
	struct watch deadline;       /* for the engine */
	struct monotime deadline_at; /* while it is set */
	bool draining;
	void (*drained)(void *arg);
	void *drained_arg;

	/* An idle client has no buffer of its own: these serve whoever is at work. */
	char input[INPUT_SIZE];
	char output[OUTPUT_SIZE];
};

static inline struct counters *
server_counters(struct server *s)
{
	return s->config.counters;
}

/* session.c */

/* Takes the socket, and a place for the user until the session ends. Without memory the
 * socket is closed. */
void session_new(struct server *, const struct endpoint *, int fd, struct places *places,
	uid_t user);

/* Ends a session whose place is idle. False: something has just come in, so it isn't. */
bool session_give_way(struct session *);

/* Legal in any state. */
void session_free(struct session *);

/* One of its clocks has ended. */
void session_timed_out(struct session *);

/* Lookups of these have been answered. */
void sessions_pump(struct server *);

/* It is the turn of those that wait. */
void sessions_take_turns(struct server *);

/* Reads no more after what has already come in; that is answered, then it ends. */
void session_drain(struct session *);

struct session *session_next(struct session *);

#endif
