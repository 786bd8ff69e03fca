/* One connection through the bridge, as relay.c and reach.c share it. */
#ifndef NET_RELAY_INSIDE_H
#define NET_RELAY_INSIDE_H

#include "../buffer.h"
#include "bridge_inside.h"
#include "core/replies.h"
#include "core/socks.h"
#include "core/srv.h"

enum stage {
	STAGE_CONNECTING, /* to tor */
	STAGE_SOCKS,      /* tor tries the target */
	STAGE_RELAYING,
	STAGE_CLOSING, /* the client is told no more */
};

/* One of the two ends. */
struct end {
	int fd; /* -1: closed */
	struct watch watch;
	short waits_for;       /* what the watch is set for */
	struct buffer waiting; /* to be sent here */
	size_t sent;           /* of it */
	bool read_eof;         /* nothing more comes from here */
	bool write_closed;     /* nothing more can be sent here */
};

struct relay {
	LIST_ENTRY(relay) entry;
	struct bridge *bridge;
	enum stage stage;
	struct end client, server;
	struct replies replies;   /* of the server */
	struct monotime deadline; /* of the stage */
	struct monotime end;      /* of the session, whatever moves */
	struct monotime look;     /* when to ask whether the client has closed */
	struct socks socks;
	struct target_set targets; /* its names are in packed */
	uint8_t target;            /* the one that is being tried */
	size_t tor;                /* by this one; socks_pool_size(): by none */
	struct place place;
	bool rejected;     /* it is one of BRIDGE_REJECTED_MAX */
	unsigned tried;    /* tors that didn't work, for this target */
	const char *why;   /* the last target failed */
	uint16_t inputlen; /* of tor's answer that isn't whole */
	bool of_domain;    /* the password; else it is of the target */
	char password[17];
	char *packed;
	uint8_t input[SOCKS_INPUT_MAX];
};

static inline struct counters *
relay_counters(const struct relay *r)
{
	return r->bridge->config.counters;
}

/* relay.c */

void relay_set_deadline(struct relay *, int ms);
void relay_set_nodelay(int fd);

/* What an end waits for; 0: nothing. */
void relay_wait_for(struct relay *, struct end *, short what);

/* Closes the connection to tor, if there is one. */
void relay_leave_tor(struct relay *);

/* The client hears it, and the end. why may be NULL. */
void relay_refuse(struct relay *, const char *code, const char *what, const char *why);
void relay_refuse_for_descriptors(struct relay *);

/* The server is there, and these are its first words. The relay may be gone then. */
void relay_start(struct relay *, const uint8_t *greeting, size_t len);

/* reach.c: looks for a target that answers. It ends with relay_start() or
 * relay_refuse(). */

/* False: out of memory. */
bool reach_prepare(struct relay *, const struct bridge_line *);
void reach_begin(struct relay *);

/* The connection to tor is ready for what it waits for; the stage took too long. */
void reach_ready(struct relay *);
void reach_timed_out(struct relay *);

#endif
