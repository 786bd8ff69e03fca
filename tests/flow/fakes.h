/* A world for the engine: a map of a few entries, DNS servers that answer when the test
 * says so, a clock that the test moves. */
#ifndef TESTS_FLOW_FAKES_H
#define TESTS_FLOW_FAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "flow/lookup.h"

#define A_ONION "aj3nsqqcksrrc5cye5etjsoewz6jrygpekzwoko3q6wyxjlb3dgasfid.onion"
#define B_ONION "7sbw6jufrirhyltzkslhcmkik4z7yrsmbpnptyritvz5nhbk35hncsqd.onion"
#define C_ONION "w5ejy7xyv4dw7jul7bycfnltircxddt7vqprcxe6uggnezlwwic72qqd.onion"

#ifndef FAKE_QUERIES
#define FAKE_QUERIES 256
#endif

struct dns_query {
	struct fake_dns *dns;
	bool open; /* asked, neither answered nor cancelled */
	enum dns_type type;
	char name[256];
	dns_done *done;
	void *arg;
};

struct fake_dns {
	struct dns_source source;
	bool no_memory;
	unsigned asked; /* in all */
	struct dns_query query[FAKE_QUERIES];
};

struct fake_map {
	struct map_source source;
	bool broken;
	unsigned replaced_at;    /* that time when it is asked; 0: never */
	const char *new_key;     /* for key */
	const char *key, *value; /* its first entry; NULL: none */
	struct {
		const char *key, *value;
	} more[4];
	unsigned asked;
};

/* How a lookup that was started has ended. */
struct result {
	unsigned calls;
	enum outcome outcome;
	enum reason reason;
	uint8_t n;
	char host[TARGETS_MAX][256];
	uint16_t port[TARGETS_MAX];
	uint32_t ipv4[TARGETS_MAX];
	struct lookup *pending; /* NULL: it has ended */
};

struct world {
	struct monotime now;
	struct counters counters;
	struct fake_dns srv, tor;
	struct fake_map map;
	struct engine *engine;
	bool timer_set; /* it calls the engine at timer_at, and nothing else does */
	struct monotime timer_at;
	struct profile *onion, *address; /* 500 ms, 4 s */
};

static inline struct dns_query *
fake_ask(struct dns_source *source, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	struct fake_dns *dns = (struct fake_dns *)source;

	if (dns->no_memory)
		return NULL;
	for (size_t i = 0; i < FAKE_QUERIES; i++) {
		struct dns_query *q = &dns->query[i];

		if (q->open)
			continue;
		*q = (struct dns_query){
			.dns = dns, .open = true, .type = type, .done = done, .arg = arg};
		strcpy(q->name, name);
		dns->asked++;
		return q;
	}
	fail_msg("too many questions for the fake");
	return NULL;
}

static inline void
fake_cancel(struct dns_query *q)
{
	assert_true(q->open);
	q->open = false;
}

static inline struct dns_query *
fake_find_typed(struct fake_dns *dns, enum dns_type type, const char *name)
{
	for (size_t i = 0; i < FAKE_QUERIES; i++)
		if (dns->query[i].open && dns->query[i].type == type &&
			strcmp(dns->query[i].name, name) == 0)
			return &dns->query[i];
	return NULL;
}

static inline unsigned
fake_open(const struct fake_dns *dns)
{
	unsigned n = 0;

	for (size_t i = 0; i < FAKE_QUERIES; i++)
		n += dns->query[i].open;
	return n;
}

static inline void
fake_answer(struct world *w, struct fake_dns *dns, enum dns_type type, const char *name,
	const struct dns_answer *answer)
{
	struct dns_query *q = fake_find_typed(dns, type, name);

	assert_non_null(q);
	q->open = false;
	q->done(q->arg, answer, w->now);
}

static inline bool
fake_is_key(const char *mine, const char *key, size_t keylen)
{
	return mine != NULL && strlen(mine) == keylen && memcmp(mine, key, keylen) == 0;
}

static inline enum map_result
fake_get(struct map_source *source, const char *key, size_t keylen,
	struct map_value *value)
{
	struct fake_map *map = (struct fake_map *)source;

	const char *found = NULL;

