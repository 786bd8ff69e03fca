/* The shell around an engine whose DNS, tor and map say what a name says: for targets
 * that are clients of a socket. An answer depends on nothing but the question, and DNS
 * and tor answer when they are told to. */
#ifndef FUZZ_SHELL_H
#define FUZZ_SHELL_H

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../daemon/net/loop_base.h"
#include "core/onion.h"
#include "flow/lookup.h"
#include "fuzz.h"
#include "net/listener.h"
#include "net/log.h"
#include "net/loop.h"

#define ONION_A "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"
#define ONION_B "aibqibiga4eascqlbqgq4dyqcejbgfavcylrqgi2dmob2hq7eaqs4eqd.onion"
#define OUTPUT_MAX (1 << 18)
#define CUTS_MAX 16

struct dns_query {
	enum dns_type type;
	uint8_t sum; /* of the name's bytes */
	dns_done *done;
	void *arg;
	struct dns_query *next;
};

struct shell {
	struct dns_source dns, tor;
	struct map_source map;
	struct counters counters;
	struct dns_query *asked; /* the newest first */
	struct engine *engine;
	struct profile *profile[STYLES];
};

static struct shell shell;
static struct loop *shell_loop; /* one for all runs */

/* DNS and tor */

static struct dns_query *
shell_ask(struct dns_source *dns, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	struct dns_query *q = fuzz_alloc(sizeof(*q));

	(void)dns;
	*q = (struct dns_query){
		.type = type, .done = done, .arg = arg, .next = shell.asked};
	for (; *name != '\0'; name++)
		q->sum = (uint8_t)(q->sum + *name);
	shell.asked = q;
	return q;
}

static void
shell_unlink(struct dns_query *q)
{
	struct dns_query **p = &shell.asked;

	while (*p != q)
		p = &(*p)->next;
	*p = q->next;
	free(q);
}

static void
shell_records(struct dns_answer *a, uint8_t sum)
{
	static const char *const hosts[] = {ONION_A, ONION_B};

	a->srv.n = (uint8_t)(1 + sum / 4 % 2);
	for (uint8_t i = 0; i < a->srv.n; i++)
		a->srv.target[i] = (struct target){.priority = i,
			.port = sum % 8 == 0 ? SMTP_PORT : 2525,
			.host = hosts[(i + sum / 16) % 2],
			.hostlen = (uint8_t)strlen(hosts[0])};
}

static void
shell_answer_to(struct dns_query *q)
{
	static struct dns_answer a;
	struct dns_query was = *q;

	shell_unlink(q);
	a = (struct dns_answer){.status = DNS_RECORDS, .ttl = 3600};
	a.ipv4 = 0x0ac00001 + was.sum;
	if (was.type == DNS_TYPE_SRV && was.sum % 4 == 3)
		a.status = DNS_NONE;
	else if (was.type == DNS_TYPE_SRV)
		shell_records(&a, was.sum);
	was.done(was.arg, &a, loop_now());
}

/* Answers the newest question, or all. */
static inline void
shell_answer(bool all)
{
	do
		if (shell.asked != NULL)
			shell_answer_to(shell.asked);
	while (all && shell.asked != NULL);
}

/* Names that begin with m have an entry. */
static enum map_result
shell_get(struct map_source *map, const char *key, size_t len, struct map_value *value)
{
	static const char *const values[] = {
		"-", ONION_A, ONION_B ":26, " ONION_A, "dnssec=require -"};

	(void)map;
	if (*key != 'm')
		return MAP_MISS;
	if (len % 8 == 7)
		return MAP_BROKEN;
	value->len = strlen(values[len % 4]);
	memcpy(value->text, values[len % 4], value->len);
	return MAP_HIT;
}

static enum reason
shell_cross(void *arg, const struct domain *d, const struct map_options *p,
	struct answer *a, struct bridge_wait *wait)
{
	(void)arg;
	(void)d;
	(void)p;
	(void)wait;
	a->route.n = 1;
	a->route.target[0].ipv4 = 0x7f2a0001;
	a->route.target[0].port = 14525;
	return REASON_NONE;
}

