#include "flow/inflight.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum stage {
	QUEUED,
	RECENT, /* asked a moment ago */
	SENT,
	DISPLACED, /* it made room for another, and its waiters aren't told yet */
};

TAILQ_HEAD(stage_list, inflight_query);

struct inflight_query {
	UT_hash_handle hh;
	TAILQ_ENTRY(inflight_query) entry; /* in its stage's list; those sent have none */
	struct share_place place;
	struct inflight *all;
	enum stage stage;
	struct upstream_query *upstream_query; /* NULL while it is in the queue */
	struct monotime since, asked;
	LIST_HEAD(, inflight_waiter) waiters;
	size_t nwaiters;
	bool wanted;     /* though nobody waits */
	bool cache_only; /* asked first by a lookup that only fills the cache */
	char key[];      /* the type, then the subject and its NUL */
};

struct inflight {
	struct inflight_config config;
	struct inflight_query *table;
	struct shares *shares;
	struct stage_list queue, recent; /* the first comes first */
	struct stage_list displaced;
	struct monotime displaced_at; /* the first of them */
	size_t outstanding, nrecent, ndisplaced, ncache_only;
};

static enum dns_type
query_type(const struct inflight_query *q)
{
	return (enum dns_type)q->key[0];
}

static const char *
query_subject(const struct inflight_query *q)
{
	return q->key + 1;
}

static struct inflight_query *
query_of(struct share_place *place)
{
	return (struct inflight_query *)((char *)place -
					 offsetof(struct inflight_query, place));
}

struct inflight *
inflight_new(const struct inflight_config *config)
{
	struct inflight *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->config = *config;
	TAILQ_INIT(&all->queue);
	TAILQ_INIT(&all->recent);
	TAILQ_INIT(&all->displaced);
	if ((all->shares = shares_new(config->engine->max_queries)) != NULL)
		return all;
	free(all);
	return NULL;
}

static void
set_recent(struct inflight_query *q, struct monotime now)
{
	q->stage = RECENT;
	q->asked = now;
	TAILQ_INSERT_TAIL(&q->all->recent, q, entry);
	q->all->nrecent++;
}

static void
set_sent(struct inflight_query *q)
{
	if (q->stage == QUEUED) {
		TAILQ_REMOVE(&q->all->queue, q, entry);
	} else if (q->stage == RECENT) {
		TAILQ_REMOVE(&q->all->recent, q, entry);
		q->all->nrecent--;
	}
	q->stage = SENT;
}

static void
forget(struct inflight_query *q)
{
	HASH_DEL(q->all->table, q);
	q->all->ncache_only -= q->cache_only;
	shares_leave(q->all->shares, &q->place);
}

/* Takes a query out of every list. Its waiters stay on it. */
static void
detach(struct inflight_query *q)
{
	forget(q);
	q->all->outstanding -= q->stage != QUEUED;
	set_sent(q);
}

static void
forget_waiters(struct inflight_query *q)
{
	struct inflight_waiter *w;

	LIST_FOREACH (w, &q->waiters, entry)
		w->query = NULL;
}

static void
leave_displaced(struct inflight_query *q)
{
	TAILQ_REMOVE(&q->all->displaced, q, entry);
	q->all->ndisplaced--;
	q->stage = SENT;
}

void
inflight_free(struct inflight *all)
{
	struct inflight_query *q, *next;

	if (all == NULL)
		return;
	HASH_ITER(hh, all->table, q, next)
	{
		forget_waiters(q);
		if (q->upstream_query != NULL)
			upstream_cancel(q->upstream_query);
		detach(q);
		free(q);
	}
	while ((q = TAILQ_FIRST(&all->displaced)) != NULL) {
		leave_displaced(q);
		forget_waiters(q);
		free(q);
	}
	shares_free(all->shares);
	free(all);
}

static void answered(void *arg, const struct dns_answer *, struct monotime now);

static struct monotime
recent_until(const struct inflight_query *q)
{
	return monotime_add_ms(q->asked, INFLIGHT_RECENT_MS);
}

static void
age_recent(struct inflight *all, struct monotime now)
{
	struct inflight_query *q;

	while ((q = TAILQ_FIRST(&all->recent)) != NULL &&
		monotime_reached(recent_until(q), now))
		set_sent(q);
}

