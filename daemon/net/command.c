/* The commands of the control socket. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control_inside.h"
#include "net/bridge.h"
#include "net/log.h"

/* explain: each listener's answer, too, so the lookup is made in each of their styles */

static struct explanation *
explanation_new(const char *key)
{
	struct explanation *e = calloc(1, sizeof(*e));

	if (e != NULL)
		strcpy(e->key, key); /* it is a part of a command */
	return e;
}

static const char *const outcomes[] = {
	[OUTCOME_ROUTE] = "ROUTE",
	[OUTCOME_NONE] = "NONE",
	[OUTCOME_TEMP] = "TEMP",
	[OUTCOME_FAIL] = "FAIL",
};

/* The listeners with this style of answers. Their protocols end a reply differently. */
static void
print_answers(struct control_client *c, enum answer_style style, const struct answer *a)
{
	const struct control_config *config = &c->control->config;
	char text[PROTO_REPLY_MAX];

	for (size_t i = 0; i < config->nlisteners; i++) {
		const struct control_listener *l = &config->listener[i];
		struct reply reply = {.text = text};

		if (l->endpoint->render.style != style)
			continue;
		l->endpoint->proto->format(&reply, a, &l->endpoint->render);
		while (reply.len > 0 && text[reply.len - 1] == '\n')
			reply.len--;
		control_print(c, "answer of %s (%s): %.*s\n", l->name,
			l->endpoint->proto->name, (int)reply.len, text);
	}
}

static bool
any_listener(const struct control *control, enum answer_style style)
{
	for (size_t i = 0; i < control->config.nlisteners; i++)
		if (control->config.listener[i].endpoint->render.style == style)
			return true;
	return false;
}

/* Of the other lookups only what the first hasn't said. */
static void
print_tor(struct control_client *c, const struct trail *t)
{
	const char *p = t->text, *end = t->text + t->len;

	while (p < end) {
		const char *line = p;

		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
		if (strncmp(line, "tor: ", strlen("tor: ")) == 0)
			control_print(c, "%.*s", (int)(p - line), line);
	}
}

static void explain_next(struct control_client *, const struct answer *);

static void
explained(void *arg, const struct answer *a, struct monotime now)
{
	struct control_client *c = arg;

	(void)now;
	c->explanation->lookup = NULL;
	explain_next(c, a);
}

static void
explain_start(struct control_client *c, enum answer_style style)
{
	struct explanation *e = c->explanation;
	struct lookup_request req = {.profile = c->control->config.profile[style],
		.key = e->key,
		.keylen = strlen(e->key),
		.done = explained,
		.arg = c,
		.trail = &e->trail};
	struct lookup *pending;
	struct answer a;

	e->style = style;
	e->trail.len = 0;
	if (lookup_start(c->control->config.engine, &req, loop_now(), &a, &pending) ==
		LOOKUP_PENDING)
		e->lookup = pending;
	else
		explain_next(c, &a);
}

/* What tor has said of a target, if it was tried and failed. */
static void
print_failure(struct control_client *c, const struct target *t)
{
	const struct bridge *bridge = c->control->config.bridge;
	const char *why;
	int64_t ago;

	if (bridge != NULL && (why = bridge_last_failure(bridge, t, &ago)) != NULL)
		control_print(c, "tor: %.*s:%u failed %" PRId64 " s ago: %s\n",
			(int)t->hostlen, t->host, (unsigned)t->port, ago, why);
}

static void
print_outcome(struct control_client *c, const struct answer *a)
{
	const struct trail *t = &c->explanation->trail;

	control_print(c, "%.*s", (int)t->len, t->text);
	control_print(c, "outcome: %s%s%s\n", outcomes[a->outcome],
		a->reason == REASON_NONE ? "" : ", ", reason_text(a->reason));
	for (uint8_t i = 0; i < a->route.n; i++) {
		control_print(c, "target: %.*s:%u\n", (int)a->route.target[i].hostlen,
			a->route.target[i].host, (unsigned)a->route.target[i].port);
		print_failure(c, &a->route.target[i]);
	}
}

/* A lookup has ended. */
static void
explain_next(struct control_client *c, const struct answer *a)
{
	enum answer_style style = c->explanation->style;

	if (style == STYLE_ONION)
		print_outcome(c, a);
	else
		print_tor(c, &c->explanation->trail);
	print_answers(c, style, a);
	while (++style < STYLES)
		if (any_listener(c->control, style)) {
			explain_start(c, style);
			return;
		}
	control_answer(c);
}

