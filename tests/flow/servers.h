/* An upstream with servers that answer when the test says so, and a clock that the test
 * moves. */
#ifndef TESTS_FLOW_SERVERS_H
#define TESTS_FLOW_SERVERS_H

#include "fakes.h"

#include "core/breaker.h"
#include "flow/upstream.h"

#define NAME "_onion-mx._tcp.example.org"

struct servers {
	struct monotime now;
	struct fake_dns server[3];
	struct upstream *upstream;
	uint64_t opened, bare;
	unsigned alarms;
	bool timer_set; /* as a caller has it that listens to the alarm */
	struct monotime timer_at;
	unsigned events[UPSTREAM_EVENTS];

	/* the last answer */
	unsigned calls;
	struct dns_answer answer;
};

static inline void
set_clock(struct servers *s)
{
	struct monotime at;

	if (s->upstream == NULL || !upstream_next_deadline(s->upstream, &at) ||
		(s->timer_set && !monotime_before(at, s->timer_at)))
		return;
	s->timer_set = true;
	s->timer_at = at;
}

static inline void
rang(void *arg)
{
	struct servers *s = arg;

	s->alarms++;
	set_clock(s);
}

/* Nothing is due before the timer fires. */
static inline void
assert_clock(const struct servers *s)
{
	struct monotime at;

	if (!upstream_next_deadline(s->upstream, &at))
		return;
	assert_true(s->timer_set);
	assert_false(monotime_before(at, s->timer_at));
}

static inline void
happened(void *arg, const struct dns_source *source, enum upstream_event event)
{
	struct servers *s = arg;

	assert_non_null(source);
	s->events[event]++;
}

static inline void
open_configured(struct servers *s, struct upstream_config config)
{
	memset(s, 0, sizeof(*s));
	s->now.ns = 1000000000;
	config.timeout_ms = 1000;
	config.opened = &s->opened;
	config.bare = &s->bare;
	config.event = happened;
	config.event_arg = s;
	config.alarm = rang;
	config.alarm_arg = s;
	for (size_t i = 0; i < 3; i++) {
		s->server[i].source.ask = fake_ask;
		s->server[i].source.cancel = fake_cancel;
		config.server[i] = &s->server[i].source;
	}
	s->upstream = upstream_new(&config);
}

static inline void
open_servers(struct servers *s, size_t n, unsigned tries)
{
	open_configured(s, (struct upstream_config){.n = n, .tries = tries});
}

static inline void
close_servers(struct servers *s)
{
	upstream_free(s->upstream);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fake_open(&s->server[i]), 0);
}

static inline void
done(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct servers *s = arg;

	assert_int_equal(now.ns, s->now.ns);
	s->calls++;
	s->answer = *answer;
}

static inline struct upstream_query *
ask(struct servers *s)
{
	struct upstream_query *q;

	s->calls = 0;
	q = upstream_ask(s->upstream, DNS_TYPE_SRV, NAME, s->now, done, s);
	assert_clock(s);
	return q;
}

static inline void
pass(struct servers *s, int64_t ms)
{
	s->now = monotime_add_ms(s->now, ms);
	upstream_expire(s->upstream, s->now);
	s->timer_set = false;
	set_clock(s);
	if (s->timer_set)
		assert_true(monotime_before(s->now, s->timer_at));
}

static inline void
answer_question(struct servers *s, size_t i, enum dns_type type, const char *name,
	struct dns_answer a)
{
	struct dns_query *q = fake_find_typed(&s->server[i], type, name);

	assert_non_null(q);
	q->open = false;
	q->done(q->arg, &a, s->now);
	assert_clock(s);
}

static inline void
answer(struct servers *s, size_t i, struct dns_answer a)
{
	answer_question(s, i, DNS_TYPE_SRV, NAME, a);
}

static inline void
assert_next(struct servers *s, int64_t ms)
{
	struct monotime when;

	assert_true(upstream_next_deadline(s->upstream, &when));
	assert_int_equal(monotime_diff_ms(when, s->now), ms);
}

static inline struct dns_answer
bare(enum dns_bare kind)
{
	return (struct dns_answer){.status = DNS_NONE, .bare = kind};
}

/* Asks, and returns how it ended. */
static inline enum dns_status
say(struct servers *s, size_t i, struct dns_answer a)
{
	assert_non_null(ask(s));
	answer(s, i, a);
	assert_int_equal(s->calls, 1);
	return s->answer.status;
}

/* A probe is due, and is left unanswered. */
static inline void
fail_probe(struct servers *s, size_t i)
{
	pass(s, 0);
	answer(s, i, dns_failed(REASON_DNS_TIMEOUT));
}

static inline void
break_down(struct servers *s)
{
	for (int i = 0; i < BREAKER_FAILURES; i++) {
		ask(s);
		answer(s, 0, dns_failed(REASON_DNS_TIMEOUT));
	}
	assert_int_equal(s->opened, 0);
	fail_probe(s, 0);
	assert_int_equal(s->opened, 1);
	assert_int_equal(s->events[UPSTREAM_DOWN], 1);
}

/* Other servers from now on. */
static inline void
set_servers(struct servers *s, size_t n, const size_t which[])
{
	struct dns_source *source[UPSTREAM_SERVERS];

	for (size_t i = 0; i < n; i++)
		source[i] = &s->server[which[i]].source;
	assert_true(upstream_set_servers(s->upstream, source, n, s->now));
	assert_clock(s);
}

#define SET_SERVERS(s, ...)                                                              \
	set_servers(s, sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t),                 \
		(size_t[]){__VA_ARGS__})

#endif
