#include "dns_pool.h"

#include <stddef.h>
#include <stdlib.h>

#include "watch.h"

/* Questions to one server that have a channel each, and with it a source port and a
 * receive buffer. Further ones share: a channel costs 72 kB with c-ares 1.18. */
#define ALONE_MAX 256
#define SHARED_QUESTIONS 64
#define UDP_CHANNELS_MAX (ALONE_MAX + 64)

/* Channels of one question that are kept for another, since to make one costs more than
 * the question; and for how long, in milliseconds. */
#define RESTING_MAX 128
#define REST_MS 2000

/* Connections to one server by TCP, each for one question. */
#define TCP_CHANNELS_MAX 256

_Static_assert(UDP_CHANNELS_MAX + TCP_CHANNELS_MAX <= DNS_POOL_CHANNELS_MAX,
	"as the header says");

/* Questions on tor's channel for whose answers nobody waits any more. c-ares keeps them
 * until the channel is destroyed. */
#define FORGOTTEN_MAX 256

enum use {
	USE_ALONE,
	USE_SHARED,
	USE_TCP,
	USE_TOR,
	USES,
};

struct pooled_channel {
	LIST_ENTRY(pooled_channel) entry; /* the pool's open ones, resting or condemned */
	struct dns_pool *pool;
	struct dns_channel *dns; /* NULL: destroyed; it is freed with its last question */
	enum use use;
	bool full;               /* takes no more questions */
	bool failed;             /* a question ended without a message */
	bool condemned;          /* to be destroyed */
	bool moves;              /* and what is awaited is asked anew on another */
	enum reason why;         /* its questions end if it is condemned */
	size_t asked;            /* questions in all */
	size_t awaited;          /* those not handed out yet that somebody waits for */
	size_t forgotten;        /* and those that nobody waits for any more */
	struct watch tcp_expiry; /* for USE_TCP, as the next one */
	struct share_place place;
};

struct dns_pool {
	struct dns_pool_config config;
	size_t awaited;        /* questions, on all channels */
	size_t channels[USES]; /* how many there are */
	struct shares *tcp;    /* the places of those by TCP */
	/* The one that is shared, or tor's; NULL: none that takes more questions. */
	struct pooled_channel *newest;
	LIST_HEAD(, pooled_channel) open, resting, condemned;
	size_t nresting;
	struct watch rest_expiry;
};

/* A condemned channel takes no more questions, and is destroyed before another one is
 * opened, or in a moment. Its questions end with this reason. */
static void
condemn(struct pooled_channel *ch, enum reason why)
{
	struct dns_pool *p = ch->pool;

	if (ch->condemned)
		return;
	ch->condemned = true;
	ch->why = why;
	if (p->newest == ch)
		p->newest = NULL;
	LIST_REMOVE(ch, entry);
	LIST_INSERT_HEAD(&p->condemned, ch, entry);
	p->config.later(p->config.arg);
}

/* Keeps it for another question. */
static bool
rest(struct pooled_channel *ch)
{
	struct dns_pool *p = ch->pool;

	if (ch->use != USE_ALONE || ch->failed || ch->forgotten > 0 ||
		p->nresting >= RESTING_MAX || !dns_channel_rest(ch->dns))
		return false;
	if (p->nresting == 0 && !watch_start(&p->rest_expiry, REST_MS))
		return false;
	LIST_REMOVE(ch, entry);
	LIST_INSERT_HEAD(&p->resting, ch, entry);
	p->nresting++;
	return true;
}

static struct pooled_channel *
wake(struct dns_pool *p)
{
	struct pooled_channel *ch = LIST_FIRST(&p->resting);

	if (ch == NULL)
		return NULL;
	LIST_REMOVE(ch, entry);
	LIST_INSERT_HEAD(&p->open, ch, entry);
	if (--p->nresting == 0)
		watch_stop(&p->rest_expiry);
	return ch;
}

