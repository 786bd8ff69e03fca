#include "core/target_text.h"

#include "core/target.h"

/* 1 to 65535, without sign or leading zero. */
static bool
read_port(struct cursor *c, uint16_t *port)
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
target_text_next(struct cursor *c, struct cursor *host, uint16_t *port, bool *more)
{
	*more = false;
	cursor_skip_blanks(c);
	*host = cursor_until(c, " \t:,");
	if (cursor_len(*host) == 0)
		return "an onion name is missing";
	*port = SMTP_PORT;
	if (c->p < c->end && *c->p == ':') {
		c->p++;
		if (!read_port(c, port))
			return "a port is a number from 1 to 65535";
	}
	if (c->p < c->end && *c->p != ' ' && *c->p != '\t' && *c->p != ',')
		return "expected a comma, a blank or the end of the line";
	cursor_skip_blanks(c);
	*more = c->p < c->end && *c->p == ',';
	if (*more)
		c->p++;
	return NULL;
}
