#include "dns_server.h"

#include <stdlib.h>
#include <string.h>

#include "core/breaker.h"

struct dns_server {
	const struct upstream_config *config;
	struct dns_source *source;
	struct breaker breaker;
	struct monotime answered; /* when it did so last */
	struct dns_query *probe;  /* NULL: none is under way */
	struct monotime probe_deadline;
	uint32_t restarts;
	unsigned knows; /* types of which it has had a record or an SOA, a bit for each */
	bool was_bare;  /* it has sent a negative answer without an SOA */

	/* The question that was left unanswered last. A probe repeats it unless the
	 * configuration has a name for probes. */
	enum dns_type type;
	char name[DOMAIN_MAX + 1];
};

struct dns_server *
dns_server_new(const struct upstream_config *config, struct dns_source *source)
{
	struct dns_server *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		s->config = config;
		s->source = source;
	}
	return s;
}

static void
cancel_probe(struct dns_server *s)
{
	if (s->probe != NULL)
		s->source->cancel(s->probe);
	s->probe = NULL;
}

void
dns_server_free(struct dns_server *s)
{
	cancel_probe(s);
	free(s);
}

struct dns_source *
dns_server_source(const struct dns_server *s)
{
	return s->source;
}

bool
dns_server_is_down(const struct dns_server *s)
{
	return s->breaker.open;
}

static uint32_t
restarts_of(const struct dns_server *s)
{
	return s->restarts + s->source->restarts;
}

static void
tell(const struct dns_server *s, enum upstream_event event)
{
	if (s->config->event != NULL)
		s->config->event(s->config->event_arg, s->source, event);
}

static void
alarm_caller(const struct dns_server *s)
{
	if (s->config->alarm != NULL)
		s->config->alarm(s->config->alarm_arg);
}

/* Answers */

static bool
is_silence(const struct dns_answer *answer)
{
	return answer->status == DNS_FAILED && (answer->reason == REASON_DNS_TIMEOUT ||
						       answer->reason == REASON_DNS_DOWN);
}

/* A failure of this machine says nothing of the server. */
static bool
is_local_trouble(const struct dns_answer *answer)
{
	return answer->reason == REASON_NOMEM || answer->reason == REASON_DESCRIPTORS ||
	       answer->reason == REASON_BUSY;
}

/* A probe that is under way has nothing more to tell. */
static void
is_there(struct dns_server *s, struct monotime now)
{
	s->answered = now;
	cancel_probe(s);
	if (breaker_success(&s->breaker))
		tell(s, UPSTREAM_UP);
}

/* If it has answered others since, or has sent a part of an answer, the silence is about
 * the name. */
void
dns_server_unanswered(struct dns_server *s, enum dns_type type, const char *name,
	struct monotime since, struct monotime now)
{
	struct monotime heard = s->source->heard;

	s->restarts++;
	s->type = type;
	memcpy(s->name, name, strlen(name) + 1);
	if (monotime_before(heard, s->answered))
		heard = s->answered;
	if (heard.ns != 0 && !monotime_before(heard, since))
		return;
	if (breaker_failure(&s->breaker, now))
		alarm_caller(s);
}

/* A negative answer without an SOA: does it count? */
static enum reason
judge_bare(struct dns_server *s, enum dns_type type, const struct dns_answer *answer)
{
	bool knows = (s->knows & 1U << type) != 0;
	bool counts = dnsmsg_answer_counts(answer, s->config->bare_negative, knows);

	++*s->config->bare;
	if (!s->was_bare)
		tell(s, counts ? UPSTREAM_BARE_COUNTS : UPSTREAM_BARE_REFUSED);
	s->was_bare = true;
	return counts ? REASON_NONE : REASON_DNS_UNPROVEN;
}

enum reason
dns_server_answered(struct dns_server *s, enum dns_type type, const char *name,
	const struct dns_answer *answer, struct monotime since, struct monotime now)
{
	if (is_silence(answer))
		dns_server_unanswered(s, type, name, since, now);
	else if (!is_local_trouble(answer))
		is_there(s, now);
	if (answer->status == DNS_FAILED)
		return answer->reason;
	if (answer->bare != DNS_BARE_NO)
		return judge_bare(s, type, answer);
	s->knows |= 1U << type;
	return REASON_NONE;
}

