#include "flow/upstream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "core/breaker.h"

struct server {
	struct upstream *upstream;
	struct dns_source *source;
	struct breaker breaker;
	struct monotime answered; /* when it did so last */
	struct dns_query *probe;  /* NULL: none is under way */
	struct monotime probe_deadline;

	/* What it left unanswered: a probe asks for that, if for nothing better. */
	enum dns_type type;
	char name[DOMAIN_MAX + 1];
};

/* A question to one server. It stays under way when the next one is asked. */
struct attempt {
	SLIST_ENTRY(attempt) entry;
	struct upstream_query *query;
	size_t server;
	struct monotime since;
	struct dns_query *asked;
};

struct upstream_query {
	TAILQ_ENTRY(upstream_query) entry; /* in its round */
	struct upstream *upstream;
	SLIST_HEAD(, attempt) attempts;  /* under way, the last one first */
	struct monotime since, deadline; /* of the last one */
	size_t last;                     /* its server */
	unsigned round;
	unsigned asked;  /* servers that were asked in this round, a bit for each */
	unsigned failed; /* servers that have answered, and failed */
	enum reason reason;
	dns_done *done;
	void *arg;
	enum dns_type type;
	char name[];
};

struct upstream {
	struct upstream_config config;
	struct server server[UPSTREAM_SERVERS];
	uint32_t epoch;

	/* Within a round the timeout is the same for all: the first ends first. */
	TAILQ_HEAD(, upstream_query) round[UPSTREAM_TRIES];
};

struct upstream *
upstream_new(const struct upstream_config *config)
{
	struct upstream *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->config = *config;
	for (size_t i = 0; i < config->n; i++) {
		u->server[i].upstream = u;
		u->server[i].source = config->server[i];
	}
	for (size_t i = 0; i < UPSTREAM_TRIES; i++)
		TAILQ_INIT(&u->round[i]);
	return u;
}

static void
alarm_caller(const struct upstream *u)
{
	if (u->config.alarm != NULL)
		u->config.alarm(u->config.alarm_arg);
}

/* Servers */

static bool
left_unanswered(const struct dns_answer *answer)
{
	return answer->status == DNS_FAILED && (answer->reason == REASON_DNS_TIMEOUT ||
						       answer->reason == REASON_DNS_DOWN);
}

/* It has left a question unanswered that was asked then. If it has answered others since,
 * that is about the name. */
static void
server_failed(struct server *s, struct monotime since, struct monotime now)
{
	struct upstream *u = s->upstream;

	u->epoch++;
	if (s->answered.ns != 0 && !monotime_before(s->answered, since))
		return;
	if (breaker_failure(&s->breaker, now)) {
		++*u->config.opened;
		alarm_caller(u);
	}
}

static void
server_answered(struct server *s, struct monotime now)
{
	s->answered = now;
	breaker_success(&s->breaker);
}

static void
remember(struct server *s, const struct upstream_query *q)
{
	memcpy(s->name, q->name, strlen(q->name) + 1);
	s->type = q->type;
}

static void
probed(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct server *s = arg;

	s->probe = NULL;
	if (left_unanswered(answer))
		server_failed(s, now, now);
	else
		server_answered(s, now);
	/* The next probe may be due before this one would have been given up. */
	alarm_caller(s->upstream);
}

static struct dns_query *
start_probe(struct server *s)
{
	const char *name = s->upstream->config.probe;

	if (name != NULL)
		return s->source->ask(s->source, DNS_TYPE_A, name, probed, s);
	return s->source->ask(s->source, s->type, s->name, probed, s);
}

/* The breaker of this server is open. */
static void
probe_if_due(struct server *s, struct monotime now)
{
	if (s->probe != NULL) {
		if (!monotime_reached(s->probe_deadline, now))
			return;
		s->source->cancel(s->probe);
		s->probe = NULL;
		server_failed(s, now, now);
	} else if (monotime_reached(s->breaker.probe, now)) {
		s->probe = start_probe(s);
		s->probe_deadline = monotime_add_ms(now, s->upstream->config.timeout_ms);
		if (s->probe == NULL) /* no memory: later */
			server_failed(s, now, now);
	}
}

static bool
is_open(const struct upstream *u, size_t i)
{
	return u->server[i].breaker.open;
}

bool
upstream_is_down(const struct upstream *u)
{
	for (size_t i = 0; i < u->config.n; i++)
		if (!is_open(u, i))
			return false;
	return true;
}

uint32_t
upstream_epoch(const struct upstream *u)
{
	uint32_t epoch = u->epoch;

	for (size_t i = 0; i < u->config.n; i++)
		epoch += u->server[i].source->epoch;
	return epoch;
}

/* Questions */

void
upstream_cancel(struct upstream_query *q)
{
	struct upstream *u = q->upstream;
	struct attempt *a;

	while ((a = SLIST_FIRST(&q->attempts)) != NULL) {
		SLIST_REMOVE_HEAD(&q->attempts, entry);
		u->server[a->server].source->cancel(a->asked);
		free(a);
	}
	TAILQ_REMOVE(&u->round[q->round], q, entry);
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

	dns_answer_fail(&answer, reason);
	end(q, &answer, now);
}

