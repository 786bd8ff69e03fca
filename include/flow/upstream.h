/* Servers that can all answer the same questions. A question goes to the first of them
 * that works. If that doesn't answer in time it goes to the next one, too, and whichever
 * answers first counts. One that leaves several questions in a row unanswered is probed
 * in the background (core/breaker.h). */
#ifndef FLOW_UPSTREAM_H
#define FLOW_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/sources.h"

#define UPSTREAM_SERVERS 8
#define UPSTREAM_TRIES 10

struct upstream;
struct upstream_query;

enum upstream_event {
	UPSTREAM_DOWN, /* a probe has failed, and not for the first time perhaps */
	UPSTREAM_UP,   /* it answers again */

	/* The first negative answer without an SOA has come: it counts, or it doesn't. */
	UPSTREAM_BARE_COUNTS,
	UPSTREAM_BARE_REFUSED,

	UPSTREAM_EVENTS,
};

struct upstream_config {
	struct dns_source *server[UPSTREAM_SERVERS]; /* the preferred one first */
	size_t n;                                    /* 0: every question fails at once */
	int64_t timeout_ms; /* for each server's answer; doubled after each round */
	unsigned tries;     /* rounds, 1 to UPSTREAM_TRIES */
	const char *probe;  /* a name that a probe asks for (type A); NULL: for what was
			       left unanswered */
	enum bare_negative bare_negative;
	uint64_t *opened; /* counts breakers that opened */
	uint64_t *bare;   /* counts negative answers without an SOA */

	/* An event of a server. Called from inside the functions below: it may not
	 * call them. May be NULL. */
	void (*event)(void *arg, const struct dns_source *server, enum upstream_event);
	void *event_arg;

	/* upstream_next_deadline() may have come nearer. May be NULL. */
	void (*alarm)(void *arg);
	void *alarm_arg;
};

/* NULL: out of memory. The configuration is copied. */
struct upstream *upstream_new(const struct upstream_config *config);

/* Ends all questions; nobody is called back. */
void upstream_free(struct upstream *upstream);

/* Replaces the servers with n others, at most UPSTREAM_SERVERS; one that is listed twice
 * counts once. What is known of one that stays is kept. What was asked of one that leaves
 * is asked of the others by the next upstream_expire(), which is due then. The sources
 * that have left aren't used any more. False: out of memory, and nothing has changed. */
bool upstream_set_servers(struct upstream *upstream, struct dns_source *const server[],
	size_t n, struct monotime now);

/* Starts a question; the name is copied. NULL: out of memory. done runs exactly once,
 * never before this has returned, and not at all after upstream_cancel(). */
struct upstream_query *upstream_ask(struct upstream *upstream, enum dns_type type,
	const char *name, struct monotime now, dns_done *done, void *arg);
void upstream_cancel(struct upstream_query *query);

/* Has every server stopped answering? Then it is no use to ask. */
bool upstream_is_down(const struct upstream *upstream);

/* Changes whenever a server may have been restarted: it refused a question, or left one
 * unanswered. What it said before may no longer hold. */
uint32_t upstream_restarts(const struct upstream *upstream);

/* Repeats, gives up and probes what is due. */
void upstream_expire(struct upstream *upstream, struct monotime now);

/* When that is to be called next; false: not until something is asked. */
bool upstream_next_deadline(const struct upstream *upstream, struct monotime *when);

#endif