/* The time of day stands still: it is in answers, too. */

#define SHELL_WALL 1800000000

time_t
time(time_t *t)
{
	if (t != NULL)
		*t = SHELL_WALL;
	return SHELL_WALL;
}

/* The engine */

static uint64_t
shell_random(void)
{
	return 1;
}

static inline void
shell_open(void)
{
	const struct engine_config config = {.srv_prefix = "_onion-mx._tcp.",
		.on_failure = ON_FAILURE_DEFER,
		.on_insecure = ON_FAILURE_DEFER,
		.dns = {.timeout_ms = 1000000, .tries = 1},
		.tor = {.timeout_ms = 1000000, .tries = 1},
		.ttl_max = 3600,
		.negative_ttl_max = 3600,
		.cache = {.entries = 100, .bytes = 100000},
		.max_lookups = 1000,
		.max_queries = 1000,
		.max_waiters = 1000};
	struct engine_ports ports = {.map = &shell.map,
		.dns = {&shell.dns},
		.ndns = 1,
		.tor = &shell.tor,
		.random = shell_random,
		.counters = &shell.counters,
		.bridge = shell_cross};

	log_open(false, LOG_LEVEL_ERROR);
	memset(&shell, 0, sizeof(shell));
	shell.dns.ask = shell.tor.ask = shell_ask;
	shell.dns.cancel = shell.tor.cancel = shell_unlink;
	shell.dns.name = "dns";
	shell.tor.name = "tor";
	shell.map.get = shell_get;
	if (shell_loop == NULL)
		require((shell_loop = loop_new()) != NULL);
	require((shell.engine = engine_new(&config, &ports)) != NULL);
	for (enum answer_style s = 0; s < STYLES; s++)
		require((shell.profile[s] = engine_profile_new(
				 shell.engine, s, 1000000)) != NULL);
}

/* When nobody asks any more. */
static inline void
shell_close(void)
{
	require(engine_pending(shell.engine) == 0);
	engine_free(shell.engine);
	require(shell.asked == NULL);
}

/* A directory of state, empty at each call. */

static char shell_dir_path[64];

static void
shell_remove(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", shell_dir_path, name);
	unlink(path);
}

static void
shell_clear_dir(void)
{
	shell_remove("pins");
	shell_remove("pins.old");
	shell_remove("cache");
}

static void
shell_remove_dir(void)
{
	shell_clear_dir();
	rmdir(shell_dir_path);
}

static inline const char *
shell_dir(void)
{
	if (shell_dir_path[0] == '\0') {
		snprintf(shell_dir_path, sizeof(shell_dir_path),
			"%s/onionmxd-fuzz.XXXXXX",
			access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		require(mkdtemp(shell_dir_path) != NULL);
		atexit(shell_remove_dir);
	}
	shell_clear_dir();
	return shell_dir_path;
}

/* What the daemon's socket takes at once: less than there is room for, to see what
 * becomes of the rest. */

static size_t shell_output_max;

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	if (len > shell_output_max)
		len = shell_output_max;
	return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

/* A client */

struct shell_client {
	int fd;
	bool closed; /* by the daemon */
	size_t len;
	char text[OUTPUT_MAX + 1]; /* that it has got */
};

#define SHELL_SOCKETS 2

static char shell_socket[SHELL_SOCKETS][64];

static void
shell_unlink_sockets(void)
{
	for (size_t i = 0; i < SHELL_SOCKETS; i++)
		unlink(shell_socket[i]);
}

/* The client connects to the first. */
static inline struct listener_config
shell_listener(size_t which)
{
	static char name[] = "x";
	struct listener_config config = {.name = name,
		.max_clients = 10,
		.mode = 0600,
		.owner = (uid_t)-1,
		.group = (gid_t)-1};
	char text[80];

	if (shell_socket[0][0] == '\0') {
		for (size_t i = 0; i < SHELL_SOCKETS; i++)
			snprintf(shell_socket[i], sizeof(shell_socket[i]),
				"/tmp/onionmxd-fuzz.%ld.%zu", (long)getpid(), i);
		atexit(shell_unlink_sockets);
	}
	snprintf(text, sizeof(text), "unix:%s", shell_socket[which]);
	require(net_addr_parse(&config.addr, text, 0) == NULL);
	return config;
}

static inline void
shell_connect(struct shell_client *c)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	strcpy(to.sun_path, shell_socket[0]);
	c->closed = false;
	c->len = 0;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	require(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0);
}

