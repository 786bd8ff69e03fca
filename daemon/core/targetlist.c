#include "core/targetlist.h"

#include <string.h>

#include "core/target.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

void
cursor_skip_blanks(struct cursor *c)
{
	while (c->p < c->end && blank(*c->p))
		c->p++;
}

/* What stands before the first of these characters, which are few: names are long, and
 * memchr is faster than a loop over them. */
static struct cursor
take_until(struct cursor *c, const char *characters)
{
	struct cursor taken = *c;

	for (; *characters != '\0'; characters++) {
		const char *p =
			memchr(taken.p, *characters, (size_t)(taken.end - taken.p));

		if (p != NULL)
			taken.end = p;
	}
	c->p = taken.end;
	return taken;
}

struct cursor
cursor_word(struct cursor *c)
{
	return take_until(c, " \t");
}

struct cursor
cursor_next_word(struct cursor *c)
{
	if (c->p < c->end && *c->p == ' ')
		c->p++;
	return cursor_word(c);
}

size_t
cursor_len(struct cursor c)
{
	return (size_t)(c.end - c.p);
}

bool
cursor_is(struct cursor c, const char *text)
{
	size_t len = strlen(text);

	return cursor_len(c) == len && memcmp(c.p, text, len) == 0;
}

bool
cursor_take_word(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0 ||
		(c->p + len < c->end && !blank(c->p[len])))
		return false;
	c->p += len;
	return true;
}

/* 1 to 65535, without sign or leading zero. */
static bool
take_port(struct cursor *c, uint16_t *port)
{
	const char *start = c->p;
	unsigned value = 0;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && value <= UINT16_MAX)
		value = value * 10 + (unsigned)(*c->p++ - '0');
	if (c->p == start || *start == '0' || value > UINT16_MAX) {
		c->p = start;
		return false;
	}
	*port = (uint16_t)value;
	return true;
}

const char *
targetlist_next(struct cursor *c, struct cursor *host, uint16_t *port, bool *more)
{
	*more = false;
	cursor_skip_blanks(c);
	*host = take_until(c, " \t:,");
	if (cursor_len(*host) == 0)
		return "an onion name is missing";
	*port = SMTP_PORT;
	if (c->p < c->end && *c->p == ':') {
		c->p++;
		if (!take_port(c, port))
			return "a port is a number from 1 to 65535";
	}
	if (c->p < c->end && !blank(*c->p) && *c->p != ',')
		return "expected a comma, a blank or the end of the line";
	cursor_skip_blanks(c);
	*more = c->p < c->end && *c->p == ',';
	if (*more)
		c->p++;
	return NULL;
}
