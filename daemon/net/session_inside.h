/* One client, as session.c and request.c share it. */
#ifndef NET_SESSION_INSIDE_H
#define NET_SESSION_INSIDE_H

#include "buffer.h"
#include "server_inside.h"

#define PIPELINE_MAX 64 /* answers that may be owed at once */

/* An answer that is owed. */
struct request {
	STAILQ_ENTRY(request) entry;
	struct session *session;
	struct lookup *lookup; /* NULL: the reply is ready */
	char *reply;           /* NULL and len 0 if there was no memory for it */
	size_t len;
};

struct session {
	TAILQ_ENTRY(session) all;
	TAILQ_ENTRY(session) answered;
	TAILQ_ENTRY(session) waiting; /* for its next turn */
	struct server *server;
	const struct endpoint *endpoint;
	struct lookup_client client;
	struct places *places;
	struct place place;
	struct watch readable;
	struct watch writable;
	struct clock request; /* from its first byte until it is whole */
	struct clock answer;  /* from when it can't be sent until the kernel has it all */
	struct buffer in;
	struct buffer out;
	STAILQ_HEAD(, request) requests;
	unsigned nrequests;
	size_t discarded;
	int fd;
	bool reading; /* readable is set */
	bool unread;  /* the socket may hold more, and no event will say so */
	bool eof;     /* no more input will come, or be read */
	bool last;    /* no more requests are taken; close when all is sent */
	bool linger;  /* then first read what the client still sends */
	bool lingering;
	bool broken; /* the socket has failed */
	bool is_answered;
	bool is_waiting;
	bool fresh; /* no request has come yet */
};

static inline struct counters *
session_counters(struct session *s)
{
	return server_counters(s->server);
}

/* session.c */

/* Sends now what the socket takes, and keeps the rest. */
void session_send(struct session *, const char *data, size_t len);

/* What now? Runs after whatever has happened; the session may be gone after it. */
void session_pump(struct session *);

/* The same, soon: many answers may come at once, and each sending is a system call. */
void session_pump_soon(struct session *);

/* request.c */

/* How many requests a client may have taken before it is others' turn. */
unsigned session_turn(const struct session *);

/* One has been. */
void session_took(struct session *);

/* There are more: they are taken when all others have had their turn. */
void session_wait_turn(struct session *);

/* Takes the requests that are whole and for which there is room. Returns how much of
 * the input they were. */
size_t requests_take(struct session *, const char *data, size_t len);

/* Refuses what is left of the input, behind the answers that are owed: the last one. */
void requests_give_up(struct session *);

/* Cancels its lookup, if it has one. */
void request_free(struct session *, struct request *);

#endif
