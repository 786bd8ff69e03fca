/* The steps of a decision in words, for whoever asks why. Everywhere a trail may be NULL:
 * then nobody asks. */
#ifndef CORE_TRAIL_H
#define CORE_TRAIL_H

#include <stddef.h>

#define TRAIL_MAX (16 * 1024)

struct trail {
	size_t len;
	char text[TRAIL_MAX]; /* lines; a last one that doesn't fit is left out */
};

/* Adds a line that isn't there yet; the newline is added, too. What is put in is
 * printable: validated names, numbers and our own words. It is evaluated only if somebody
 * asks. */
#define trail_add(trail, ...)                                                            \
	((trail) == NULL ? (void)0 : trail_write(trail, __VA_ARGS__))
__attribute__((format(printf, 2, 3))) void trail_write(
	struct trail *, const char *format, ...);

#endif