static void
rest_expired(evutil_socket_t fd, short what, void *arg)
{
	struct dns_pool *p = arg;
	struct pooled_channel *ch;

	(void)fd;
	(void)what;
	while ((ch = wake(p)) != NULL)
		condemn(ch, REASON_NONE);
}

/* After all that changes what it has under way. Without anybody who waits it is of no
 * more use; but tor's stays, as its socket shows at once when tor has gone. */
static void
look_after(struct pooled_channel *ch)
{
	struct dns_pool *p = ch->pool;

	if (ch->dns == NULL)
		return;
	if (dns_channel_is_broken(ch->dns))
		condemn(ch, REASON_NOMEM);
	if (ch->forgotten >= FORGOTTEN_MAX)
		ch->full = true;
	if (ch->full && p->newest == ch && ch->use == USE_TOR)
		p->newest = NULL;
	if (ch->awaited == 0 && !ch->condemned && (ch->use != USE_TOR || ch->full) &&
		!rest(ch))
		condemn(ch, REASON_NONE);
	if (!TAILQ_EMPTY(p->config.ended))
		p->config.later(p->config.arg);
}

static void
free_if_done(struct pooled_channel *ch)
{
	if (ch->dns == NULL && ch->awaited + ch->forgotten == 0)
		free(ch);
}

static void
destroy(struct pooled_channel *ch)
{
	dns_channel_destroy(ch->dns, ch->why);
	ch->dns = NULL;
	shares_leave(ch->pool->tcp, &ch->place);
	watch_stop(&ch->tcp_expiry);
	ch->pool->channels[ch->use]--;
	free_if_done(ch);
}

void
dns_pool_destroy_condemned(struct dns_pool *p)
{
	struct pooled_channel *ch;

	while ((ch = LIST_FIRST(&p->condemned)) != NULL) {
		LIST_REMOVE(ch, entry);
		destroy(ch);
	}
}

static void
ready(struct dns_channel *dns, void *arg)
{
	struct pooled_channel *ch = arg;

	if (dns_channel_is_broken(dns))
		condemn(ch, REASON_NOMEM);
	ch->pool->config.ready(ch->pool->config.arg);
}

static void
tcp_expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	condemn(arg, REASON_DNS_TIMEOUT);
}

/* NULL: out of memory. */
static struct pooled_channel *
open_channel(struct dns_pool *p, enum use use)
{
	struct pooled_channel *ch = calloc(1, sizeof(*ch));
	struct dns_channel_config config = {.loop = p->config.loop,
		.server = p->config.server,
		.tcp = use == USE_TCP,
		.keep_socket = use == USE_TOR,
		.ended = p->config.ended,
		.ready = ready,
		.arg = ch,
		.sockets = p->config.sockets};

	if (ch == NULL)
		return NULL;
	if ((ch->dns = dns_channel_open(&config)) == NULL) {
		free(ch);
		return NULL;
	}
	ch->pool = p;
	ch->use = use;
	watch_init_timer(&ch->tcp_expiry, p->config.loop, tcp_expired, ch);
	LIST_INSERT_HEAD(&p->open, ch, entry);
	p->channels[use]++;
	return ch;
}

static bool
has_room_for_tcp(struct dns_pool *p, const struct share_keys *keys)
{
	struct share_place *place;

	dns_pool_destroy_condemned(p); /* so that they don't count */
	if (!shares_full(p->tcp))
		return true;
	p->config.counters->dns_tcp_full++;
	if ((place = shares_make_room(p->tcp, keys, loop_now())) == NULL)
		return false;
	condemn((struct pooled_channel *)((char *)place -
					  offsetof(struct pooled_channel, place)),
		REASON_BUSY);
	dns_pool_destroy_condemned(p);
	return true;
}

enum reason
dns_pool_connect(struct dns_pool *p, const struct share_keys *keys,
	struct pooled_channel **channel)
{
	struct pooled_channel *ch;

