#include "core/explain.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Is this line there already? A decision is made anew with each answer, and what is said
 * again each time is said once. */
static bool
is_there(const struct explain *t, const char *line, size_t len)
{
	const char *p = t->text, *end = t->text + t->len;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		if ((size_t)(newline - p) == len && memcmp(p, line, len) == 0)
			return true;
		p = newline + 1;
	}
	return false;
}

/* The value of a map that another program has made can hold any byte, and a line is read
 * on a terminal. */
static void
make_printable(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = '?';
}

void
explain_write(struct explain *t, const char *format, ...)
{
	size_t room;
	va_list args;
	int n;

	room = sizeof(t->text) - t->len;
	va_start(args, format);
	n = vsnprintf(t->text + t->len, room, format, args);
	va_end(args);
	/* Room for the newline as well, in the place of the NUL. */
	if (n < 0 || (size_t)n >= room)
		return;
	make_printable(t->text + t->len, (size_t)n);
	if (is_there(t, t->text + t->len, (size_t)n))
		return;
	t->len += (size_t)n;
	t->text[t->len++] = '\n';
}
