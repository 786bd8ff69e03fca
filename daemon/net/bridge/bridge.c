#include "net/bridge.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../watch.h"
#include "bridge_sessions.h"
#include "bridge_socket.h"
#include "bridge_state.h"
#include "failures.h"
#include "net/log.h"
#include "socks_pool.h"

#define TEXT_MAX 32
#define TOLD_MS 5000

struct bridge {
	struct bridge_config config;
	struct bridge_state *state;
	struct socks_pool *pool;
	struct bridge_sessions *sessions;
	struct bridge_socket *socket; /* NULL: closed */
	struct failures failures;     /* of targets, as tor has told them */
	void (*ended)(void *arg);     /* of bridge_drain(); NULL: it doesn't drain */
	void *ended_arg;
	bool told; /* its clients, that their servers have gone */
	struct watch grace;
};

enum reason
bridge_route(struct bridge *b, const struct domain *d, const struct map_options *p,
	struct answer *a, struct bridge_wait *wait)
{
	enum reason reason;
	uint32_t ipv4;

	/* Whoever had the port would get the mail. */
	if (!bridge_socket_is_held(b->socket)) {
		b->config.counters->bridge_failures++;
		return REASON_BRIDGE;
	}
	reason = bridge_state_assign(b->state, d, p, a, &ipv4, wait);
	if (reason != REASON_NONE)
		return reason;
	a->route.n = 1;
	a->route.target[0].port = b->config.port;
	a->route.target[0].ipv4 = ipv4;
	return REASON_NONE;
}

/* "[ADDRESS]:PORT" with our port, or an address alone. */
static bool
take_ip(const struct bridge *b, const char *nexthop, size_t len, char ip[TEXT_MAX])
{
	char tail[sizeof("]:65535")];
	size_t n = (size_t)sprintf(tail, "]:%u", (unsigned)b->config.port);

	if (len > n && nexthop[0] == '[') {
		if (memcmp(nexthop + len - n, tail, n) != 0)
			return false;
		nexthop++;
		len -= n + 1;
	}
	if (len >= TEXT_MAX)
		return false;
	memcpy(ip, nexthop, len);
	ip[len] = '\0';
	return strlen(ip) == len;
}

bool
bridge_tls(struct bridge *b, const char *nexthop, size_t len, struct tls_policy *tls)
{
	char ip[TEXT_MAX];
	struct in_addr address;
	struct bridge_line line;

	if (!take_ip(b, nexthop, len, ip) || inet_pton(AF_INET, ip, &address) != 1 ||
		!bridge_state_get(b->state, ntohl(address.s_addr), &line))
		return false;
	*tls = line.tls;
	if (tls->level == TLS_UNSET)
		tls->level = TLS_MAY;
	return true;
}

const char *
bridge_last_failure(const struct bridge *b, const struct target *t, int64_t *ago_s)
{
	const struct failure *f =
		failures_get(&b->failures, t->host, t->hostlen, t->port);

	if (f == NULL)
		return NULL;
	*ago_s = monotime_diff_ms(loop_now(), f->when) / 1000;
	return f->why;
}

/* The end */

static void
drained(struct bridge *b)
{
	void (*ended)(void *arg) = b->ended;

	b->ended = NULL;
	watch_stop(&b->grace);
	if (ended != NULL)
		ended(b->ended_arg);
}

static void
none_left(void *arg)
{
	drained(arg);
}

/* Clients that are told so get a moment to hear it. */
static void
grace_over(evutil_socket_t fd, short what, void *arg)
{
	struct bridge *b = arg;

	(void)fd;
	(void)what;
	if (b->told || bridge_sessions_count(b->sessions) == 0) {
		drained(b);
		return;
	}
	b->told = true;
	bridge_sessions_end(b->sessions);
	watch_insist(&b->grace, TOLD_MS);
}

static void
close_socket(struct bridge *b)
{
	bridge_socket_close(b->socket);
	b->socket = NULL;
}

void
bridge_drain(struct bridge *b, int grace_ms, void (*ended)(void *arg), void *arg)
{
	close_socket(b);
	b->ended = ended;
	b->ended_arg = arg;
	watch_insist(&b->grace, bridge_sessions_count(b->sessions) == 0 ? 0 : grace_ms);
}

/* The whole */

static void
accepted(void *arg, int fd, const struct sockaddr_in *address)
{
	struct bridge *b = arg;

	bridge_sessions_accept(b->sessions, fd, address);
}

static struct bridge_state *
open_state(const struct bridge_config *c)
{
	const struct bridge_state_config state = {.loop = c->loop,
		.counters = c->counters,
		.addresses = c->addresses,
		.state_dir = c->state_dir,
		.isolate_domains = c->isolation == ISOLATE_DOMAIN,
		.wall = c->wall,
		.kept = c->kept,
		.arg = c->kept_arg};

	return bridge_state_open(&state);
}

static struct bridge_sessions *
open_sessions(struct bridge *b)
{
	const struct bridge_config *c = &b->config;
	struct bridge_sessions_config sessions = {.loop = c->loop,
		.counters = c->counters,
		.state = b->state,
		.dial = {.loop = c->loop,
			.counters = c->counters,
			.pool = b->pool,
			.failures = &b->failures,
			.isolation = c->isolation,
			.connect_ms = c->connect_ms},
		.any_user = c->any_user,
		.user = c->user,
		.nusers = c->nusers,
		.idle_ms = c->idle_ms,
		.session_ms = c->session_ms,
		.farewell_ms = c->farewell_ms,
		.max = c->max_clients,
		.none_left = none_left,
		.arg = b};

	arc4random_buf(&sessions.dial.secret, sizeof(sessions.dial.secret));
	return bridge_sessions_new(&sessions);
}

static bool
open_parts(struct bridge *b)
{
	const struct bridge_config *c = &b->config;
	const struct bridge_socket_config socket = {.loop = c->loop,
		.counters = c->counters,
		.port = c->port,
		.accepted = accepted,
		.arg = b};

	if ((b->state = open_state(c)) == NULL)
		return false;
	b->pool = socks_pool_new(c->loop, c->socks, c->nsocks, c->counters);
	if (b->pool == NULL || (b->sessions = open_sessions(b)) == NULL) {
		log_errorx("bridge: out of memory");
		return false;
	}
	return (b->socket = bridge_socket_open(&socket)) != NULL;
}

struct bridge *
bridge_open(const struct bridge_config *config)
{
	struct bridge *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		log_error("bridge");
		return NULL;
	}
	b->config = *config;
	arc4random_buf(&b->failures.key, sizeof(b->failures.key));
	watch_init_timer(&b->grace, config->loop, grace_over, b);
	if (open_parts(b))
		return b;
	bridge_close(b);
	return NULL;
}

void
bridge_close(struct bridge *b)
{
	if (b == NULL)
		return;
	b->ended = NULL;
	close_socket(b);
	bridge_sessions_free(b->sessions);
	watch_stop(&b->grace);
	socks_pool_free(b->pool);
	bridge_state_close(b->state);
	free(b);
}