static void
explain(struct control_client *c, const char *key)
{
	if ((c->explanation = explanation_new(key)) != NULL) {
		explain_start(c, STYLE_ONION);
		return;
	}
	c->failed = true;
	control_answer(c);
}

/* pins */

static bool
pins_kept(struct control_client *c)
{
	if (c->control->config.pins != NULL)
		return true;
	c->failed = true;
	control_print(c, "no routes are pinned: pin_srv = no\n");
	return false;
}

static void
print_pin(void *arg, const struct stored *s)
{
	struct control_client *c = arg;
	time_t when = (time_t)(s->kind == STORED_HELD ? s->when - s->ttl : s->when);
	struct tm tm;
	char date[32] = "";

	if (s->kind == STORED_PIN && s->fact.set.n == 0) {
		control_print(c, "%s isn't pinned any more: no route\n", s->domain.text);
		return;
	}
	if (gmtime_r(&when, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	control_print(c, "%s %s since %s:", s->domain.text,
		s->kind == STORED_PIN ? "pinned" : "held back", date);
	if (s->fact.set.n == 0)
		control_print(c, " no route");
	for (uint8_t i = 0; i < s->fact.set.n; i++)
		control_print(c, "%s %.*s:%u", i == 0 ? "" : ",",
			(int)s->fact.set.target[i].hostlen, s->fact.set.target[i].host,
			(unsigned)s->fact.set.target[i].port);
	control_print(c, "\n");
}

static void
print_if_held(void *arg, const struct stored *s)
{
	if (s->kind == STORED_HELD)
		print_pin(arg, s);
}

static void
list_pins(struct control_client *c, const char *rest)
{
	(void)rest;
	if (pins_kept(c))
		pins_walk(c->control->config.pins, print_pin, c);
	control_answer(c);
}

static void
list_held(struct control_client *c, const char *rest)
{
	(void)rest;
	if (pins_kept(c))
		pins_walk(c->control->config.pins, print_if_held, c);
	control_answer(c);
}

static void
accept_change(struct control_client *c, const char *name)
{
	const struct control_config *config = &c->control->config;
	struct domain d;

	if (!pins_kept(c)) {
		control_answer(c);
		return;
	}
	if (domain_from_name(&d, name, strlen(name)) != DOMAIN_OK) {
		c->failed = true;
		control_print(c, "not a valid domain name\n");
	} else if (!pins_accept(config->pins, &d, (int64_t)time(NULL))) {
		c->failed = true;
		control_print(c, "%s: no change is held back\n", d.text);
	} else {
		pinfile_note(config->pinfile, &d);
		config->counters->pins_renewed++;
		pins_walk_domain(config->pins, &d, print_pin, c);
	}
	control_answer(c);
}

/* counters */

static void
print_counters(struct control_client *c, const char *rest)
{
	const struct counters *n = c->control->config.counters;

	(void)rest;
#define PRINT_COUNTER(name, what) control_print(c, #name " %" PRIu64 "\n", n->name);
	COUNTERS(PRINT_COUNTER)
#undef PRINT_COUNTER
	for (size_t i = 0; i < c->control->config.nlisteners; i++) {
		const struct control_listener *l = &c->control->config.listener[i];
		struct listener_counts counts = listener_counts(l->listener);

		control_print(
			c, "clients_refused.%s %" PRIu64 "\n", l->name, counts.refused);
		control_print(
			c, "clients_evicted.%s %" PRIu64 "\n", l->name, counts.evicted);
	}
	control_answer(c);
}

/* Each takes what follows its name and a blank. */
static const struct {
	const char *name;
	bool has_argument;
	void (*run)(struct control_client *, const char *argument);
} commands[] = {
	{"explain", true, explain},
	{"pins", false, list_pins},
	{"held", false, list_held},
	{"accept", true, accept_change},
	{"counters", false, print_counters},
};

void
command_run(struct control_client *c, char *command)
{
	char *argument = strchr(command, ' ');

	if (argument != NULL)
		*argument++ = '\0';
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(command, commands[i].name) == 0 &&
			commands[i].has_argument == (argument != NULL)) {
			commands[i].run(c, argument);
			return;
		}
	c->failed = true;
	control_print(c, "unknown command\n");
	control_answer(c);
}

void
command_cancel(struct control_client *c)
{
	if (c->explanation == NULL)
		return;
	if (c->explanation->lookup != NULL)
		lookup_cancel(c->explanation->lookup);
	explicit_bzero(c->explanation->key, sizeof(c->explanation->key));
	free(c->explanation);
}
