#include "net/bridge.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge_inside.h"
#include "net/log.h"

#define TICK_MS 1000
#define TEXT_MAX 32

enum reason
bridge_route(struct bridge *b, const struct domain *d, const struct policy *p,
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

/* Time, and the end */

static void
tick(void *arg)
{
	struct bridge *b = arg;
	struct monotime now = loop_now();
	struct relay *r, *next;

	for (r = LIST_FIRST(&b->relays); r != NULL; r = next) {
		next = relay_next(r);
		relay_look_at_time(r, now);
	}
}

static void
drained(struct bridge *b)
{
	void (*ended)(void *arg) = b->ended;

	b->ended = NULL;
	watch_stop(&b->grace);
	if (ended != NULL)
		ended(b->ended_arg);
}

void
bridge_relay_ended(struct bridge *b)
{
	if (--b->count == 0 && b->draining)
		drained(b);
}

static void
grace_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	drained(arg);
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
	b->draining = true;
	b->ended = ended;
	b->ended_arg = arg;
	watch_insist(&b->grace, b->count == 0 ? 0 : grace_ms);
}

/* The whole */

static void
accepted(void *arg, int fd, const struct sockaddr_in *address)
{
	relay_new(arg, fd, address);
}

static bool
open_parts(struct bridge *b)
{
	struct bridge_config *c = &b->config;
	const struct bridge_socket_config socket = {.loop = c->loop,
		.counters = c->counters,
		.port = c->port,
		.accepted = accepted,
		.arg = b};

	const struct bridge_state_config state = {.loop = c->loop,
		.counters = c->counters,
		.addresses = c->addresses,
		.state_dir = c->state_dir,
		.isolate_domains = c->isolation == ISOLATE_DOMAIN,
		.wall = c->wall,
		.kept = c->kept,
		.arg = c->kept_arg};

	b->tors = socks_pool_new(c->loop, c->socks, c->nsocks, c->counters);
	if (b->tors == NULL) {
		log_errorx("bridge: out of memory");
		return false;
	}
	return (b->state = bridge_state_open(&state)) != NULL &&
	       (b->socket = bridge_socket_open(&socket)) != NULL;
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
	arc4random_buf(&b->secret, sizeof(b->secret));
	arc4random_buf(&b->failures.key, sizeof(b->failures.key));
	LIST_INIT(&b->relays);
	places_init(&b->places, config->max_clients);
	watch_init_timer(&b->grace, config->loop, grace_over, b);
	ticker_start(&b->tick, config->loop, TICK_MS, tick, b);
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
	b->draining = false;
	close_socket(b);
	while (!LIST_EMPTY(&b->relays))
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		relay_free(LIST_FIRST(&b->relays));
	ticker_stop(&b->tick);
	watch_stop(&b->grace);
	socks_pool_free(b->tors);
	bridge_state_close(b->state);
	free(b);
}
