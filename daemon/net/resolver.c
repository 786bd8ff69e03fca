#include "net/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "dns_pool.h"
#include "net/log.h"
#include "watch.h"

_Static_assert(DNS_POOL_CHANNELS_MAX <= RESOLVER_SOCKETS_MAX, "as the header says");

struct dns_query {
	struct dns_exchange exchange; /* first: it is the query for who has its address */
	struct pooled_channel *channel;
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
	struct dns_pool *pool;
	struct siphash_key key;
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
do_later(void *arg)
{
	struct resolver *r = arg;

	if (!r->handing_out) /* which looks after all of this at its end */
		watch_fire(&r->later);
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
	dns_channel_clear(&q->exchange);
	free(q);
}

static void
start(struct resolver *r, struct dns_query *q, struct pooled_channel *ch)
{
	uint8_t msg[DNS_QUERY_MAX];
	size_t len = dnsmsg_query(msg, next_id(r), q->name, q->type, r->config.ask_ad);

	q->channel = ch;
	dns_pool_send(ch, msg, len, &q->exchange);
}

static struct dns_query *
ask(struct dns_source *source, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	struct resolver *r = (struct resolver *)source;
	size_t namelen = strlen(name);
	struct dns_query *q = malloc(sizeof(*q) + namelen + 1);
	struct pooled_channel *ch;

	dns_channel_assert_outside();
	if (q == NULL || (ch = dns_pool_choose(r->pool)) == NULL) {
		free(q);
		return NULL;
	}
	*q = (struct dns_query){.done = done, .arg = arg, .type = type};
	memcpy(q->name, name, namelen + 1);
	start(r, q, ch);
	return q;
}

static void
cancel(struct dns_query *q)
{
	dns_channel_assert_outside();
	q->done = NULL;
	dns_pool_forget(q->channel);
}

/* A server that has sent an answer, even a useless one, is there. REASON_NONE: the
 * question is under way again. */
static enum reason
ask_by_tcp(struct resolver *r, struct dns_query *q, enum reason why)
{
	const struct share_keys keys = {.key[SHARE_ZONE] = shares_zone(&r->key, q->name)};
	struct pooled_channel *ch;
	enum reason failed;

	r->source.heard = loop_now();
	if ((failed = dns_pool_connect(r->pool, &keys, &ch)) != REASON_NONE)
		return failed;
	r->config.counters->dns_tcp_queries++;
	dns_channel_clear(&q->exchange);
	q->by_tcp = why;
	start(r, q, ch);
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
		dnsmsg_answer_fail(&r->answer, why_failed(q));
	r->answer.ad &= r->config.ask_ad && r->is_local;
	r->answer.from = r->address;
}

/* It has left the list of those that have ended. Returns whether it is to be asked anew.
 */
static bool
leave_channel(struct dns_query *q)
{
	return dns_pool_left(q->channel, &q->exchange, q->done == NULL);
}

/* Hands out how a question has ended, or asks it by TCP. */
static void
conclude(struct resolver *r, struct dns_query *q)
{
	const bool moves = leave_channel(q);
	struct pooled_channel *ch;
	enum reason why;

	if (q->done == NULL) {
		free_query(q);
		return;
	}
	if (moves && (ch = dns_pool_choose(r->pool)) != NULL) {
		start(r, q, ch);
		return;
	}
	read_answer(r, q);
	if ((why = why_by_tcp(r, q)) != REASON_NONE) {
		if ((why = ask_by_tcp(r, q, why)) == REASON_NONE)
			return;
		dnsmsg_answer_fail(&r->answer, why);
	}
	q->done(q->arg, &r->answer, loop_now());
	free_query(q);
}

static void
release(struct resolver *r)
{
	struct dns_exchange *x;

	dns_pool_close(r->pool);
	while ((x = TAILQ_FIRST(&r->ended)) != NULL) {
		TAILQ_REMOVE(&r->ended, x, entry);
		leave_channel((struct dns_query *)x);
		free_query((struct dns_query *)x);
	}
	watch_stop(&r->later);
	dns_pool_free(r->pool);
	free(r);
}

/* Hands out the questions that have ended by now. Those that this starts, and that end at
 * once, come later. */
static void
hand_out(void *arg)
{
	struct resolver *r = arg;
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
	dns_pool_destroy_condemned(r->pool);
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

static struct dns_pool *
open_pool(struct resolver *r, const struct resolver_config *config)
{
	const struct dns_pool_config pool = {.loop = config->loop,
		.counters = config->counters,
		.server = config->server,
		.tcp_ms = config->tcp_ms,
		.is_tor = config->is_tor,
		.ended = &r->ended,
		.sockets = &r->source.restarts,
		.ready = hand_out,
		.later = do_later,
		.arg = r};

	return dns_pool_new(&pool);
}

struct resolver *
resolver_new(const struct resolver_config *config)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL || (r->pool = open_pool(r, config)) == NULL) {
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
	TAILQ_INIT(&r->ended);
	watch_init_timer(&r->later, config->loop, later, r);
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
