#include "net/command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* explain: the lookups of an explanation are made one after the other, with onion names
 * first and then in each style in which a listener answers. No other command pends. */

struct command {
	const struct command_deps *deps;
	FILE *out;
	command_done *done;
	void *arg;
	struct lookup *lookup; /* NULL: none is pending */
	enum answer_style style;
	struct explain explain;
	char key[COMMAND_MAX];
};

static const char *const outcomes[] = {
	[OUTCOME_ROUTE] = "ROUTE",
	[OUTCOME_NONE] = "NONE",
	[OUTCOME_TEMP] = "TEMP",
	[OUTCOME_FAIL] = "FAIL",
};

/* A listener that only fills the cache says nothing of a route. */
static bool
answers_with(const struct command_listener *l, enum answer_style style)
{
	return l->endpoint->render.style == style && !l->endpoint->proto->cache_only;
}

/* The listeners with this style of answers. Their protocols end a reply differently. */
static void
print_answers(const struct command *c, const struct answer *a)
{
	char text[PROTO_REPLY_MAX];

	for (size_t i = 0; i < c->deps->nlisteners; i++) {
		const struct command_listener *l = &c->deps->listener[i];
		struct reply reply = {.text = text};

		if (!answers_with(l, c->style))
			continue;
		l->endpoint->proto->format(&reply, a, &l->endpoint->render);
		while (reply.len > 0 && text[reply.len - 1] == '\n')
			reply.len--;
		fprintf(c->out, "answer of %s (%s): %.*s\n", l->name,
			l->endpoint->proto->name, (int)reply.len, text);
	}
}

static bool
any_listener(const struct command_deps *deps, enum answer_style style)
{
	for (size_t i = 0; i < deps->nlisteners; i++)
		if (answers_with(&deps->listener[i], style))
			return true;
	return false;
}

/* Of the later lookups only what the first one hasn't said. */
static void
print_tor(FILE *out, const struct explain *t)
{
	const char *p = t->text, *end = t->text + t->len;

	while (p < end) {
		const char *line = p;

		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
		if (strncmp(line, "tor: ", strlen("tor: ")) == 0)
			fprintf(out, "%.*s", (int)(p - line), line);
	}
}

/* What tor has said of a target, if it was tried and failed. */
static void
print_failure(const struct command *c, const struct target *t)
{
	const struct bridge *bridge = c->deps->bridge;
	const char *why;
	int64_t ago;

	if (bridge != NULL && (why = bridge_last_failure(bridge, t, &ago)) != NULL)
		fprintf(c->out, "tor: %.*s:%u failed %" PRId64 " s ago: %s\n",
			(int)t->hostlen, t->host, (unsigned)t->port, ago, why);
}

static void
print_outcome(const struct command *c, const struct answer *a)
{
	const struct explain *t = &c->explain;

	fprintf(c->out, "%.*s", (int)t->len, t->text);
	fprintf(c->out, "outcome: %s%s%s\n", outcomes[a->outcome],
		a->reason == REASON_NONE ? "" : ", ", answer_reason_text(a->reason));
	for (uint8_t i = 0; i < a->route.n; i++) {
		fprintf(c->out, "target: %.*s:%u\n", (int)a->route.target[i].hostlen,
			a->route.target[i].host, (unsigned)a->route.target[i].port);
		print_failure(c, &a->route.target[i]);
	}
}

/* Prints what the lookup in the present style has found, and goes on to the next style.
 * False: that was the last one. */
static bool
print_lookup(struct command *c, const struct answer *a)
{
	if (c->style == STYLE_ONION)
		print_outcome(c, a);
	else
		print_tor(c->out, &c->explain);
	print_answers(c, a);
	while (++c->style < STYLES)
		if (any_listener(c->deps, c->style))
			return true;
	return false;
}

static void
command_free(struct command *c)
{
	explicit_bzero(c->key, sizeof(c->key));
	free(c);
}

static bool look_up(struct command *, struct answer *);

static void
explained(void *arg, const struct answer *a, struct monotime now)
{
	struct command *c = arg;
	struct answer next;
	command_done *done = c->done;
	bool more = print_lookup(c, a);

	(void)now;
	c->lookup = NULL;
	arg = c->arg;
	while (more && look_up(c, &next))
		more = print_lookup(c, &next);
	if (more)
		return;
	command_free(c);
	done(arg, COMMAND_OK);
}

/* In the present style. False: the answer isn't ready yet. */
static bool
look_up(struct command *c, struct answer *a)
{
	const struct lookup_request req = {.profile = c->deps->profile[c->style],
		.key = c->key,
		.keylen = strlen(c->key),
		.done = explained,
		.arg = c,
		.explain = &c->explain};

	c->explain.len = 0;
	return lookup_start(c->deps->engine, &req, loop_now(), a, &c->lookup) ==
	       LOOKUP_READY;
}

