#include "net/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "core/shares.h"
#include "dns_channel.h"
#include "net/log.h"
#include "watch.h"

/* Questions to one server that have a channel each, and with it a source port and a
 * receive buffer. Further ones share: a channel costs 72 kB with c-ares 1.18. */
#define ALONE_MAX 256
#define SHARED_QUESTIONS 64
#define UDP_CHANNELS_MAX (ALONE_MAX + 64)

/* Of the first, how many are kept for another question, since to make one costs more than
 * the question; and for how long at most. */
#define RESTING_MAX 128
#define REST_MS 2000

/* Connections to one server by TCP, each for one question. */
#define TCP_CHANNELS_MAX 256

_Static_assert(UDP_CHANNELS_MAX + TCP_CHANNELS_MAX <= RESOLVER_SOCKETS_MAX,
	"each channel has a socket");

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

struct channel {
	LIST_ENTRY(channel) entry; /* the resolver's open ones, resting or condemned */
	struct resolver *resolver;
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

struct dns_query {
	struct dns_exchange exchange; /* first: it is the query for who has its address */
	struct channel *channel;
	dns_done *done; /* NULL: cancelled */
	void *arg;
	enum dns_type type;
	enum reason by_tcp; /* not REASON_NONE: it is asked by TCP, and fails with this */
	char name[];
};

struct resolver {
	struct dns_source source;
	struct resolver_config config;
	char address[NET_ADDR_TEXT];
	bool is_local;
	size_t awaited;        /* questions, on all channels */
	size_t channels[USES]; /* how many there are */
	struct shares *tcp;    /* the places of those by TCP */
	struct siphash_key key;
	struct channel *newest; /* that is shared, or tor's; NULL: none that takes more */
	LIST_HEAD(, channel) open, resting, condemned;
	size_t nresting;
	struct watch rest_expiry;
	struct dns_exchanges ended; /* to be handed out */
	struct watch later;         /* hands out, and destroys what is condemned */
	uint16_t id[64]; /* random ones, as many as the kernel is asked for at once */
	size_t nids;
	bool handing_out; /* callers of a callback are on the stack */
	bool freed;       /* by one of those */
	struct dns_answer answer;
	struct onion_memo memo; /* of SRV targets */
};

static void
do_later(struct resolver *r)
{
	if (!r->handing_out) /* which looks after all of this at its end */
		watch_fire(&r->later);
}

/* Channels */

/* It takes no more questions, and is destroyed before another channel is opened, or in a
 * moment. Its questions end with this reason. */
static void
condemn(struct channel *ch, enum reason why)
{
	struct resolver *r = ch->resolver;

	if (ch->condemned)
		return;
	ch->condemned = true;
	ch->why = why;
	if (r->newest == ch)
		r->newest = NULL;
	LIST_REMOVE(ch, entry);
	LIST_INSERT_HEAD(&r->condemned, ch, entry);
	do_later(r);
}

/* Keeps it for another question. */
static bool
rest(struct channel *ch)
{
	struct resolver *r = ch->resolver;

	if (ch->use != USE_ALONE || ch->failed || ch->forgotten > 0 ||
		r->nresting >= RESTING_MAX || !dns_channel_rest(ch->dns))
		return false;
	if (r->nresting == 0 && !watch_start(&r->rest_expiry, REST_MS))
		return false;
	LIST_REMOVE(ch, entry);
	LIST_INSERT_HEAD(&r->resting, ch, entry);
	r->nresting++;
	return true;
}

static struct channel *
wake(struct resolver *r)
{
	struct channel *ch = LIST_FIRST(&r->resting);

	if (ch == NULL)
		return NULL;
	LIST_REMOVE(ch, entry);
	LIST_INSERT_HEAD(&r->open, ch, entry);
	if (--r->nresting == 0)
		watch_stop(&r->rest_expiry);
	return ch;
}

static void
rest_expired(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct channel *ch;

	(void)fd;
	(void)what;
	while ((ch = wake(r)) != NULL)
		condemn(ch, REASON_NONE);
}

/* After all that changes what it has under way. Without anybody who waits it is of no
 * more use; but tor's stays, as its socket shows at once when tor has gone. */
static void
look_after(struct channel *ch)
{
	struct resolver *r = ch->resolver;

	if (ch->dns == NULL)
		return;
	if (dns_channel_is_broken(ch->dns))
		condemn(ch, REASON_NOMEM);
	if (ch->forgotten >= FORGOTTEN_MAX)
		ch->full = true;
	if (ch->full && r->newest == ch && ch->use == USE_TOR)
		r->newest = NULL;
	if (ch->awaited == 0 && !ch->condemned && (ch->use != USE_TOR || ch->full) &&
		!rest(ch))
		condemn(ch, REASON_NONE);
	if (!TAILQ_EMPTY(&r->ended))
		do_later(r);
}

static void
free_if_done(struct channel *ch)
{
	if (ch->dns == NULL && ch->awaited + ch->forgotten == 0)
		free(ch);
}

static void
destroy(struct channel *ch)
{
	dns_channel_destroy(ch->dns, ch->why);
	ch->dns = NULL;
	shares_leave(ch->resolver->tcp, &ch->place);
	watch_stop(&ch->tcp_expiry);
	ch->resolver->channels[ch->use]--;
	free_if_done(ch);
}

/* Never from inside a call of c-ares, but what they had under way ends by this. */
static void
destroy_condemned(struct resolver *r)
{
	struct channel *ch;

	while ((ch = LIST_FIRST(&r->condemned)) != NULL) {
		LIST_REMOVE(ch, entry);
		destroy(ch);
	}
}

static void hand_out(struct resolver *);

static void
ready(struct dns_channel *dns, void *arg)
{
	struct channel *ch = arg;

	if (dns_channel_is_broken(dns))
		condemn(ch, REASON_NOMEM);
	hand_out(ch->resolver);
}

static void
tcp_expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	condemn(arg, REASON_DNS_TIMEOUT);
}