/* What can happen at once happens. Returns whether the client was told anything. */
static inline bool
shell_turn(struct shell_client *c)
{
	ssize_t n;

	event_base_loop(loop_base(shell_loop), EVLOOP_NONBLOCK);
	if (c->closed)
		return false;
	n = recv(c->fd, c->text + c->len, OUTPUT_MAX - c->len, 0);
	if (n > 0)
		c->len += (size_t)n;
	c->closed = n == 0 || (n < 0 && errno == ECONNRESET);
	require(n >= 0 || errno == EAGAIN || errno == ECONNRESET);
	return n > 0 || c->closed;
}

static inline void
shell_send(struct shell_client *c, const uint8_t *data, size_t len)
{
	while (len > 0 && !c->closed) {
		ssize_t n = sendto(c->fd, data, len, MSG_NOSIGNAL, NULL, 0);

		require(n > 0 || errno == EAGAIN || errno == EPIPE);
		if (n < 0 && errno == EPIPE)
			return;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		if (len > 0)
			shell_turn(c);
	}
}

/* Until nothing more happens, whatever DNS says. */
static inline void
shell_settle(struct shell_client *c)
{
	for (int idle = 0; idle < 6; idle++) {
		if (shell.asked != NULL)
			idle = 0;
		shell_answer(true);
		if (shell_turn(c))
			idle = 0;
	}
}

/* What a client does: how its bytes are cut, from the input, and the bytes. */
struct shell_plan {
	uint8_t how;
	bool ends;  /* the client shuts its side down behind the last byte */
	bool eager; /* and doesn't wait for the daemon before */
	size_t n;
	const uint8_t *cut; /* for each piece its length, and what happens behind it */
	const uint8_t *data;
	size_t size;
};

static inline bool
shell_read_plan(struct shell_plan *p, const uint8_t *data, size_t size)
{
	if (size < 2)
		return false;
	p->how = data[0];
	p->ends = data[0] & 128;
	p->eager = data[0] & 64;
	p->n = data[1] % (CUTS_MAX + 1);
	if (size < 2 + 2 * p->n)
		return false;
	p->cut = data + 2;
	p->data = data + 2 + 2 * p->n;
	p->size = size - 2 - 2 * p->n;
	return true;
}

/* Some turns of the loop, some answers of DNS, or nothing. */
static inline void
shell_between(struct shell_client *c, uint8_t how)
{
	static const size_t output[] = {SIZE_MAX, 1, 10, 100};

	shell_output_max = output[how / 64];
	for (unsigned i = 0; i < how % 4U; i++)
		shell_turn(c);
	if (how & 8)
		shell_answer(how & 16);
	if (how & 32)
		shell_turn(c);
}

/* Says it, cut or all at once, and takes what comes. */
static inline void
shell_talk(const struct shell_plan *p, bool cut, struct shell_client *c)
{
	const uint8_t *data = p->data;
	size_t left = p->size;

	shell_output_max = SIZE_MAX;
	shell_connect(c);
	for (size_t i = 0; cut && i < p->n; i++) {
		size_t len = p->cut[2 * i] < left ? p->cut[2 * i] : left;

		shell_send(c, data, len);
		shell_between(c, p->cut[2 * i + 1]);
		data += len;
		left -= len;
	}
	shell_send(c, data, left);
	if (!p->eager || cut)
		shell_settle(c);
	if (p->ends)
		shutdown(c->fd, SHUT_WR);
	shell_settle(c);
	close(c->fd);
}

static inline void
shell_same(const struct shell_client *a, const struct shell_client *b)
{
	require(a->closed == b->closed && a->len == b->len);
	require(memcmp(a->text, b->text, a->len) == 0);
}

#endif
