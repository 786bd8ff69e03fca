#include "socks_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../watch.h"
#include "core/breaker.h"
#include "net/log.h"
#include "net/outage.h"

#define PROBE_MS 1000

struct tor {
	struct socks_pool *pool;
	struct net_addr address;
	char name[NET_ADDR_TEXT];
	struct breaker breaker;
	struct outage outage;
	size_t load;
	struct watch timer; /* for the next probe */
	struct watch probe;
	int fd; /* of the probe; -1: none is under way */
};

struct socks_pool {
	struct loop *loop;
	struct counters *counters;
	size_t n;
	struct tor tor[SOCKS_POOL_MAX];
};

size_t
socks_pool_size(const struct socks_pool *p)
{
	return p->n;
}

const struct net_addr *
socks_pool_address(const struct socks_pool *p, size_t i)
{
	return &p->tor[i].address;
}

size_t
socks_pool_choose(const struct socks_pool *p, unsigned tried)
{
	size_t best = p->n;

	for (size_t i = 0; i < p->n; i++)
		if (!p->tor[i].breaker.open && (tried & 1U << i) == 0 &&
			(best == p->n || p->tor[i].load < p->tor[best].load))
			best = i;
	return best;
}

void
socks_pool_begin(struct socks_pool *p, size_t i)
{
	p->tor[i].load++;
}

void
socks_pool_end(struct socks_pool *p, size_t i)
{
	p->tor[i].load--;
}

/* Probes: a greeting, which tor answers at once */

static void
end_probe(struct tor *t)
{
	watch_stop(&t->probe);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

void
socks_pool_worked(struct socks_pool *p, size_t i)
{
	struct tor *t = &p->tor[i];

	breaker_success(&t->breaker);
	outage_over(&t->outage, loop_now());
	watch_stop(&t->timer);
	end_probe(t);
}

static void
wait_for_probe(struct tor *t)
{
	watch_insist(&t->timer, monotime_diff_ms(t->breaker.probe, loop_now()));
}

void
socks_pool_failed(struct socks_pool *p, size_t i)
{
	struct tor *t = &p->tor[i];

	if (breaker_failure(&t->breaker, loop_now()))
		wait_for_probe(t);
}

static void
probe_failed(struct tor *t)
{
	end_probe(t);
	t->pool->counters->socks_down += breaker_probe_failed(&t->breaker, loop_now());
	outage_seen(&t->outage, loop_now());
	wait_for_probe(t);
}

static void
probe_answered(evutil_socket_t fd, short what, void *arg)
{
	struct tor *t = arg;
	char answer[2] = {0};

	/* RFC 1928 section 3: the version, and the method, which is none. */
	if (!(what & EV_TIMEOUT) && recv(fd, answer, sizeof(answer), 0) > 0 &&
		answer[0] == 5 && answer[1] == 0)
		socks_pool_worked(t->pool, (size_t)(t - t->pool->tor));
	else
		probe_failed(t);
}

static void
probe_connected(evutil_socket_t fd, short what, void *arg)
{
	struct tor *t = arg;

	if (what & EV_TIMEOUT || send(fd, "\5\1\0", 3, MSG_NOSIGNAL) != 3) {
		probe_failed(t);
		return;
	}
	watch_init(&t->probe, t->pool->loop, fd, EV_READ, probe_answered, t);
	if (!watch_start(&t->probe, PROBE_MS))
		probe_failed(t);
}

static void
start_probe(evutil_socket_t none, short what, void *arg)
{
	struct tor *t = arg;

	(void)none;
	(void)what;
	t->fd = socket(
		t->address.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0 || (connect(t->fd, (const struct sockaddr *)&t->address.sa,
				  t->address.len) < 0 &&
				 errno != EINPROGRESS)) {
		probe_failed(t);
		return;
	}
	watch_init(&t->probe, t->pool->loop, t->fd, EV_WRITE, probe_connected, t);
	if (!watch_start(&t->probe, PROBE_MS))
		probe_failed(t);
}

/* The whole */

struct socks_pool *
socks_pool_new(struct loop *loop, const struct net_addr socks[], size_t n,
	struct counters *counters)
{
	struct socks_pool *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		log_error("bridge");
		return NULL;
	}
	p->loop = loop;
	p->counters = counters;
	p->n = n;
	for (size_t i = 0; i < n; i++) {
		struct tor *t = &p->tor[i];

		t->pool = p;
		t->address = socks[i];
		net_addr_text(&socks[i], t->name);
		t->outage = (struct outage){.what = "tor's SOCKS port", .name = t->name};
		t->fd = -1;
		watch_init_timer(&t->timer, loop, start_probe, t);
	}
	return p;
}

void
socks_pool_free(struct socks_pool *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		watch_stop(&p->tor[i].timer);
		end_probe(&p->tor[i]);
	}
	free(p);
}