/* NULL: out of memory. */
static struct channel *
open_channel(struct resolver *r, enum use use)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	struct dns_channel_config config = {.loop = r->config.loop,
		.server = r->config.server,
		.tcp = use == USE_TCP,
		.keep_socket = use == USE_TOR,
		.ended = &r->ended,
		.ready = ready,
		.arg = ch,
		.sockets = &r->source.restarts};

	if (ch == NULL)
		return NULL;
	if ((ch->dns = dns_channel_open(&config)) == NULL) {
		free(ch);
		return NULL;
	}
	ch->resolver = r;
	ch->use = use;
	watch_init_timer(&ch->tcp_expiry, r->config.loop, tcp_expired, ch);
	LIST_INSERT_HEAD(&r->open, ch, entry);
	r->channels[use]++;
	return ch;
}

/* Connections have a limit. One that hangs may make room for another. */
static bool
has_room_for_tcp(struct resolver *r, const struct share_keys *keys)
{
	struct share_place *place;

	destroy_condemned(r); /* so that they don't count */
	if (!shares_full(r->tcp))
		return true;
	r->config.counters->dns_tcp_full++;
	if ((place = shares_make_room(r->tcp, keys, loop_now())) == NULL)
		return false;
	condemn((struct channel *)((char *)place - offsetof(struct channel, place)),
		REASON_BUSY);
	destroy_condemned(r);
	return true;
}

/* NULL: out of memory. */
static struct channel *
open_tcp(struct resolver *r, const struct share_keys *keys)
{
	struct channel *ch = open_channel(r, USE_TCP);

	if (ch != NULL && (!watch_start(&ch->tcp_expiry, r->config.tcp_ms) ||
				  !shares_take(r->tcp, &ch->place, keys, loop_now()))) {
		condemn(ch, REASON_NOMEM);
		return NULL;
	}
	return ch;
}

/* A channel that stays for a few questions only, while most of its own are forgotten, is
 * given up, so that what c-ares keeps doesn't grow for as long as names come that nobody
 * answers. */
static bool
give_up_stale(struct resolver *r)
{
	struct channel *ch;

	LIST_FOREACH (ch, &r->open, entry)
		if (ch->full && ch->forgotten > ch->awaited) {
			ch->moves = true;
			condemn(ch, REASON_NOMEM);
			destroy_condemned(r);
			return true;
		}
	return false;
}

/* The channel for a question by UDP. When there are too many, more questions share the
 * newest. */
