#include "core/trail.h"

#include <stdarg.h>
#include <stdio.h>

void
trail_add(struct trail *t, const char *format, ...)
{
	size_t room;
	va_list args;
	int n;

	if (t == NULL)
		return;
	room = sizeof(t->text) - t->len;
	va_start(args, format);
	n = vsnprintf(t->text + t->len, room, format, args);
	va_end(args);
	/* Room for the newline as well, in the place of the NUL. */
	if (n < 0 || (size_t)n >= room)
		return;
	t->len += (size_t)n;
	t->text[t->len++] = '\n';
}