/* Probes */

static void
probe_failed(struct dns_server *s, struct monotime now)
{
	s->restarts++;
	*s->config->opened += breaker_probe_failed(&s->breaker, now);
	tell(s, UPSTREAM_DOWN);
}

static void
probed(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct dns_server *s = arg;

	s->probe = NULL;
	if (is_local_trouble(answer))
		s->breaker.probe = monotime_add_ms(now, BREAKER_PAUSE_MIN_MS);
	else if (!is_silence(answer))
		is_there(s, now);
	else
		probe_failed(s, now);
	/* The next probe may be due before this one would have been given up. */
	alarm_caller(s);
}

static struct dns_query *
start_probe(struct dns_server *s)
{
	const char *name = s->config->probe;

	if (name != NULL)
		return s->source->ask(s->source, DNS_TYPE_A, name, probed, s);
	return s->source->ask(s->source, s->type, s->name, probed, s);
}

void
dns_server_expire(struct dns_server *s, struct monotime now)
{
	if (!s->breaker.probing)
		return;
	if (s->probe == NULL) {
		if (!monotime_reached(s->breaker.probe, now))
			return;
		s->probe_deadline = monotime_add_ms(now, s->config->timeout_ms);
		if ((s->probe = start_probe(s)) == NULL) /* no memory: later */
			s->breaker.probe = monotime_add_ms(now, BREAKER_PAUSE_MIN_MS);
	} else if (monotime_reached(s->probe_deadline, now)) {
		cancel_probe(s);
		probe_failed(s, now);
	}
}

bool
dns_server_next_deadline(const struct dns_server *s, struct monotime *when)
{
	if (s->breaker.probing)
		*when = s->probe != NULL ? s->probe_deadline : s->breaker.probe;
	return s->breaker.probing;
}

/* Sets of servers */

static struct dns_server *
find(const struct dns_servers *set, const struct dns_source *source)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->server[i]->source == source)
			return set->server[i];
	return NULL;
}

/* Moves those of a set that aren't in the other one. */
static void
take_others(const struct dns_servers *set, const struct dns_servers *other,
	struct dns_servers *to)
{
	*to = (struct dns_servers){0};
	for (size_t i = 0; i < set->n; i++)
		if (find(other, set->server[i]->source) == NULL)
			to->server[to->n++] = set->server[i];
}

static bool
make_set(struct dns_servers *new, const struct dns_servers *old,
	const struct upstream_config *config, struct dns_source *const source[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct dns_server *s = find(old, source[i]);

		if (find(new, source[i]) != NULL)
			continue;
		if (s == NULL && (s = dns_server_new(config, source[i])) == NULL)
			return false;
		new->server[new->n++] = s;
	}
	return true;
}

bool
dns_servers_replace(struct dns_servers *set, const struct upstream_config *config,
	struct dns_source *const source[], size_t n, struct dns_servers *gone)
{
	struct dns_servers new = {.restarts = set->restarts};

	if (!make_set(&new, set, config, source, n)) {
		take_others(&new, set, gone);
		dns_servers_free(gone);
		return false;
	}
	take_others(set, &new, gone);
	for (size_t i = 0; i < gone->n; i++)
		new.restarts += restarts_of(gone->server[i]) + 1;
	*set = new;
	return true;
}

void
dns_servers_free(struct dns_servers *set)
{
	for (size_t i = 0; i < set->n; i++)
		dns_server_free(set->server[i]);
}

bool
dns_servers_are_down(const struct dns_servers *set)
{
	for (size_t i = 0; i < set->n; i++)
		if (!dns_server_is_down(set->server[i]))
			return false;
	return true;
}

uint32_t
dns_servers_restarts(const struct dns_servers *set)
{
	uint32_t restarts = set->restarts;

	for (size_t i = 0; i < set->n; i++)
		restarts += restarts_of(set->server[i]);
	return restarts;
}

size_t
dns_servers_index(const struct dns_servers *set, const struct dns_server *server)
{
	size_t i = 0;

	while (set->server[i] != server)
		i++;
	return i;
}