	if (!has_room_for_tcp(p, keys))
		return REASON_BUSY;
	if ((ch = open_channel(p, USE_TCP)) == NULL)
		return REASON_NOMEM;
	if (!watch_start(&ch->tcp_expiry, p->config.tcp_ms) ||
		!shares_take(p->tcp, &ch->place, keys, loop_now())) {
		condemn(ch, REASON_NOMEM);
		return REASON_NOMEM;
	}
	*channel = ch;
	return REASON_NONE;
}

/* A channel that stays for a few questions only, while most of its own are forgotten, is
 * given up, so that what c-ares keeps doesn't grow for as long as names come that nobody
 * answers. */
static bool
give_up_stale(struct dns_pool *p)
{
	struct pooled_channel *ch;

	LIST_FOREACH (ch, &p->open, entry)
		if (ch->full && ch->forgotten > ch->awaited) {
			ch->moves = true;
			condemn(ch, REASON_NOMEM);
			dns_pool_destroy_condemned(p);
			return true;
		}
	return false;
}

struct pooled_channel *
dns_pool_choose(struct dns_pool *p)
{
	struct pooled_channel *ch;
	bool too_many;

	dns_pool_destroy_condemned(p); /* so that they don't count */
	too_many = p->channels[USE_ALONE] + p->channels[USE_SHARED] >= UDP_CHANNELS_MAX;
	if (too_many && p->newest != NULL && p->newest->full)
		too_many = !give_up_stale(p);
	if (p->config.is_tor) {
		if (p->newest == NULL)
			p->newest = open_channel(p, USE_TOR);
		return p->newest;
	}
	if ((ch = wake(p)) != NULL)
		return ch;
	if (p->awaited < ALONE_MAX && !too_many)
		return open_channel(p, USE_ALONE);
	if (p->newest == NULL || (p->newest->full && !too_many))
		p->newest = open_channel(p, USE_SHARED);
	return p->newest;
}

/* Questions */

void
dns_pool_send(struct pooled_channel *ch, const uint8_t *query, size_t len,
	struct dns_exchange *x)
{
	ch->awaited++;
	ch->pool->awaited++;
	if (++ch->asked >= SHARED_QUESTIONS && ch->use == USE_SHARED)
		ch->full = true;
	dns_channel_send(ch->dns, query, len, x);
	/* c-ares 1.18 tells nobody else that the socket is dead: they would wait. */
	if (x->channel == NULL && x->failed == REASON_DNS_DOWN)
		condemn(ch, REASON_DNS_DOWN);
	look_after(ch);
}

void
dns_pool_forget(struct pooled_channel *ch)
{
	ch->awaited--;
	ch->pool->awaited--;
	ch->forgotten++;
	look_after(ch);
}

bool
dns_pool_left(struct pooled_channel *ch, const struct dns_exchange *x, bool forgotten)
{
	const bool moves = ch->moves && x->message == NULL;

	ch->failed |= x->failed != REASON_NONE;
	if (forgotten) {
		ch->forgotten--;
	} else {
		ch->awaited--;
		ch->pool->awaited--;
	}
	look_after(ch);
	free_if_done(ch);
	return moves;
}

/* The whole */

struct dns_pool *
dns_pool_new(const struct dns_pool_config *config)
{
	struct dns_pool *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->tcp = shares_new(TCP_CHANNELS_MAX)) == NULL) {
		free(p);
		return NULL;
	}
	p->config = *config;
	watch_init_timer(&p->rest_expiry, config->loop, rest_expired, p);
	return p;
}

void
dns_pool_close(struct dns_pool *p)
{
	rest_expired(-1, EV_TIMEOUT, p);
	while (!LIST_EMPTY(&p->open))
		condemn(LIST_FIRST(&p->open), REASON_NONE);
	dns_pool_destroy_condemned(p);
}

void
dns_pool_free(struct dns_pool *p)
{
	watch_stop(&p->rest_expiry);
	shares_free(p->tcp);
	free(p);
}