static bool
has_room(const struct inflight *all)
{
	return all->outstanding < all->config.outstanding &&
	       all->nrecent < all->config.burst;
}

static void
raise_alarm(const struct inflight *all)
{
	const struct engine_ports *ports = all->config.ports;

	if (ports->alarm != NULL)
		ports->alarm(ports->alarm_arg);
}

static void
wait_its_turn(struct inflight_query *q)
{
	struct inflight *all = q->all;

	q->stage = QUEUED;
	TAILQ_INSERT_TAIL(&all->queue, q, entry);
	all->config.ports->counters->queries_queued++;
	raise_alarm(all);
}

static bool
ask(struct inflight_query *q, struct monotime now)
{
	struct inflight *all = q->all;
	const struct inflight_config *c = &all->config;
	char buffer[INFLIGHT_NAME_MAX + 1];
	const char *name = query_subject(q);

	if (c->dns_name != NULL) {
		c->dns_name(c->arg, query_type(q), name, buffer);
		name = buffer;
	}
	q->upstream_query =
		upstream_ask(c->upstream, query_type(q), name, now, answered, q);
	if (q->upstream_query == NULL)
		return false;
	all->outstanding++;
	set_recent(q, now);
	return true;
}

/* A waiter that is called may make others leave, so the list is read anew. */
static void
tell_waiters(
	struct inflight_query *q, const struct dns_answer *answer, struct monotime now)
{
	struct inflight_waiter *w;

	while ((w = LIST_FIRST(&q->waiters)) != NULL) {
		LIST_REMOVE(w, entry);
		w->query = NULL;
		w->answered(w->arg, answer, now);
	}
}

static void
finish(struct inflight_query *q, const struct dns_answer *answer, struct monotime now)
{
	const struct inflight_config *c = &q->all->config;

	c->answered(c->arg, query_type(q), query_subject(q), answer, now);
	tell_waiters(q, answer, now);
	free(q);
}

static void
ask_queued(struct inflight *all, struct monotime now)
{
	struct inflight_query *q;

	age_recent(all, now);
	if (all->nrecent > all->config.refill)
		return;
	while (has_room(all) && (q = TAILQ_FIRST(&all->queue)) != NULL) {
		TAILQ_REMOVE(&all->queue, q, entry);
		q->stage = SENT;
		if (!ask(q, now)) {
			struct dns_answer none;

			dnsmsg_answer_fail(&none, REASON_NOMEM);
			// NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
			forget(q);
			finish(q, &none, now);
		}
	}
}

static void
answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct inflight_query *q = arg;
	struct inflight *all = q->all;

	detach(q);
	finish(q, answer, now);
	ask_queued(all, now);
	/* The queue, which waited for an answer, may now wait for time to pass. */
	if (!TAILQ_EMPTY(&all->queue))
		raise_alarm(all);
}

struct key {
	size_t len;
	char text[1 + INFLIGHT_NAME_MAX];
};

static struct key
make_key(enum dns_type type, const char *subject)
{
	struct key key = {.len = 1 + strlen(subject)};

	key.text[0] = (char)type;
	memcpy(key.text + 1, subject, key.len - 1);
	return key;
}

/* A new query doesn't overtake the queue. */
static bool
must_wait(struct inflight *all, struct monotime now)
{
	if (!TAILQ_EMPTY(&all->queue))
		return true;
	age_recent(all, now);
	return !has_room(all);
}

/* False: out of memory. */
static bool
enter(struct inflight_query *q, struct monotime now)
{
	if (!must_wait(q->all, now))
		return ask(q, now);
	wait_its_turn(q);
	return true;
}

/* Ends a query to make room. inflight_expire() tells its waiters: some of them may be on
 * the stack just now. */
static void
displace(struct inflight_query *q, struct monotime now)
{
	struct inflight *all = q->all;

	if (q->upstream_query != NULL)
		upstream_cancel(q->upstream_query);
	detach(q);
	all->config.ports->counters->queries_displaced++;
	if (LIST_EMPTY(&q->waiters)) {
		free(q);
		return;
	}
	q->stage = DISPLACED;
	q->upstream_query = NULL;
	if (TAILQ_EMPTY(&all->displaced))
		all->displaced_at = now;
	TAILQ_INSERT_TAIL(&all->displaced, q, entry);
	all->ndisplaced++;
	raise_alarm(all);
}

