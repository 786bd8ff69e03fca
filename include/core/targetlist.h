/* The text of a route, in maps: "NAME.onion, NAME2.onion:2525". */
#ifndef CORE_TARGETLIST_H
#define CORE_TARGETLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A span of text that shrinks from the front. */
struct cursor {
	const char *p;
	const char *end;
};

void cursor_skip_blanks(struct cursor *);

/* Takes the longest run of bytes that aren't blank; len 0 at the end. */
struct cursor cursor_word(struct cursor *);

/* The same, behind one blank, if there is one. */
struct cursor cursor_next_word(struct cursor *);

size_t cursor_len(struct cursor);
bool cursor_is(struct cursor, const char *text);

/* Takes this word, if it is what stands there. */
bool cursor_take_word(struct cursor *, const char *word);

/* Takes one target and the comma after it. host: as written, not checked, not
 * lower-cased, not empty. port: 25 if none is written. Returns NULL, or what is wrong;
 * the cursor then stands where it is wrong. *more tells whether a comma promises another;
 * if not, what is left are options (core/policy.h). */
const char *targetlist_next(
	struct cursor *text, struct cursor *host, uint16_t *port, bool *more);

#endif
