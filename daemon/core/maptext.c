#include "core/maptext.h"

#include <stdio.h>
#include <string.h>

#include "core/maprec.h"
#include "core/onion.h"
#include "core/target_text.h"

struct line {
	const char *start;
	struct cursor rest;
	struct map_error *error;
	struct onion_memo *memo;
};

static enum maptext_status
wrong(struct line *l, const char *where, const char *message)
{
	l->error->column = (size_t)(where - l->start) + 1;
	l->error->message = message;
	return MAPTEXT_ERROR;
}

static enum maptext_status
parse_domain(struct line *l, struct map_entry *e)
{
	struct cursor word = cursor_word(&l->rest);
	const size_t mx = strlen(MAP_KEY_MX);
	const char *name = word.p;

	e->mx = (size_t)(word.end - name) >= mx && memcmp(name, MAP_KEY_MX, mx) == 0;
	if (e->mx)
		name += mx;
	e->below = name < word.end && *name == '.';
	if (e->below)
		name++;
	switch (domain_from_name(&e->domain, name, (size_t)(word.end - name))) {
	case DOMAIN_OK:
		break;
	case DOMAIN_NOMEM:
		return MAPTEXT_NOMEM;
	case DOMAIN_UNUSABLE:
	case DOMAIN_ONION:
	case DOMAIN_UNKNOWN:
		return wrong(l, word.p, "not a valid domain name");
	}
	if (domain_is_onion(&e->domain))
		return wrong(l, word.p,
			e->mx ? "a .onion name is nobody's MX"
			      : "a .onion domain always routes to itself");
	return MAPTEXT_ENTRY;
}

static void
lower_case(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] >= 'A' && s[i] <= 'Z')
			s[i] = (char)(s[i] - 'A' + 'a');
}

/* The next target of the entry, with a copy of its name. */
static struct target
copy_target(struct map_entry *e, const char *host, size_t len, uint16_t port)
{
	char *name = e->name[e->targets.n];

	memcpy(name, host, len);
	return (struct target){.host = name, .hostlen = (uint8_t)len, .port = port};
}

static enum onion_status
check_host(char *host, size_t len, struct onion_memo *memo)
{
	enum onion_status st = onion_check(host, len, memo);

	if (st == ONION_OK) /* nearly all are in lower case already */
		return st;
	lower_case(host, len);
	return onion_check(host, len, memo);
}

/* One trailing dot is dropped. */
static enum maptext_status
add_target(struct line *l, struct map_entry *e, struct cursor host, uint16_t port)
{
	struct target_set *targets = &e->targets;
	size_t len = cursor_len(host);
	enum onion_status st;
	struct target t;

	if (host.end[-1] == '.')
		len--;
	if (targets->n == TARGETS_MAX)
		return wrong(l, host.p, "more than 16 targets");
	if (len > DOMAIN_MAX)
		return wrong(l, host.p, onion_reason(ONION_LENGTH));
	t = copy_target(e, host.p, len, port);
	if ((st = check_host(e->name[targets->n], len, l->memo)) != ONION_OK)
		return wrong(l, host.p, onion_reason(st));
	if (target_set_find(targets, &t) != NULL)
		return wrong(l, host.p, "the same target twice");
	targets->target[targets->n++] = t;
	return MAPTEXT_ENTRY;
}

/* Takes one name, if there is nothing else, as on most lines. */
static bool
take_only_target(const struct line *l, struct map_entry *e)
{
	const char *host = l->rest.p;

	if (cursor_len(l->rest) != ONION_LEN ||
		onion_check(host, ONION_LEN, l->memo) != ONION_OK)
		return false;
	e->targets.target[0] = copy_target(e, host, ONION_LEN, SMTP_PORT);
	e->targets.n = 1;
	return true;
}

static enum maptext_status
parse_targets(struct line *l, struct map_entry *e)
{
	bool more = true;

	while (more) {
		struct cursor host;
		uint16_t port;
		const char *message = target_text_next(&l->rest, &host, &port, &more);

		if (message != NULL)
			return wrong(l, l->rest.p, message);
		if (add_target(l, e, host, port) != MAPTEXT_ENTRY)
			return MAPTEXT_ERROR;
	}
	return MAPTEXT_ENTRY;
}

/* Comments and what some editors put at the end of a line don't count. */
static size_t
significant(const char *line, size_t len)
{
	const char *comment = memchr(line, '#', len);

	if (comment != NULL)
		len = (size_t)(comment - line);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	return len;
}

/* What stands after the domain. */
static enum maptext_status
parse_rest(struct line *l, struct map_entry *e)
{
	const char *start = l->rest.p, *message;

	e->kind = MAP_TARGETS;
	map_options_clear(&e->options);
	if (take_only_target(l, e))
		return MAPTEXT_ENTRY;
	if (cursor_skip_word(&l->rest, "-")) {
		e->kind = MAP_NEVER;
		cursor_skip_blanks(&l->rest);
		return l->rest.p == l->rest.end
			       ? MAPTEXT_ENTRY
			       : wrong(l, l->rest.p, "nothing can stand after \"-\"");
	}
	if (cursor_skip_word(&l->rest, MAP_WORD_SRV)) {
		if (e->mx)
			return wrong(
				l, start, "an entry for an MX needs targets or \"-\"");
		e->kind = MAP_SRV;
	} else if (parse_targets(l, e) != MAPTEXT_ENTRY) {
		return MAPTEXT_ERROR;
	}
	if ((message = map_options_parse(&l->rest, &e->options)) != NULL)
		return wrong(l, l->rest.p, message);
	return MAPTEXT_ENTRY;
}

enum maptext_status
maptext_parse(const char *text, size_t len, struct map_entry *e, struct map_error *err,
	struct onion_memo *memo)
{
	struct line l = {.start = text,
		.rest = {text, text + significant(text, len)},
		.error = err,
		.memo = memo};
	enum maptext_status st;

	cursor_skip_blanks(&l.rest);
	if (l.rest.p == l.rest.end)
		return MAPTEXT_EMPTY;
	e->targets.n = 0;
	if ((st = parse_domain(&l, e)) != MAPTEXT_ENTRY)
		return st;
	cursor_skip_blanks(&l.rest);
	return parse_rest(&l, e);
}

size_t
maptext_key(const struct map_entry *e, char out[MAP_KEY_MAX])
{
	size_t n = 0;

	if (e->mx) {
		n = strlen(MAP_KEY_MX);
		memcpy(out, MAP_KEY_MX, n);
	}
	if (e->below)
		out[n++] = '.';
	memcpy(out + n, e->domain.text, e->domain.len);
	return n + e->domain.len;
}

size_t
maptext_value(const struct map_entry *e, char out[MAP_VALUE_MAX])
{
	char *p = out;

	if (e->kind == MAP_NEVER) {
		*p++ = '-';
		return 1;
	}
	if (e->kind == MAP_SRV)
		p = stpcpy(p, MAP_WORD_SRV);
	for (uint8_t i = 0; i < e->targets.n; i++) {
		const struct target *t = &e->targets.target[i];

		if (i > 0) {
			*p++ = ',';
			*p++ = ' ';
		}
		memcpy(p, t->host, t->hostlen);
		p += t->hostlen;
		if (t->port != SMTP_PORT)
			p += sprintf(p, ":%u", (unsigned)t->port);
	}
	p += map_options_write(&e->options, p);
	return (size_t)(p - out);
}
