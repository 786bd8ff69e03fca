/* A resolver, the server that it asks, and questions to it. */
#ifndef TESTS_NET_QUESTIONS_H
#define TESTS_NET_QUESTIONS_H

#include "net/resolver.h"
#include "shell.h"

#define QUESTIONS_MAX 12000

struct world;

struct question {
	struct world *world;
	struct dns_query *query; /* NULL: not asked, or ended, or cancelled */
	unsigned number;
	unsigned calls;
	enum dns_status status;
	enum reason reason;
	uint32_t ipv4;
	void (*then)(struct question *question); /* when it has ended; may be NULL */
};

struct world {
	struct loop *loop;
	struct counters counters;
	struct test_server server;
	struct resolver *resolver; /* NULL: freed */
	struct dns_source *source;
	unsigned asked, ended; /* ended: that were called back */
	bool asking;           /* a call of ask() is on the stack */
	struct question question[QUESTIONS_MAX];
};

struct world_options {
	bool is_tor;
	int tcp_ms; /* 0: 60 s */
};

static struct world world;

static inline struct world *
world_open(const struct world_options *options)
{
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	memset(&faults, 0, sizeof(faults));
	w->loop = loop_new();
	assert_non_null(w->loop);
	server_start(&w->server, w->loop, 2); /* not who asks it */
	w->resolver = resolver_new(&(struct resolver_config){.loop = w->loop,
		.counters = &w->counters,
		.server = w->server.address,
		.tcp_ms = options->tcp_ms > 0 ? options->tcp_ms : 60000,
		.is_tor = options->is_tor});
	assert_non_null(w->resolver);
	w->source = resolver_source(w->resolver);
	return w;
}

static inline void
world_close(struct world *w)
{
	resolver_free(w->resolver);
	run_ready(w->loop);
	server_stop(&w->server);
	loop_free(w->loop);
}

static inline void
question_ended(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct question *q = arg;

	(void)now;
	assert_false(q->world->asking);
	assert_non_null(q->world->resolver);
	assert_non_null(q->query);
	q->query = NULL;
	q->calls++;
	q->status = answer->status;
	q->reason = answer->reason;
	q->ipv4 = answer->ipv4;
	q->world->ended++;
	if (q->then != NULL)
		q->then(q);
}

/* NULL: the resolver had no memory. */
static inline struct question *
ask(struct world *w)
{
	struct question *q = &w->question[w->asked];
	char name[32];

	assert_true(w->asked < QUESTIONS_MAX);
	*q = (struct question){.world = w, .number = w->asked};
	snprintf(name, sizeof(name), "n%u.example", q->number);
	w->asking = true;
	q->query = w->source->ask(w->source, DNS_TYPE_A, name, question_ended, q);
	w->asking = false;
	if (q->query == NULL)
		return NULL;
	w->asked++;
	server_poll(&w->server);
	return q;
}

static inline void
ask_many(struct world *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_non_null(ask(w));
}

static inline void
cancel(struct question *q)
{
	assert_non_null(q->query);
	q->world->source->cancel(q->query);
	q->query = NULL;
}

/* Cancels those that haven't ended. */
static inline void
cancel_all(struct world *w)
{
	for (unsigned i = 0; i < w->asked; i++)
		if (w->question[i].query != NULL)
			cancel(&w->question[i]);
}

static inline void
wait_ended(struct world *w, unsigned n)
{
	WAIT_UNTIL(w->loop, w->ended >= n);
	run_ready(w->loop);
	assert_int_equal(w->ended, n);
}

static inline void
assert_answered(const struct question *q)
{
	assert_int_equal(q->calls, 1);
	assert_int_equal(q->status, DNS_RECORDS);
	assert_int_equal(q->ipv4, address_of(q->number));
}

static inline void
assert_failed(const struct question *q, enum reason reason)
{
	assert_int_equal(q->calls, 1);
	assert_int_equal(q->status, DNS_FAILED);
	assert_string_equal(answer_reason_text(q->reason), answer_reason_text(reason));
}

static inline void
assert_never_ended(const struct question *q)
{
	assert_null(q->query);
	assert_int_equal(q->calls, 0);
}

/* The resolver is as good as new: a question is answered. */
static inline void
assert_works(struct world *w)
{
	unsigned ended = w->ended;
	struct question *q;

	w->server.by_udp = BY_UDP_ANSWER;
	q = ask(w);
	assert_non_null(q);
	WAIT_UNTIL(w->loop, q->calls > 0);
	assert_answered(q);
	assert_int_equal(w->ended, ended + 1);
}

#endif
