#include "core/cursor.h"

#include <string.h>

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

/* Names are long, and memchr is faster than a loop over them. */
struct cursor
cursor_until(struct cursor *c, const char *characters)
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
	return cursor_until(c, " \t");
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
cursor_skip_word(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0 ||
		(c->p + len < c->end && !blank(c->p[len])))
		return false;
	c->p += len;
	return true;
}
