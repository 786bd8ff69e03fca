/* A small Internet for the engine: a few domains whose DNS changes, servers that delay,
 * lose and fail, a tor likewise, a map, a clock. All of it follows from a seed.
 *
 * What DNS has said is kept, so that whatever the engine answers can be judged by it. */
#ifndef SCENARIOS_WORLD_H
#define SCENARIOS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/lookup.h"

#define DOMAINS 6
#define SERVERS 3
#define CLIENTS 4
#define QUERIES 512
#define LOOKUPS 400
#define LANDINGS 500
#define HOLD 500 /* seconds, of a change of a pinned route */

/* What a domain's DNS says at a time. The version stands in the ports of the targets, so
 * that a route tells which one it is. */
struct truth {
	unsigned version;
	uint8_t targets; /* 0: no SRV */
	bool mx, sts, tlsa, address;
	bool ad;
	uint32_t ttl;
};

/* An answer that has reached the engine. */
struct landing {
	struct monotime at;
	enum dns_type type;
	unsigned domain;
	bool records;
	bool ad;
	unsigned version;
	uint32_t ttl; /* as the engine clamps it */
};

enum entry_kind {
	ENTRY_NONE, /* nothing in the map */
	ENTRY_TARGET,
	ENTRY_NEVER,
	ENTRY_SRV,
	ENTRY_KINDS,
};

struct dns_query {
	struct server_model *server;
	bool open; /* asked, neither answered nor cancelled */
	enum dns_type type;
	char name[256];
	struct monotime due; /* when it is answered; zero: never */
	bool fails;          /* the answer is a failure */
	enum reason reason;
	dns_done *done;
	void *arg;
};

struct server_model {
	struct dns_source source; /* the first, so that the engine's pointer is ours */
	struct world *world;
	bool is_tor;
	bool down; /* answers nothing */
	struct dns_query query[QUERIES];
};

struct lookup_model {
	struct world *world;
	bool used;
	unsigned calls;
	unsigned domain;
	bool by_address;
	struct monotime started, deadline;
	struct lookup *pending;
};

struct world {
	uint64_t random; /* the state of its dice */
	uint64_t seed;
	struct monotime now;
	struct engine_config config;
	struct counters counters;
	struct map_source map;
	struct server_model server[SERVERS], tor;
	size_t nservers;
	struct truth truth[DOMAINS + 1]; /* the last: of the MX host */
	enum entry_kind entry[DOMAINS];
	unsigned versions;
	struct landing landing[LANDINGS];
	size_t landings;
	struct engine *engine;
	bool timer_set; /* it calls the engine at timer_at, and nothing else does */
	struct monotime timer_at;
	struct profile *onion, *address;
	struct lookup_client client[CLIENTS]; /* two users, with budgets of waiting */
	struct pins *pins;
	bool pinned[DOMAINS]; /* its route was used, and pinned */
	struct lookup_model lookup[LOOKUPS];
	size_t lookups;
	size_t routes_by_address;
	bool fresh_only; /* what is being judged may not rest on what has expired */
	struct counters judged; /* as they were at the last answer */
	bool inside;            /* the engine is at work: nobody may be called back */
};

extern const char *const domain_names[DOMAINS];

/* From 0 to n - 1. */
unsigned roll(struct world *, unsigned n);
bool one_in(struct world *, unsigned n);

void world_open(struct world *, uint64_t seed);
void world_close(struct world *);

/* A new engine, which knows what the old one knew in its cache. */
void world_restart(struct world *);

/* Moves the clock, and all that is due on the way happens. */
void world_pass_ms(struct world *, int64_t ms);

void world_look_up(struct world *);
void world_cancel_some(struct world *);

/* Tells what happens, if that is wanted. */
extern bool verbose;
__attribute__((format(printf, 2, 3))) void tell(
	const struct world *, const char *format, ...);

/* judge.c: ends the program if an answer isn't right. */
void judge(struct world *, struct lookup_model *, const struct answer *);

__attribute__((format(printf, 2, 3), noreturn)) void wrong(
	const struct world *, const char *format, ...);

#endif
