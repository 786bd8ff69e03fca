#include "dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../watch.h"
#include "core/siphash.h"
#include "core/socks.h"
#include "core/target.h"

#define HANDSHAKE_MS 5000 /* for what tor answers by itself */

struct dial {
	const struct dial_config *config;
	void (*done)(void *arg, const struct dialled *);
	void *arg;
	int fd; /* -1: there is no connection to tor */
	struct watch ready;
	struct watch timer; /* for the step under way */
	struct socks socks;
	bool connecting;   /* to tor; after that socks says how far it is */
	bool of_domain;    /* the password; else it is of the target */
	uint8_t target;    /* the one that is being tried */
	uint16_t inputlen; /* of tor's answer that isn't whole */
	unsigned tried;    /* tors that didn't work, for this target */
	size_t tor;        /* the one that is being tried, if there is a connection */
	char password[17];
	uint8_t input[SOCKS_INPUT_MAX];
	struct target_set targets; /* its names are in packed */
	char packed[];
};

/* The end */

static void
leave_tor(struct dial *d)
{
	watch_stop(&d->ready);
	if (d->fd < 0)
		return;
	socks_pool_end(d->config->pool, d->tor);
	close(d->fd);
	d->fd = -1;
}

/* The connection, if the dial still has one, isn't closed. */
static void
finish(struct dial *d, const struct dialled *result)
{
	watch_stop(&d->ready);
	watch_stop(&d->timer);
	d->done(d->arg, result);
	free(d);
}

static void
fail(struct dial *d, const char *code, const char *what, const char *why)
{
	const struct dialled failed = {.fd = -1, .code = code, .what = what, .why = why};

	leave_tor(d);
	finish(d, &failed);
}

void
dial_cancel(struct dial *d)
{
	leave_tor(d);
	watch_stop(&d->timer);
	free(d);
}

/* Targets and tors */

static void next_tor(struct dial *);

/* NULL: the target has answered. */
static void
note(struct dial *d, const char *why)
{
	const struct target *t = &d->targets.target[d->target];

	failures_note(d->config->failures, t->host, t->hostlen, t->port, why, loop_now());
}

static void
next_target(struct dial *d, const char *why)
{
	note(d, why);
	d->config->counters->bridge_targets_failed++;
	d->tried = 0;
	if (++d->target < d->targets.n) {
		next_tor(d);
		return;
	}
	d->config->counters->bridge_unreachable++;
	fail(d, "4.4.1", "onion service unreachable", why);
}

/* This tor is of no use. Another may be, for the same target. */
static void
tor_failed(struct dial *d)
{
	socks_pool_failed(d->config->pool, d->tor);
	d->tried |= 1U << d->tor;
	leave_tor(d);
	next_tor(d);
}

/* Tor has closed the connection without a reply to the request. That may be the target's
 * doing, and then says nothing of tor; if tor has gone, the next connection shows it. */
static void
tor_hung_up(struct dial *d)
{
	struct socks_pool *pool = d->config->pool;

	d->tried |= 1U << d->tor;
	leave_tor(d);
	if (socks_pool_choose(pool, d->tried) < socks_pool_size(pool))
		next_tor(d);
	else
		next_target(d, "tor closed the connection");
}

static bool
connect_tor(struct dial *d)
{
	const struct net_addr *to = socks_pool_address(d->config->pool, d->tor);

	return connect(d->fd, (const struct sockaddr *)&to->sa, to->len) == 0 ||
	       errno == EINPROGRESS;
}

static void ready(evutil_socket_t fd, short what, void *arg);

static void
wait_for(struct dial *d, short what)
{
	watch_stop(&d->ready);
	watch_init(
		&d->ready, d->config->loop, d->fd, (short)(what | EV_PERSIST), ready, d);
	watch_insist(&d->ready, WATCH_NO_LIMIT);
}

static void
next_tor(struct dial *d)
{
	struct socks_pool *pool = d->config->pool;

	d->tor = socks_pool_choose(pool, d->tried);
	if (d->tor == socks_pool_size(pool)) {
		d->config->counters->socks_down_answers++;
		fail(d, "4.4.1", "onion service unreachable", "tor is down");
		return;
	}
	d->fd = socket(socks_pool_address(pool, d->tor)->sa.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0) { /* that isn't tor's fault */
		d->config->counters->bridge_refused++;
		fail(d, "4.3.2", "out of file descriptors", NULL);
		return;
	}
	socks_pool_begin(pool, d->tor);
	d->connecting = true;
	d->inputlen = 0;
	if (!connect_tor(d)) {
		tor_failed(d);
		return;
	}
	wait_for(d, EV_WRITE);
	watch_insist(&d->timer, HANDSHAKE_MS);
}