static void
end_displaced(struct inflight *all, struct monotime now)
{
	struct dns_answer none;
	struct inflight_query *q;

	dnsmsg_answer_fail(&none, REASON_BUSY);
	while ((q = TAILQ_FIRST(&all->displaced)) != NULL) {
		leave_displaced(q);
		tell_waiters(q, &none, now);
		free(q);
	}
}

/* False: the table is full, or the part of it for lookups that only fill the cache. Those
 * that haven't been told yet that they made room have their limit, too. */
static bool
make_room(struct inflight *all, const struct inflight_question *question,
	struct monotime now)
{
	struct share_place *place;
	const size_t max = all->config.engine->max_queries;

	if (question->cache_only && all->ncache_only >= max / 4)
		return false;
	if (!shares_full(all->shares))
		return true;
	if (question->cache_only || all->ndisplaced >= max ||
		(place = shares_make_room(all->shares, &question->keys, now)) == NULL)
		return false;
	displace(query_of(place), now);
	return true;
}

static struct inflight_query *
new_query(struct inflight *all, const struct key *key,
	const struct inflight_question *question, struct monotime now)
{
	struct inflight_query *q = calloc(1, sizeof(*q) + key->len + 1);

	if (q == NULL)
		return NULL;
	q->all = all;
	q->stage = SENT;
	q->since = now;
	LIST_INIT(&q->waiters);
	memcpy(q->key, key->text, key->len);
	HASH_ADD(hh, all->table, key, key->len, q);
	if (q->hh.tbl == NULL) { /* out of memory in uthash */
		free(q);
		return NULL;
	}
	q->cache_only = question->cache_only;
	all->ncache_only += q->cache_only;
	if (shares_take(all->shares, &q->place, &question->keys, now) && enter(q, now))
		return q;
	forget(q);
	free(q);
	return NULL;
}

/* Only what somebody waits for counts as refused. */
static enum reason
refuse(const struct inflight_waiter *w, uint64_t *counter)
{
	*counter += w != NULL;
	return REASON_BUSY;
}

enum reason
inflight_join(struct inflight *all, const struct inflight_question *question,
	struct monotime now, struct inflight_waiter *w, struct inflight_joined *joined)
{
	struct key key = make_key(question->type, question->subject);
	struct counters *c = all->config.ports->counters;
	const bool cache_only = question->cache_only;
	struct inflight_query *q;

	HASH_FIND(hh, all->table, key.text, key.len, q);
	joined->asked = q == NULL;
	if (q == NULL) {
		if (!make_room(all, question, now))
			return refuse(w, cache_only ? &c->policy_full : &c->queries_full);
		if ((q = new_query(all, &key, question, now)) == NULL)
			return REASON_NOMEM;
	}
	joined->since = q->since;
	if (w == NULL) {
		q->wanted = true;
		return REASON_NONE;
	}
	if (q->nwaiters >= all->config.engine->max_waiters)
		return refuse(w, cache_only ? &c->policy_full : &c->waiters_full);
	LIST_INSERT_HEAD(&q->waiters, w, entry);
	q->nwaiters++;
	w->query = q;
	return REASON_NONE;
}

void
inflight_leave(struct inflight_waiter *w)
{
	struct inflight_query *q = w->query;

	if (q == NULL)
		return;
	LIST_REMOVE(w, entry);
	q->nwaiters--;
	w->query = NULL;
	if (!LIST_EMPTY(&q->waiters))
		return;
	if (q->stage == DISPLACED) {
		leave_displaced(q);
		free(q);
	} else if (q->stage == QUEUED && q->all->config.drops_queued && !q->wanted) {
		detach(q);
		free(q);
	}
}

/* Time */

void
inflight_expire(struct inflight *all, struct monotime now)
{
	end_displaced(all, now);
	ask_queued(all, now);
}

bool
inflight_next_deadline(const struct inflight *all, struct monotime *when)
{
	if (!TAILQ_EMPTY(&all->displaced)) {
		*when = all->displaced_at;
		return true;
	}
	if (TAILQ_EMPTY(&all->queue) || TAILQ_EMPTY(&all->recent) ||
		all->outstanding >= all->config.outstanding)
		return false; /* an answer makes room */
	*when = recent_until(TAILQ_FIRST(&all->recent));
	return true;
}