	map->asked++;
	if (map->asked == map->replaced_at) {
		map->source.generation++;
		map->key = map->new_key;
	}
	if (map->broken)
		return MAP_BROKEN;
	if (fake_is_key(map->key, key, keylen))
		found = map->value;
	for (size_t i = 0; i < sizeof(map->more) / sizeof(map->more[0]); i++)
		if (fake_is_key(map->more[i].key, key, keylen))
			found = map->more[i].value;
	if (found == NULL)
		return MAP_MISS;
	value->len = strlen(found);
	memcpy(value->text, found, value->len);
	return MAP_HIT;
}

/* Ways to answer */

static inline void
add_record(struct dns_answer *a, const char *host, uint16_t priority, uint16_t port)
{
	a->srv.target[a->srv.n++] = (struct target){.priority = priority,
		.port = port,
		.host = host,
		.hostlen = (uint8_t)strlen(host)};
}

static inline struct dns_answer
srv_route(uint32_t ttl, const char *host, uint16_t port)
{
	struct dns_answer a = {.status = DNS_RECORDS, .ttl = ttl};

	add_record(&a, host, 10, port);
	return a;
}

static inline struct dns_answer
srv_none(uint32_t ttl)
{
	return (struct dns_answer){.status = DNS_NONE, .ttl = ttl};
}

static inline struct dns_answer
dns_mx(const char *host, uint16_t preference)
{
	struct dns_answer a = {.status = DNS_RECORDS, .ttl = 300};

	add_record(&a, host, preference, 25);
	return a;
}

static inline struct dns_answer
validated(struct dns_answer a)
{
	a.ad = true;
	return a;
}

static inline struct dns_answer
dns_failed(enum reason reason)
{
	return (struct dns_answer){.status = DNS_FAILED, .reason = reason};
}

/* One of tor's addresses, from 1 on. */
#define VIRTUAL(n) (0x0ac00000 + (uint32_t)(n))

static inline struct dns_answer
tor_address(uint32_t ipv4)
{
	return (struct dns_answer){.status = DNS_RECORDS, .ttl = 60, .ipv4 = ipv4};
}

static inline void
answer_dns(struct world *w, enum dns_type type, const char *name, struct dns_answer a)
{
	fake_answer(w, &w->srv, type, name, &a);
}

static inline void
answer_srv(struct world *w, const char *domain, struct dns_answer a)
{
	char name[256] = "_onion-mx._tcp.";

	answer_dns(w, DNS_TYPE_SRV, strcat(name, domain), a);
}

static inline void
answer_tor(struct world *w, const char *onion, struct dns_answer a)
{
	fake_answer(w, &w->tor, DNS_TYPE_A, onion, &a);
}

/* Is a question under way? */
static inline bool
asked(struct world *w, enum dns_type type, const char *name)
{
	return fake_find_typed(&w->srv, type, name) != NULL;
}

static inline bool
asked_srv(struct world *w, const char *domain)
{
	char name[256] = "_onion-mx._tcp.";

	return asked(w, DNS_TYPE_SRV, strcat(name, domain));
}

/* Lookups */

static inline void
note(struct result *r, const struct answer *a)
{
	r->calls++;
	r->outcome = a->outcome;
	r->reason = a->reason;
	r->n = a->route.n;
	for (uint8_t i = 0; i < a->route.n; i++) {
		const struct target *t = &a->route.target[i];

		memcpy(r->host[i], t->host, t->hostlen);
		r->host[i][t->hostlen] = '\0';
		r->port[i] = t->port;
		r->ipv4[i] = t->ipv4;
	}
}

static inline void
fake_done(void *arg, const struct answer *a, struct monotime now)
{
	struct result *r = arg;

	(void)now;
	assert_non_null(r->pending);
	r->pending = NULL;
	note(r, a);
}

static inline void
look_up_as(struct world *w, struct lookup_client *client, struct profile *profile,
	const char *key, struct result *r)
{
	struct lookup_request req = {.profile = profile,
		.client = client,
		.key = key,
		.keylen = strlen(key),
		.done = fake_done,
		.arg = r};
	struct answer a;

	memset(r, 0, sizeof(*r));
	if (lookup_start(w->engine, &req, w->now, &a, &r->pending) == LOOKUP_READY) {
		r->pending = NULL;
		note(r, &a);
	}
}

static inline void
look_up(struct world *w, struct profile *profile, const char *key, struct result *r)
{
	look_up_as(w, NULL, profile, key, r);
}

