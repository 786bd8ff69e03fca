#include "flow/upstream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "dns_server.h"

/* A server that comes gets the questions of one that has left in batches, as its receive
 * buffer may hold no more. */
#define DUE_BATCH 64
#define DUE_PAUSE_MS 20
#define DUE UPSTREAM_TRIES /* the list of these */

TAILQ_HEAD(query_list, upstream_query);

/* A question to one server. It stays under way when the next one is asked. */
struct attempt {
	SLIST_ENTRY(attempt) entry;
	struct upstream_query *query;
	struct dns_server *server;
	struct monotime since;
	struct dns_query *asked;
};

struct upstream_query {
	TAILQ_ENTRY(upstream_query) entry;
	struct query_list
		*list; /* the one that has it: its round's, or that of those due */
	struct upstream *upstream;
	SLIST_HEAD(, attempt) attempts; /* under way */
	struct attempt *latest;         /* of these; NULL: it has ended */
	struct monotime deadline;       /* of the latest */
	unsigned round;
	unsigned asked;  /* servers that were asked in this round, a bit for each */
	unsigned failed; /* servers that have answered, and failed */
	unsigned total;  /* attempts, ended ones included */
	enum reason reason;
	dns_done *done;
	void *arg;
	enum dns_type type;
	char name[];
};

struct upstream {
	struct upstream_config config;
	struct dns_servers servers;

	/* Those of a round, the first that ends first: its timeout is the same for all.
	 * And those that are due to be asked of another server, from due_at on. */
	struct query_list list[UPSTREAM_TRIES + 1];
	struct monotime due_at;
};

static void
alarm_caller(const struct upstream *u)
{
	if (u->config.alarm != NULL)
		u->config.alarm(u->config.alarm_arg);
}

bool
upstream_is_down(const struct upstream *u)
{
	return dns_servers_are_down(&u->servers);
}

uint32_t
upstream_restarts(const struct upstream *u)
{
	return dns_servers_restarts(&u->servers);
}

/* Questions */

static void
forget_attempt(struct attempt *a)
{
	struct upstream_query *q = a->query;

	SLIST_REMOVE(&q->attempts, a, attempt, entry);
	if (q->latest == a)
		q->latest = NULL;
	free(a);
}

static void
cancel_attempt(struct attempt *a)
{
	dns_server_source(a->server)->cancel(a->asked);
	forget_attempt(a);
}

void
upstream_cancel(struct upstream_query *q)
{
	struct attempt *a;

	while ((a = SLIST_FIRST(&q->attempts)) != NULL)
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		cancel_attempt(a);
	TAILQ_REMOVE(q->list, q, entry);
	free(q);
}

static void
end(struct upstream_query *q, const struct dns_answer *answer, struct monotime now)
{
	dns_done *done = q->done;
	void *arg = q->arg;

	upstream_cancel(q);
	done(arg, answer, now);
}

static void
end_failed(struct upstream_query *q, enum reason reason, struct monotime now)
{
	struct dns_answer answer;

	dnsmsg_answer_fail(&answer, reason);
	end(q, &answer, now);
}

static void answered(void *arg, const struct dns_answer *, struct monotime now);

static bool
start_attempt(struct upstream_query *q, struct dns_server *server, struct monotime now)
{
	struct dns_source *source = dns_server_source(server);
	struct attempt *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return false;
	a->query = q;
	a->server = server;
	a->since = now;
	if ((a->asked = source->ask(source, q->type, q->name, answered, a)) == NULL) {
		free(a);
		return false;
	}
	SLIST_INSERT_HEAD(&q->attempts, a, entry);
	q->latest = a;
	return true;
}

static void
move(struct upstream_query *q, struct query_list *to)
{
	TAILQ_REMOVE(q->list, q, entry);
	TAILQ_INSERT_TAIL(to, q, entry);
	q->list = to;
}