/* SOCKS */

/* A name that keeps circuits apart, and tells nobody which. */
static void
make_password(struct dial *d, const char *of, size_t len)
{
	struct siphash_key key = {d->config->secret, d->config->isolation};

	snprintf(d->password, sizeof(d->password), "%016llx",
		(unsigned long long)siphash13(&key, of, len));
}

static bool
send_socks(struct dial *d)
{
	uint8_t out[SOCKS_OUTPUT_MAX];
	size_t n = socks_output(&d->socks, out);

	/* Into an empty socket buffer it goes as a whole. */
	return send(d->fd, out, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static void
connected_to_tor(struct dial *d)
{
	const struct target *t = &d->targets.target[d->target];
	struct socks_target target = {
		.host = t->host, .hostlen = t->hostlen, .port = t->port};
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0) {
		tor_failed(d);
		return;
	}
	if (d->config->isolation != ISOLATE_NONE) {
		if (!d->of_domain)
			make_password(d, t->host, t->hostlen);
		target.user = "onionmxd";
		target.password = d->password;
	}
	socks_begin(&d->socks, &target);
	d->connecting = false;
	if (send_socks(d))
		wait_for(d, EV_READ);
	else
		tor_failed(d);
}

static void
connected(struct dial *d, size_t used)
{
	const struct dialled result = {.fd = d->fd,
		.tor = d->tor,
		.greeting = d->input + used,
		.len = d->inputlen - used};

	socks_pool_worked(d->config->pool, d->tor);
	note(d, NULL);
	finish(d, &result);
}

static void
refused(struct dial *d, enum socks_state before)
{
	if (before != SOCKS_REQUEST || d->socks.code == 0) {
		tor_failed(d);
		return;
	}
	socks_pool_worked(d->config->pool, d->tor);
	leave_tor(d);
	next_target(d, socks_reason(d->socks.code));
}

/* The conversation goes on with what has come in. */
static void
read_answer(struct dial *d)
{
	enum socks_state before = d->socks.state;
	size_t used = socks_input(&d->socks, d->input, d->inputlen);

	if (used == 0) {
		if (d->inputlen == SOCKS_INPUT_MAX)
			tor_failed(d);
		return;
	}
	switch (d->socks.state) {
	case SOCKS_FAILED:
		refused(d, before);
		break;
	case SOCKS_CONNECTED:
		connected(d, used);
		break;
	default:
		/* Tor says no more than it is asked. */
		d->inputlen = 0;
		if (!send_socks(d))
			tor_failed(d);
		else if (d->socks.state == SOCKS_REQUEST)
			watch_insist(&d->timer, d->config->connect_ms);
	}
}

static void
read_socks(struct dial *d)
{
	ssize_t n = recv(d->fd, d->input + d->inputlen, SOCKS_INPUT_MAX - d->inputlen, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (d->socks.state == SOCKS_REQUEST)
			tor_hung_up(d);
		else
			tor_failed(d);
		return;
	}
	d->inputlen = (uint16_t)(d->inputlen + n);
	read_answer(d);
}

/* Events */

static void
ready(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	if (d->connecting)
		connected_to_tor(d);
	else
		read_socks(d);
}

/* The step has taken too long, or it is the first one. */
static void
timed_out(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	(void)fd;
	(void)what;
	if (d->fd < 0) {
		next_tor(d);
	} else if (d->connecting || d->socks.state != SOCKS_REQUEST) {
		tor_failed(d);
	} else {
		d->config->counters->bridge_timeouts++;
		leave_tor(d);
		next_target(d, "timed out");
	}
}

/* Copies the targets: their order may change in the table. */
struct dial *
dial_start(const struct dial_config *config, const struct bridge_line *line,
	void (*done)(void *arg, const struct dialled *dialled), void *arg)
{
	const size_t size = target_set_packed_size(&line->route);
	struct dial *d = calloc(1, sizeof(*d) + size);

	if (d == NULL)
		return NULL;
	target_set_pack(d->packed, &line->route);
	target_set_unpack(d->packed, &d->targets);
	d->config = config;
	d->done = done;
	d->arg = arg;
	d->fd = -1;
	d->of_domain = config->isolation == ISOLATE_DOMAIN && line->domain.len > 0;
	if (d->of_domain)
		make_password(d, line->domain.text, line->domain.len);
	watch_init_timer(&d->timer, config->loop, timed_out, d);
	watch_fire(&d->timer);
	return d;
}
