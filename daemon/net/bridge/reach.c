/* A target that answers: they are tried one after the other, each with as many tors as it
 * takes to find one that works. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/siphash.h"
#include "core/target.h"
#include "relay_inside.h"

#define HANDSHAKE_MS 5000 /* for what tor answers by itself */

/* Targets and tors */

static void next_tor(struct relay *);

/* NULL: it has answered. */
static void
note(struct relay *r, const char *why)
{
	const struct target *rr = &r->targets.target[r->target];

	failures_note(
		&r->bridge->failures, rr->host, rr->hostlen, rr->port, why, loop_now());
}

static void
next_target(struct relay *r, const char *why)
{
	note(r, why);
	r->why = why;
	relay_counters(r)->bridge_targets_failed++;
	r->tried = 0;
	if (++r->target < r->targets.n) {
		next_tor(r);
		return;
	}
	relay_counters(r)->bridge_unreachable++;
	relay_refuse(r, "4.4.1", "onion service unreachable", why);
}

/* This tor is of no use. Another may be, for the same target. */
static void
tor_failed(struct relay *r)
{
	socks_pool_failed(r->bridge->tors, r->tor);
	r->tried |= 1U << r->tor;
	relay_leave_tor(r);
	next_tor(r);
}

/* Tor has closed the connection without a reply to the request. That may be the target's
 * doing, and then says nothing of tor; if tor has gone, the next connection shows it. */
static void
tor_hung_up(struct relay *r)
{
	struct socks_pool *tors = r->bridge->tors;

	r->tried |= 1U << r->tor;
	relay_leave_tor(r);
	if (socks_pool_choose(tors, r->tried) < socks_pool_size(tors))
		next_tor(r);
	else
		next_target(r, "tor closed the connection");
}

static bool
connect_tor(struct relay *r)
{
	const struct net_addr *to = socks_pool_address(r->bridge->tors, r->tor);

	r->server = (struct end){.fd = socket(to->sa.ss_family,
					 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	if (r->server.fd < 0)
		return false;
	relay_set_nodelay(r->server.fd);
	return connect(r->server.fd, (const struct sockaddr *)&to->sa, to->len) == 0 ||
	       errno == EINPROGRESS;
}

static void
next_tor(struct relay *r)
{
	struct socks_pool *tors = r->bridge->tors;
	size_t tor = socks_pool_choose(tors, r->tried);

	if (tor == socks_pool_size(tors)) {
		relay_counters(r)->socks_down_answers++;
		relay_refuse(r, "4.4.1", "onion service unreachable", "tor is down");
		return;
	}
	r->tor = tor;
	socks_pool_begin(tors, tor);
	r->stage = STAGE_CONNECTING;
	r->inputlen = 0;
	if (!connect_tor(r)) {
		if (r->server.fd < 0) /* that isn't tor's fault */
			relay_refuse_for_descriptors(r);
		else
			tor_failed(r);
		return;
	}
	relay_wait_for(r, &r->server, EV_WRITE);
	relay_set_deadline(r, HANDSHAKE_MS);
}

/* SOCKS */

/* A name that keeps circuits apart, and tells nobody which. */
static void
make_password(struct relay *r, const char *of, size_t len)
{
	struct siphash_key key = {r->bridge->secret, r->bridge->config.isolation};

	snprintf(r->password, sizeof(r->password), "%016llx",
		(unsigned long long)siphash13(&key, of, len));
}

static bool
send_socks(struct relay *r)
{
	uint8_t out[SOCKS_OUTPUT_MAX];
	size_t n = socks_output(&r->socks, out);

	/* Into an empty socket buffer it goes as a whole. */
	return send(r->server.fd, out, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static void
connected_to_tor(struct relay *r)
{
	const struct target *rr = &r->targets.target[r->target];
	struct socks_target target = {
		.host = rr->host, .hostlen = rr->hostlen, .port = rr->port};
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(r->server.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ||
		error != 0) {
		tor_failed(r);
		return;
	}
	if (r->bridge->config.isolation != ISOLATE_NONE) {
		if (!r->of_domain)
			make_password(r, rr->host, rr->hostlen);
		target.user = "onionmxd";
		target.password = r->password;
	}
	socks_begin(&r->socks, &target);
	r->stage = STAGE_SOCKS;
	if (send_socks(r))
		relay_wait_for(r, &r->server, EV_READ);
	else
		tor_failed(r);
}

/* The conversation goes on with what has come in. */
static void
take_socks_input(struct relay *r)
{
	enum socks_state before = r->socks.state;
	size_t used = socks_input(&r->socks, r->input, r->inputlen);

	if (used == 0) {
		if (r->inputlen == SOCKS_INPUT_MAX)
			tor_failed(r);
		return;
	}
	switch (r->socks.state) {
	case SOCKS_FAILED:
		if (before != SOCKS_REQUEST || r->socks.code == 0) {
			tor_failed(r);
			break;
		}
		socks_pool_worked(r->bridge->tors, r->tor);
		relay_leave_tor(r);
		next_target(r, socks_reason(r->socks.code));
		break;
	case SOCKS_CONNECTED:
		socks_pool_worked(r->bridge->tors, r->tor);
		note(r, NULL);
		relay_start(r, r->input + used, r->inputlen - used);
		break;
	default:
		/* Tor says no more than it is asked. */
		r->inputlen = 0;
		if (!send_socks(r))
			tor_failed(r);
		else if (r->socks.state == SOCKS_REQUEST)
			relay_set_deadline(r, r->bridge->config.connect_ms);
	}
}

static void
read_socks(struct relay *r)
{
	ssize_t n = recv(
		r->server.fd, r->input + r->inputlen, SOCKS_INPUT_MAX - r->inputlen, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (r->socks.state == SOCKS_REQUEST)
			tor_hung_up(r);
		else
			tor_failed(r);
		return;
	}
	r->inputlen = (uint16_t)(r->inputlen + n);
	take_socks_input(r);
}

/* The steps */

void
reach_ready(struct relay *r)
{
	if (r->stage == STAGE_CONNECTING)
		connected_to_tor(r);
	else
		read_socks(r);
}

void
reach_timed_out(struct relay *r)
{
	if (r->stage != STAGE_SOCKS || r->socks.state != SOCKS_REQUEST) {
		tor_failed(r);
		return;
	}
	relay_counters(r)->bridge_timeouts++;
	relay_leave_tor(r);
	next_target(r, "timed out");
}

/* Copies the targets: their order may change in the table. */
bool
reach_prepare(struct relay *r, const struct bridge_line *line)
{
	if ((r->packed = malloc(target_set_packed_size(&line->route))) == NULL)
		return false;
	target_set_pack(r->packed, &line->route);
	target_set_unpack(r->packed, &r->targets);
	r->of_domain =
		r->bridge->config.isolation == ISOLATE_DOMAIN && line->domain.len > 0;
	if (r->of_domain)
		make_password(r, line->domain.text, line->domain.len);
	return true;
}

void
reach_begin(struct relay *r)
{
	next_tor(r);
}