static bool
attempt(struct upstream_query *q, size_t i, struct monotime now)
{
	struct upstream *u = q->upstream;

	q->asked |= 1U << i;
	q->total++;
	q->deadline = monotime_add_ms(now, u->config.timeout_ms << q->round);
	move(q, &u->list[q->round]);
	alarm_caller(u);
	return start_attempt(q, u->servers.server[i], now);
}

/* The next server to ask in this round; n: there is none. Those that don't work are
 * asked only if none works. A question for which servers come and go all the time has
 * its end, too. */
static size_t
choose(const struct upstream_query *q)
{
	const struct upstream *u = q->upstream;
	const struct dns_servers *all = &u->servers;
	bool down = dns_servers_are_down(all);

	if (q->total >= u->config.tries * UPSTREAM_SERVERS)
		return all->n;
	for (size_t i = 0; i < all->n; i++)
		if (((q->asked | q->failed) & 1U << i) == 0 &&
			(down || !dns_server_is_down(all->server[i])))
			return i;
	return all->n;
}

static bool
next_round(struct upstream_query *q)
{
	struct upstream *u = q->upstream;

	if (q->round + 1 >= u->config.tries)
		return false;
	q->round++;
	q->asked = 0;
	move(q, &u->list[q->round]);
	return true;
}

/* Asks the next server, or ends the question. */
static void
ask_next(struct upstream_query *q, struct monotime now)
{
	const struct upstream *u = q->upstream;
	size_t i = choose(q);

	if (i == u->servers.n && next_round(q))
		i = choose(q);
	if (i == u->servers.n)
		end_failed(q, q->reason, now);
	else if (!attempt(q, i, now))
		end_failed(q, REASON_NOMEM, now);
}

/* The next server is asked by upstream_expire(), in its turn. */
static void
set_due(struct upstream_query *q, struct monotime now)
{
	struct upstream *u = q->upstream;

	if (q->list == &u->list[DUE])
		return;
	if (TAILQ_EMPTY(&u->list[DUE]))
		u->due_at = now;
	move(q, &u->list[DUE]);
	alarm_caller(u);
}

static void
answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct attempt *a = arg;
	struct upstream_query *q = a->query;
	const bool was_latest = q->latest == a;
	const bool same_server = q->latest != NULL && q->latest->server == a->server;
	const size_t i = dns_servers_index(&q->upstream->servers, a->server);
	const enum reason why =
		dns_server_answered(a->server, q->type, q->name, answer, a->since, now);

	forget_attempt(a);
	if (why == REASON_NONE) {
		end(q, answer, now);
		return;
	}
	q->reason = why;
	/* A connection that hangs may be an accident: the server may be asked again. One
	 * that has said "failure" isn't, and a later try needn't be waited for. */
	if (why != REASON_DNS_TCP_TIMEOUT)
		q->failed |= 1U << i;
	if (why != REASON_DNS_TCP_TIMEOUT ? same_server : was_latest)
		ask_next(q, now);
}

static void
timed_out(struct upstream_query *q, struct monotime now)
{
	const struct attempt *a = q->latest;

	if (a != NULL) {
		dns_server_unanswered(a->server, q->type, q->name, a->since, now);
		q->reason = REASON_DNS_TIMEOUT;
	}
	ask_next(q, now);
}

struct upstream_query *
upstream_ask(struct upstream *u, enum dns_type type, const char *name,
	struct monotime now, dns_done *done, void *arg)
{
	size_t len = strlen(name);
	struct upstream_query *q = calloc(1, sizeof(*q) + len + 1);

	if (q == NULL)
		return NULL;
	q->upstream = u;
	q->type = type;
	q->done = done;
	q->arg = arg;
	q->reason = REASON_DNS_DOWN;
	SLIST_INIT(&q->attempts);
	memcpy(q->name, name, len + 1);
	q->list = &u->list[0];
	TAILQ_INSERT_TAIL(q->list, q, entry);
	if (u->servers.n == 0) {
		set_due(q, now);
		return q;
	}
	if (attempt(q, choose(q), now))
		return q;
	upstream_cancel(q);
	return NULL;
}