/* What is answered at once. */
static inline struct result
look(struct world *w, const char *key)
{
	struct result r;

	look_up(w, w->onion, key, &r);
	assert_int_equal(r.calls, 1);
	return r;
}

/* As the daemon's server does it: looks when the engine wants to be called, each time
 * that it says that this has come nearer. */
static inline void
set_timer(void *arg)
{
	struct world *w = arg;
	struct monotime at;

	if (w->engine == NULL || !engine_next_deadline(w->engine, &at) ||
		(w->timer_set && !monotime_before(at, w->timer_at)))
		return;
	w->timer_set = true;
	w->timer_at = at;
}

static inline void
assert_timer(const struct world *w)
{
	struct monotime at;

	if (!engine_next_deadline(w->engine, &at))
		return;
	assert_true(w->timer_set);
	assert_false(monotime_before(at, w->timer_at));
}

static inline void
pass_ms(struct world *w, int64_t ms)
{
	struct monotime end = monotime_add_ms(w->now, ms);

	for (;;) {
		assert_timer(w);
		if (!w->timer_set || monotime_before(end, w->timer_at))
			break;
		if (monotime_before(w->now, w->timer_at))
			w->now = w->timer_at;
		w->timer_set = false;
		engine_expire(w->engine, w->now);
		set_timer(w);
	}
	w->now = end;
}

/* The world */

static inline uint64_t
fake_random(void)
{
	return 42;
}

static const struct net4 virtual_net = {VIRTUAL(0), 10};

static inline struct engine_config
world_config(void)
{
	return (struct engine_config){.srv_prefix = "_onion-mx._tcp.",
		.on_failure = ON_FAILURE_DEFER,
		.on_insecure = ON_FAILURE_DEFER,
		.dns = {.timeout_ms = 100000, .tries = 1},
		.tor = {.timeout_ms = 100000, .tries = 1},
		.tor_addresses = &virtual_net,
		.ntor_addresses = 1,
		.ttl_min = 60,
		.ttl_max = 86400,
		.negative_ttl_max = 3600,
		.cache = {.entries = 100, .bytes = 1000000},
		.max_lookups = 20,
		.max_queries = 10,
		.max_waiters = 20,
		.max_tor_names = 1000};
}

/* The world without its engine, and what the engine will see of it. */
static inline void
world_prepare(struct world *w, struct engine_ports *ports)
{
	memset(w, 0, sizeof(*w));
	*ports = (struct engine_ports){.map = &w->map.source,
		.dns = {&w->srv.source},
		.ndns = 1,
		.tor = &w->tor.source,
		.random = fake_random,
		.counters = &w->counters,
		.alarm = set_timer,
		.alarm_arg = w};
	w->now.ns = 1000000000;
	w->map.source.get = fake_get;
	w->srv.source.ask = w->tor.source.ask = fake_ask;
	w->srv.source.cancel = w->tor.source.cancel = fake_cancel;
}

static inline void
world_start(struct world *w, const struct engine_config *config,
	const struct engine_ports *ports)
{
	w->engine = engine_new(config, ports);
	w->onion = engine_profile_new(w->engine, STYLE_ONION, 500);
	w->address = engine_profile_new(w->engine, STYLE_ADDRESS, 4000);
}

static inline void
world_open(struct world *w, const struct engine_config *config)
{
	struct engine_ports ports;

	world_prepare(w, &ports);
	world_start(w, config, &ports);
}

static inline void
world_close(struct world *w)
{
	assert_int_equal(engine_pending(w->engine), 0);
	engine_free(w->engine);
	assert_int_equal(fake_open(&w->srv), 0);
	assert_int_equal(fake_open(&w->tor), 0);
}

static inline void
assert_route(const struct result *r, const char *host, uint16_t port)
{
	assert_int_equal(r->calls, 1);
	assert_int_equal(r->outcome, OUTCOME_ROUTE);
	assert_int_equal(r->n, 1);
	assert_string_equal(r->host[0], host);
	assert_int_equal(r->port[0], port);
}

static inline void
assert_outcome(const struct result *r, enum outcome outcome, enum reason reason)
{
	assert_int_equal(r->calls, 1);
	assert_int_equal(r->outcome, outcome);
	assert_int_equal(r->reason, reason);
	assert_int_equal(r->n, 0);
}

#endif