static void answered(void *arg, const struct dns_answer *, struct monotime now);

static bool
start_attempt(struct upstream_query *q, size_t server, struct monotime now)
{
	struct dns_source *source = q->upstream->server[server].source;
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
	return true;
}

static bool
attempt(struct upstream_query *q, size_t server, struct monotime now)
{
	struct upstream *u = q->upstream;

	q->asked |= 1U << server;
	q->last = server;
	q->since = now;
	q->deadline = monotime_add_ms(now, u->config.timeout_ms << q->round);
	TAILQ_REMOVE(&u->round[q->round], q, entry);
	TAILQ_INSERT_TAIL(&u->round[q->round], q, entry);
	alarm_caller(u);
	return start_attempt(q, server, now);
}

/* The next server to ask in this round; n: there is none. Those that don't work are
 * asked only if none works. */
static size_t
choose(const struct upstream_query *q)
{
	const struct upstream *u = q->upstream;
	bool down = upstream_is_down(u);

	for (size_t i = 0; i < u->config.n; i++)
		if (((q->asked | q->failed) & 1U << i) == 0 && (down || !is_open(u, i)))
			return i;
	return u->config.n;
}

static bool
next_round(struct upstream_query *q)
{
	struct upstream *u = q->upstream;

	if (q->round + 1 >= u->config.tries)
		return false;
	TAILQ_REMOVE(&u->round[q->round], q, entry);
	q->round++;
	q->asked = 0;
	TAILQ_INSERT_TAIL(&u->round[q->round], q, entry);
	return true;
}

/* Asks the next server, or ends the question. */
static void
ask_next(struct upstream_query *q, struct monotime now)
{
	size_t i = choose(q);

	if (i == q->upstream->config.n && next_round(q))
		i = choose(q);
	if (i == q->upstream->config.n)
		end_failed(q, q->reason, now);
	else if (!attempt(q, i, now))
		end_failed(q, REASON_NOMEM, now);
}

static void
answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct attempt *a = arg;
	struct upstream_query *q = a->query;
	size_t i = a->server;
	struct server *s = &q->upstream->server[i];

	SLIST_REMOVE(&q->attempts, a, attempt, entry);
	if (left_unanswered(answer)) {
		remember(s, q);
		server_failed(s, a->since, now);
	} else if (answer->reason != REASON_NOMEM) {
		server_answered(s, now);
	}
	free(a);
	if (answer->status != DNS_FAILED) {
		end(q, answer, now);
		return;
	}
	q->failed |= 1U << i;
	q->reason = answer->reason;
	if (q->last == i)
		ask_next(q, now);
}

static void
timed_out(struct upstream_query *q, struct monotime now)
{
	struct server *s = &q->upstream->server[q->last];

	remember(s, q);
	server_failed(s, q->since, now);
	q->reason = REASON_DNS_TIMEOUT;
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
	SLIST_INIT(&q->attempts);
	memcpy(q->name, name, len + 1);
	TAILQ_INSERT_TAIL(&u->round[0], q, entry);
	if (attempt(q, choose(q), now))
		return q;
	upstream_cancel(q);
	return NULL;
}

/* Time */

void
upstream_expire(struct upstream *u, struct monotime now)
{
	struct upstream_query *q;

	for (size_t i = 0; i < u->config.tries; i++)
		while ((q = TAILQ_FIRST(&u->round[i])) != NULL &&
			monotime_reached(q->deadline, now))
			timed_out(q, now);
	for (size_t i = 0; i < u->config.n; i++)
		if (is_open(u, i))
			probe_if_due(&u->server[i], now);
}

static void
note_earlier(struct monotime at, struct monotime *when, bool *any)
{
	if (!*any || monotime_before(at, *when))
		*when = at;
	*any = true;
}

bool
upstream_next_deadline(const struct upstream *u, struct monotime *when)
{
	bool any = false;

	for (size_t i = 0; i < u->config.tries; i++)
		if (!TAILQ_EMPTY(&u->round[i]))
			note_earlier(TAILQ_FIRST(&u->round[i])->deadline, when, &any);
	for (size_t i = 0; i < u->config.n; i++) {
		const struct server *s = &u->server[i];

		if (s->breaker.open)
			note_earlier(
				s->probe != NULL ? s->probe_deadline : s->breaker.probe,
				when, &any);
	}
	return any;
}

void
upstream_free(struct upstream *u)
{
	struct upstream_query *q;

	if (u == NULL)
		return;
	for (size_t i = 0; i < UPSTREAM_TRIES; i++)
		while ((q = TAILQ_FIRST(&u->round[i])) != NULL)
			// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
			upstream_cancel(q);
	for (size_t i = 0; i < u->config.n; i++)
		if (u->server[i].probe != NULL)
			u->server[i].source->cancel(u->server[i].probe);
	free(u);
}
