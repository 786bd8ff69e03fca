/* A span of text that is read from its front. */
#ifndef CORE_CURSOR_H
#define CORE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>

/* The text isn't NUL-terminated and belongs to the caller. Blanks are spaces and tabs. */
struct cursor {
	const char *p;
	const char *end;
};

size_t cursor_len(struct cursor);
bool cursor_is(struct cursor, const char *text);

void cursor_skip_blanks(struct cursor *);

/* Reads up to the first of these characters, which are few, or to the end. */
struct cursor cursor_until(struct cursor *, const char *characters);

/* Reads up to the next blank; len 0 at the end. */
struct cursor cursor_word(struct cursor *);

/* The same, behind one space, if there is one. */
struct cursor cursor_next_word(struct cursor *);

/* Reads this word. False: another stands there, and nothing is read. */
bool cursor_skip_word(struct cursor *, const char *word);

#endif