/* Servers that come and go */

/* Cancels what the question had asked of the server. */
static void
leave_server(
	struct upstream_query *q, const struct dns_server *server, struct monotime now)
{
	struct attempt *a, *next;

	for (a = SLIST_FIRST(&q->attempts); a != NULL; a = next) {
		next = SLIST_NEXT(a, entry);
		if (a->server == server)
			cancel_attempt(a);
	}
	if (q->latest == NULL)
		set_due(q, now);
}

static void
all_leave_server(struct upstream *u, struct dns_server *server, struct monotime now)
{
	for (size_t i = 0; i <= DUE; i++) {
		struct upstream_query *q, *next;

		for (q = TAILQ_FIRST(&u->list[i]); q != NULL; q = next) {
			next = TAILQ_NEXT(q, entry);
			leave_server(q, server, now);
		}
	}
}

/* The bits of servers that have failed, or were asked, have lost their meaning. */
static void
forget_servers(struct upstream *u)
{
	struct upstream_query *q;

	for (size_t i = 0; i <= DUE; i++)
		TAILQ_FOREACH (q, &u->list[i], entry)
			q->asked = q->failed = 0;
}

bool
upstream_set_servers(struct upstream *u, struct dns_source *const source[], size_t n,
	struct monotime now)
{
	struct dns_servers gone;

	if (!dns_servers_replace(&u->servers, &u->config, source, n, &gone))
		return false;
	forget_servers(u);
	for (size_t i = 0; i < gone.n; i++)
		all_leave_server(u, gone.server[i], now);
	dns_servers_free(&gone);
	return true;
}

struct upstream *
upstream_new(const struct upstream_config *config)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->config = *config;
	for (size_t i = 0; i <= DUE; i++)
		TAILQ_INIT(&u->list[i]);
	if (upstream_set_servers(u, config->server, config->n, (struct monotime){0}))
		return u;
	upstream_free(u);
	return NULL;
}

void
upstream_free(struct upstream *u)
{
	struct upstream_query *q;

	if (u == NULL)
		return;
	for (size_t i = 0; i <= DUE; i++)
		while ((q = TAILQ_FIRST(&u->list[i])) != NULL)
			// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
			upstream_cancel(q);
	dns_servers_free(&u->servers);
	free(u);
}

/* Time */

static void
ask_due(struct upstream *u, struct monotime now)
{
	struct upstream_query *q;

	if (TAILQ_EMPTY(&u->list[DUE]) || !monotime_reached(u->due_at, now))
		return;
	u->due_at = monotime_add_ms(now, DUE_PAUSE_MS);
	for (int i = 0; i < DUE_BATCH; i++)
		if ((q = TAILQ_FIRST(&u->list[DUE])) != NULL)
			// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
			timed_out(q, now);
}

void
upstream_expire(struct upstream *u, struct monotime now)
{
	struct upstream_query *q;

	ask_due(u, now);
	for (size_t i = 0; i < u->config.tries; i++)
		while ((q = TAILQ_FIRST(&u->list[i])) != NULL &&
			// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
			monotime_reached(q->deadline, now))
			timed_out(q, now);
	for (size_t i = 0; i < u->servers.n; i++)
		dns_server_expire(u->servers.server[i], now);
}

bool
upstream_next_deadline(const struct upstream *u, struct monotime *when)
{
	struct monotime at;
	bool any = false;

	for (size_t i = 0; i < u->config.tries; i++)
		if (!TAILQ_EMPTY(&u->list[i]))
			any = monotime_first(
				any, TAILQ_FIRST(&u->list[i])->deadline, when);
	if (!TAILQ_EMPTY(&u->list[DUE]))
		any = monotime_first(any, u->due_at, when);
	for (size_t i = 0; i < u->servers.n; i++)
		if (dns_server_next_deadline(u->servers.server[i], &at))
			any = monotime_first(any, at, when);
	return any;
}
