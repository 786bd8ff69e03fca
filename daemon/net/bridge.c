#include "net/bridge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge_inside.h"
#include "net/log.h"
#include "statefile.h"

#define TICK_MS 1000
#define TEXT_MAX 32

/* Addresses on disk */

struct loading {
	struct bridge *bridge;
	size_t left_out;
};

static void
take_line(void *arg, const char *text, size_t len)
{
	struct loading *l = arg;
	struct way w;

	if (!way_read(text, len, &w) || !addressbook_load(l->bridge->book, &w))
		l->left_out++;
}

static void
open_way(void *arg, const struct way *w)
{
	door_open(arg, w->ipv4); /* a failure is logged, and concerns this one alone */
}

/* A daemon that was killed, or a full disk, may have left half a line. */
static bool
is_torn(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last = '\n';

	return size > 0 && (pread(fd, &last, 1, size - 1) != 1 || last != '\n');
}

/* What was given out before, and the file to which the next is added. */
static bool
open_log(struct bridge *b)
{
	struct loading l = {.bridge = b};
	char path[STATEFILE_PATH_MAX];

	if (!statefile_path(path, b->config.state_dir, "bridge"))
		return false;
	if (!statefile_read(path, take_line, &l)) {
		log_error("%s", path);
		return false;
	}
	if (l.left_out > 0)
		log_warnx("%s: %zu lines are damaged, or outside of the range, and are "
			  "left out",
			path, l.left_out);
	b->log = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->log < 0) {
		log_error("%s", path);
		return false;
	}
	b->torn = is_torn(b->log);
	return true;
}

static bool
append(struct bridge *b, const struct way *w)
{
	char line[WAY_LINE_MAX];
	size_t n = way_write(line, w);

	/* Not behind half a line: it would be a part of it. */
	if (b->torn)
		b->torn = write(b->log, "\n", 1) != 1;
	if (!b->torn) {
		ssize_t written = write(b->log, line, n);

		if (written == (ssize_t)n)
			return true;
		b->torn = written > 0;
	}
	b->config.counters->state_failures++;
	return false;
}

/* Giving addresses out */

static bool
failed(struct bridge *b, const char *why)
{
	b->config.counters->bridge_failures++;
	if (!b->failed)
		log_warnx("bridge: no address for another route: %s", why);
	b->failed = true;
	return false;
}

static bool
assign(struct bridge *b, struct way *w)
{
	switch (addressbook_assign(b->book, w)) {
	case ADDRESSBOOK_FOUND:
		return true;
	case ADDRESSBOOK_FULL:
		return failed(b, "bridge_addresses are in use");
	case ADDRESSBOOK_NOMEM:
		return failed(b, "out of memory");
	case ADDRESSBOOK_NEW:
		break;
	}
	/* First the door: an address that was kept is never given to another. */
	if (door_open(b, w->ipv4)) {
		if (append(b, w)) {
			b->config.counters->bridge_addresses++;
			return true;
		}
		door_close(b, w->ipv4);
	}
	addressbook_forget(b->book, w->ipv4);
	return failed(b, "can't listen there, or it can't be kept");
}

bool
bridge_route(struct bridge *b, const struct domain *d, const struct policy *p,
	struct route *route)
{
	struct way w = {.tls = p->tls, .route = *route};

	if (b->config.isolate == ISOLATE_DOMAIN)
		w.domain = *d;
	if (!assign(b, &w))
		return false;
	route->n = 1;
	route->target[0].port = b->config.port;
	route->target[0].ipv4 = w.ipv4;
	return true;
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
	struct way w;

	if (!take_ip(b, nexthop, len, ip) || inet_pton(AF_INET, ip, &address) != 1 ||
		!addressbook_get(b->book, ntohl(address.s_addr), &w))
		return false;
	*tls = w.tls;
	if (tls->level == TLS_UNSET)
		tls->level = TLS_MAY;
	return true;
}

/* Time, and the end */

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	struct bridge *b = arg;
	struct monotime now = loop_now();
	struct relay *r, *next;

	(void)fd;
	(void)what;
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
	event_del(&b->grace);
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

void
bridge_drain(struct bridge *b, int grace_ms, void (*ended)(void *arg), void *arg)
{
	struct timeval grace = timeval_ms(b->count == 0 ? 0 : grace_ms);

	doors_close(b);
	b->draining = true;
	b->ended = ended;
	b->ended_arg = arg;
	event_add(&b->grace, &grace);
}

/* The whole */

static bool
open_parts(struct bridge *b)
{
	const struct bridge_config *c = &b->config;

	b->book = addressbook_new(&c->addresses);
	b->tors = torpool_new(c->loop, c->socks, c->nsocks, c->counters);
	if (b->book == NULL || b->tors == NULL) {
		log_errorx("bridge: out of memory");
		return false;
	}
	if (!open_log(b))
		return false;
	addressbook_walk(b->book, open_way, b);
	return true;
}

struct bridge *
bridge_open(const struct bridge_config *config)
{
	struct bridge *b = calloc(1, sizeof(*b));
	struct timeval every = timeval_ms(TICK_MS);

	if (b == NULL) {
		log_error("bridge");
		return NULL;
	}
	b->config = *config;
	b->log = -1;
	arc4random_buf(&b->secret, sizeof(b->secret));
	SLIST_INIT(&b->doors);
	LIST_INIT(&b->relays);
	event_assign(&b->tick, loop_base(config->loop), -1, EV_PERSIST, tick, b);
	evtimer_assign(&b->grace, loop_base(config->loop), grace_over, b);
	event_add(&b->tick, &every);
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
	doors_close(b);
	while (!LIST_EMPTY(&b->relays))
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		relay_free(LIST_FIRST(&b->relays));
	event_del(&b->tick);
	event_del(&b->grace);
	torpool_free(b->tors);
	addressbook_free(b->book);
	if (b->log >= 0)
		close(b->log);
	free(b);
}
