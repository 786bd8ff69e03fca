#include "core/targetlist.h"

#include "core/route.h"

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

struct cursor
cursor_word(struct cursor *c)
{
	struct cursor word = {c->p, c->p};

	while (c->p < c->end && !blank(*c->p))
		c->p++;
	word.end = c->p;
	return word;
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
targetlist_next(struct cursor *c, struct targetlist_item *item, bool *more)
{
	*more = false;
	cursor_skip_blanks(c);
	item->host = c->p;
	while (c->p < c->end && !blank(*c->p) && *c->p != ':' && *c->p != ',')
		c->p++;
	item->hostlen = (size_t)(c->p - item->host);
	if (item->hostlen == 0)
		return "an onion name is missing";
	item->port = SMTP_PORT;
	if (c->p < c->end && *c->p == ':') {
		c->p++;
		if (!take_port(c, &item->port))
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