static enum command_status
explain(const struct command_deps *deps, const struct command_request *request,
	const char *key, struct command **pending)
{
	struct command *c = calloc(1, sizeof(*c));
	struct answer a;

	if (c == NULL) {
		fprintf(request->out, "out of memory\n");
		return COMMAND_ERROR;
	}
	c->deps = deps;
	c->out = request->out;
	c->done = request->done;
	c->arg = request->arg;
	c->style = STYLE_ONION;
	strcpy(c->key, key); /* it is a part of a command */
	while (look_up(c, &a))
		if (!print_lookup(c, &a)) {
			command_free(c);
			return COMMAND_OK;
		}
	*pending = c;
	return COMMAND_PENDING;
}

void
command_cancel(struct command *c)
{
	lookup_cancel(c->lookup);
	command_free(c);
}

/* pins */

static bool
pins_kept(const struct command_deps *deps, FILE *out)
{
	if (deps->pins == NULL)
		fprintf(out, "no routes are pinned: pin_srv = no\n");
	return deps->pins != NULL;
}

static void
print_pin(void *arg, const struct state_line *s)
{
	FILE *out = arg;
	time_t when = (time_t)(s->kind == STATE_LINE_HELD ? s->when - s->ttl : s->when);
	struct tm tm;
	char date[32] = "";

	if (s->kind == STATE_LINE_PIN && s->fact.set.n == 0) {
		fprintf(out, "%s isn't pinned any more: no route\n", s->domain.text);
		return;
	}
	if (gmtime_r(&when, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "%s %s since %s:", s->domain.text,
		s->kind == STATE_LINE_PIN ? "pinned" : "held back", date);
	if (s->fact.set.n == 0)
		fprintf(out, " no route");
	for (uint8_t i = 0; i < s->fact.set.n; i++)
		fprintf(out, "%s %.*s:%u", i == 0 ? "" : ",",
			(int)s->fact.set.target[i].hostlen, s->fact.set.target[i].host,
			(unsigned)s->fact.set.target[i].port);
	fprintf(out, "\n");
}

static void
print_if_held(void *arg, const struct state_line *s)
{
	if (s->kind == STATE_LINE_HELD)
		print_pin(arg, s);
}

static bool
list_pins(const struct command_deps *deps, const char *rest, FILE *out)
{
	(void)rest;
	if (!pins_kept(deps, out))
		return false;
	pins_walk(deps->pins, print_pin, out);
	return true;
}

static bool
list_held(const struct command_deps *deps, const char *rest, FILE *out)
{
	(void)rest;
	if (!pins_kept(deps, out))
		return false;
	pins_walk(deps->pins, print_if_held, out);
	return true;
}

static bool
accept_change(const struct command_deps *deps, const char *name, FILE *out)
{
	struct domain d;

	if (!pins_kept(deps, out))
		return false;
	if (domain_from_name(&d, name, strlen(name)) != DOMAIN_OK) {
		fprintf(out, "not a valid domain name\n");
		return false;
	}
	if (!pins_accept(deps->pins, &d, (int64_t)time(NULL))) {
		fprintf(out, "%s: no change is held back\n", d.text);
		return false;
	}
	pinfile_note(deps->pinfile, &d);
	deps->counters->pins_renewed++;
	pins_walk_domain(deps->pins, &d, print_pin, out);
	return true;
}

/* counters */

static bool
print_counters(const struct command_deps *deps, const char *rest, FILE *out)
{
	const struct counters *n = deps->counters;

	(void)rest;
#define PRINT_COUNTER(name, what) fprintf(out, #name " %" PRIu64 "\n", n->name);
	COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
	for (size_t i = 0; i < deps->nlisteners; i++) {
		const struct command_listener *l = &deps->listener[i];
		struct listener_counts counts = listener_counts(l->listener);

		fprintf(out, "clients_refused.%s %" PRIu64 "\n", l->name, counts.refused);
		fprintf(out, "clients_evicted.%s %" PRIu64 "\n", l->name, counts.evicted);
	}
	return true;
}

/* All commands */

/* Beside explain, those that are carried out at once. argument: what follows the name and
 * a blank. False: an error. */
static const struct {
	const char *name;
	bool has_argument;
	bool (*run)(const struct command_deps *, const char *argument, FILE *out);
} commands[] = {
	{"pins", false, list_pins},
	{"held", false, list_held},
	{"accept", true, accept_change},
	{"counters", false, print_counters},
};

/* The argument if the line is this command, and has one or none as it should; NULL: it is
 * another one. */
static const char *
argument_of(const char *line, const char *name, bool has_argument)
{
	const size_t len = strlen(name);

	if (strncmp(line, name, len) != 0)
		return NULL;
	if (!has_argument)
		return line[len] == '\0' ? line + len : NULL;
	return line[len] == ' ' ? line + len + 1 : NULL;
}

enum command_status
command_start(const struct command_deps *deps, const struct command_request *request,
	struct command **pending)
{
	const char *argument = argument_of(request->line, "explain", true);

	if (argument != NULL)
		return explain(deps, request, argument, pending);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if ((argument = argument_of(request->line, commands[i].name,
			     commands[i].has_argument)) != NULL)
			return commands[i].run(deps, argument, request->out)
				       ? COMMAND_OK
				       : COMMAND_ERROR;
	fprintf(request->out, "unknown command\n");
	return COMMAND_ERROR;
}