static struct channel *
choose_channel(struct resolver *r)
{
	struct channel *ch;
	bool too_many;

	destroy_condemned(r); /* so that they don't count */
	too_many = r->channels[USE_ALONE] + r->channels[USE_SHARED] >= UDP_CHANNELS_MAX;
	if (too_many && r->newest != NULL && r->newest->full)
		too_many = !give_up_stale(r);
	if (r->config.is_tor) {
		if (r->newest == NULL)
			r->newest = open_channel(r, USE_TOR);
		return r->newest;
	}
	if ((ch = wake(r)) != NULL)
		return ch;
	if (r->awaited < ALONE_MAX && !too_many)
		return open_channel(r, USE_ALONE);
	if (r->newest == NULL || (r->newest->full && !too_many))
		r->newest = open_channel(r, USE_SHARED);
	return r->newest;
}

/* Questions */

static uint16_t
next_id(struct resolver *r)
{
	if (r->nids == 0) {
		arc4random_buf(r->id, sizeof(r->id));
		r->nids = sizeof(r->id) / sizeof(r->id[0]);
	}
	return r->id[--r->nids];
}

static void
free_query(struct dns_query *q)
{
	dns_exchange_clear(&q->exchange);
	free(q);
}

static void
start(struct dns_query *q, struct channel *ch)
{
	struct resolver *r = ch->resolver;
	uint8_t msg[DNS_QUERY_MAX];
	size_t len = dnsmsg_query(msg, next_id(r), q->name, q->type, r->config.ask_ad);

	q->channel = ch;
	ch->awaited++;
	r->awaited++;
	if (++ch->asked >= SHARED_QUESTIONS && ch->use == USE_SHARED)
		ch->full = true;
	dns_channel_send(ch->dns, msg, len, &q->exchange);
	/* c-ares 1.18 tells nobody else that the socket is dead: they would wait. */
	if (q->exchange.channel == NULL && q->exchange.failed == REASON_DNS_DOWN)
		condemn(ch, REASON_DNS_DOWN);
	look_after(ch);
}

static struct dns_query *
ask(struct dns_source *source, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	struct resolver *r = (struct resolver *)source;
	size_t namelen = strlen(name);
	struct dns_query *q = malloc(sizeof(*q) + namelen + 1);
	struct channel *ch;

	dns_channel_assert_outside();
	if (q == NULL || (ch = choose_channel(r)) == NULL) {
		free(q);
		return NULL;
	}
	*q = (struct dns_query){.done = done, .arg = arg, .type = type};
	memcpy(q->name, name, namelen + 1);
	start(q, ch);
	return q;
}

/* c-ares can't forget a single question: it ends with its channel. */
static void
cancel(struct dns_query *q)
{
	struct channel *ch = q->channel;

	dns_channel_assert_outside();
	q->done = NULL;
	ch->awaited--;
	ch->resolver->awaited--;
	ch->forgotten++;
	look_after(ch);
}

/* A server that has sent an answer, even a useless one, is there. REASON_NONE: the
 * question is under way again. */
static enum reason
ask_by_tcp(struct resolver *r, struct dns_query *q, enum reason why)
{
	const struct share_keys keys = {.key[SHARE_ZONE] = share_zone(&r->key, q->name)};
	struct channel *ch;

	r->source.heard = loop_now();
	if (!has_room_for_tcp(r, &keys))
		return REASON_BUSY;
	if ((ch = open_tcp(r, &keys)) == NULL)
		return REASON_NOMEM;
	r->config.counters->dns_tcp_queries++;
	dns_exchange_clear(&q->exchange);
	q->by_tcp = why;
	start(q, ch);
	return REASON_NONE;
}

/* Why the question is to be asked by TCP; REASON_NONE: it isn't. A malformed answer by
 * UDP may be a forger's. */
static enum reason
why_by_tcp(const struct resolver *r, const struct dns_query *q)
{
	const struct dns_exchange *x = &q->exchange;

	if (r->config.is_tor || q->by_tcp != REASON_NONE)
		return REASON_NONE;
	if (x->message != NULL && dnsmsg_is_truncated(x->message, x->len))
		return REASON_DNS_TCP;
	return r->answer.reason == REASON_DNS_BAD ? REASON_DNS_BAD : REASON_NONE;
}

/* Without a message. */
static enum reason
why_failed(const struct dns_query *q)
{
	const enum reason failed = q->exchange.failed;

	if (q->by_tcp == REASON_NONE || failed == REASON_NOMEM || failed == REASON_BUSY ||
		failed == REASON_DESCRIPTORS)
		return failed;
	if (q->by_tcp == REASON_DNS_TCP && failed == REASON_DNS_TIMEOUT)
		return REASON_DNS_TCP_TIMEOUT;
	return q->by_tcp;
}

