/* A DNS server of an upstream: its state (up or down), what it has proved to know, and
 * the probes that find out. Also the set of an upstream's servers. */
#ifndef FLOW_DNS_SERVER_H
#define FLOW_DNS_SERVER_H

#include "flow/upstream.h"

struct dns_server;

/* NULL: out of memory. Both must outlive it. */
struct dns_server *dns_server_new(
	const struct upstream_config *config, struct dns_source *source);

/* A probe under way is cancelled. */
void dns_server_free(struct dns_server *server);

struct dns_source *dns_server_source(const struct dns_server *server);

/* Is it only probed? */
bool dns_server_is_down(const struct dns_server *server);

/* A question that it was asked at the time since has had no answer. */
void dns_server_unanswered(struct dns_server *server, enum dns_type type,
	const char *name, struct monotime since, struct monotime now);

/* An answer to a question that it was asked at the time since. Returns why it proves
 * nothing, or REASON_NONE. */
enum reason dns_server_answered(struct dns_server *server, enum dns_type type,
	const char *name, const struct dns_answer *answer, struct monotime since,
	struct monotime now);

/* Probes if that is due. When to call it next; false: no need. */
void dns_server_expire(struct dns_server *server, struct monotime now);
bool dns_server_next_deadline(const struct dns_server *server, struct monotime *when);

struct dns_servers {
	struct dns_server *server[UPSTREAM_SERVERS]; /* the preferred one first */
	size_t n;
	uint32_t restarts; /* more than those of all that have left */
};

/* Makes the set of those in it whose sources stay and of new ones for the others, each
 * once. Those whose sources leave are put into *gone. False: out of memory, and nothing
 * has changed. */
bool dns_servers_replace(struct dns_servers *set, const struct upstream_config *config,
	struct dns_source *const source[], size_t n, struct dns_servers *gone);

/* Frees the servers of a set. */
void dns_servers_free(struct dns_servers *set);

/* See upstream_is_down(), upstream_restarts(). */
bool dns_servers_are_down(const struct dns_servers *set);
uint32_t dns_servers_restarts(const struct dns_servers *set);

/* The place of a server that is in the set. */
size_t dns_servers_index(const struct dns_servers *set, const struct dns_server *server);

#endif
