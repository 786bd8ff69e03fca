#include "net/bridge.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* A daemon that was killed, or a full disk, may have left half a line. */
static bool
is_torn(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last = '\n';

	return size > 0 && (pread(fd, &last, 1, size - 1) != 1 || last != '\n');
}

/* The secret from which addresses follow */

static void
take_key(void *arg, const char *text, size_t len)
{
	struct siphash_key *key = arg;
	char line[40], end;

	if (len >= sizeof(line))
		return;
	memcpy(line, text, len);
	line[len] = '\0';
	if (sscanf(line, "%16" SCNx64 "%16" SCNx64 "%c", &key->k0, &key->k1, &end) != 2)
		*key = (struct siphash_key){0};
}

static bool
write_key(const char *path, const struct siphash_key *key)
{
	FILE *f = statefile_create(path);

	if (f == NULL)
		return false;
	fprintf(f, "%016" PRIx64 "%016" PRIx64 "\n", key->k0, key->k1);
	return statefile_commit(f, path, true);
}

/* Without a key, or with a damaged one, there is a new one: what was given out before is
 * kept all the same. */
static bool
load_key(const char *dir, struct siphash_key *key)
{
	char path[STATEFILE_PATH_MAX];

	if (!statefile_path(path, dir, "bridge.key"))
		return false;
	if (!statefile_read(path, take_key, key)) {
		log_error("%s", path);
		return false;
	}
	if (key->k0 != 0 || key->k1 != 0)
		return true;
	arc4random_buf(key, sizeof(*key));
	if (write_key(path, key))
		return true;
	log_error("%s", path);
	return false;
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
	if (append(b, w)) {
		b->config.counters->bridge_addresses++;
		return true;
	}
	addressbook_forget(b->book, w->ipv4);
	return failed(b, "it can't be kept in state_dir");
}

bool
bridge_route(struct bridge *b, const struct domain *d, const struct policy *p,
	struct route *route)
{
	struct way w = {.tls = p->tls, .route = *route};

	/* Whoever had the port would get the mail. */
	if (!bridge_socket_is_held(b->socket)) {
		b->config.counters->bridge_failures++;
		return false;
	}
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

	if (!load_key(c->state_dir, &c->addresses.key))
		return false;
	b->book = addressbook_new(&c->addresses);
	b->tors = torpool_new(c->loop, c->socks, c->nsocks, c->counters);
	if (b->book == NULL || b->tors == NULL) {
		log_errorx("bridge: out of memory");
		return false;
	}
	return open_log(b) && (b->socket = bridge_socket_open(&socket)) != NULL;
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
	b->log = -1;
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
	torpool_free(b->tors);
	addressbook_free(b->book);
	if (b->log >= 0)
		close(b->log);
	free(b);
}