static void
read_answer(struct resolver *r, const struct dns_query *q)
{
	const struct dns_question question = {q->name, q->type};
	const struct dns_exchange *x = &q->exchange;

	if (x->failed == REASON_NONE)
		dnsmsg_parse(x->message, x->len, &question, &r->answer, &r->memo);
	else
		dns_answer_fail(&r->answer, why_failed(q));
	r->answer.ad &= r->config.ask_ad && r->is_local;
	r->answer.from = r->address;
}

/* It has left the list of those that have ended. */
static void
leave_channel(struct dns_query *q)
{
	struct channel *ch = q->channel;

	ch->failed |= q->exchange.failed != REASON_NONE;
	if (q->done == NULL) {
		ch->forgotten--;
	} else {
		ch->awaited--;
		ch->resolver->awaited--;
	}
	look_after(ch);
	free_if_done(ch);
}

/* Hands out how a question has ended, or asks it by TCP. */
static void
conclude(struct resolver *r, struct dns_query *q)
{
	const bool moves = q->channel->moves && q->exchange.message == NULL;
	struct channel *ch;
	enum reason why;

	leave_channel(q);
	if (q->done == NULL) {
		free_query(q);
		return;
	}
	if (moves && (ch = choose_channel(r)) != NULL) {
		start(q, ch);
		return;
	}
	read_answer(r, q);
	if ((why = why_by_tcp(r, q)) != REASON_NONE) {
		if ((why = ask_by_tcp(r, q, why)) == REASON_NONE)
			return;
		dns_answer_fail(&r->answer, why);
	}
	q->done(q->arg, &r->answer, loop_now());
	free_query(q);
}

static void
release(struct resolver *r)
{
	struct dns_exchange *x;

	rest_expired(-1, EV_TIMEOUT, r);
	while (!LIST_EMPTY(&r->open))
		condemn(LIST_FIRST(&r->open), REASON_NONE);
	destroy_condemned(r);
	while ((x = TAILQ_FIRST(&r->ended)) != NULL) {
		TAILQ_REMOVE(&r->ended, x, entry);
		leave_channel((struct dns_query *)x);
		free_query((struct dns_query *)x);
	}
	watch_stop(&r->later);
	watch_stop(&r->rest_expiry);
	shares_free(r->tcp);
	free(r);
}

/* What has ended by now. What that starts, and ends at once, comes later. */
static void
hand_out(struct resolver *r)
{
	const struct dns_exchange *last = TAILQ_LAST(&r->ended, dns_exchanges);
	struct dns_exchange *x = NULL;

	r->handing_out = true;
	while (x != last && !r->freed) {
		x = TAILQ_FIRST(&r->ended);
		TAILQ_REMOVE(&r->ended, x, entry);
		conclude(r, (struct dns_query *)x);
	}
	r->handing_out = false;
	if (r->freed) {
		release(r);
		return;
	}
	destroy_condemned(r);
	if (!TAILQ_EMPTY(&r->ended))
		do_later(r);
}

static void
later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	hand_out(arg);
}

/* The whole */

struct resolver *
resolver_new(const struct resolver_config *config)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->tcp = shares_new(TCP_CHANNELS_MAX)) == NULL) {
		log_error("resolver");
		free(r);
		return NULL;
	}
	arc4random_buf(&r->key, sizeof(r->key));
	r->config = *config;
	net_addr_text(&config->server, r->address);
	r->is_local = net_addr_is_local(&config->server);
	r->source.name = r->address;
	r->source.ask = ask;
	r->source.cancel = cancel;
	LIST_INIT(&r->open);
	LIST_INIT(&r->resting);
	LIST_INIT(&r->condemned);
	TAILQ_INIT(&r->ended);
	watch_init_timer(&r->later, config->loop, later, r);
	watch_init_timer(&r->rest_expiry, config->loop, rest_expired, r);
	return r;
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	dns_channel_assert_outside();
	r->freed = true;
	if (!r->handing_out)
		release(r);
}

struct dns_source *
resolver_source(struct resolver *r)
{
	return &r->source;
}

bool
resolver_library_fits(void)
{
	return dns_channel_library_fits();
}
