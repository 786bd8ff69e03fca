/* The steps of a decision in words, for "onionmap explain". In all functions the
 * explanation may be NULL: then nobody has asked for one. */
#ifndef CORE_EXPLAIN_H
#define CORE_EXPLAIN_H

#include <stddef.h>

#define EXPLAIN_MAX (16 * 1024) /* bytes */

/* All zeros: no step yet. */
struct explain {
	size_t len;
	char text[EXPLAIN_MAX]; /* lines; a last one that doesn't fit is left out */
};

/* Adds a line unless it is there already. The newline is added, and what isn't printable
 * ASCII becomes "?". The arguments are evaluated only if somebody has asked. */
#define explain_add(explain, ...)                                                        \
	((explain) == NULL ? (void)0 : explain_write(explain, __VA_ARGS__))
__attribute__((format(printf, 2, 3))) void explain_write(
	struct explain *explain, const char *format, ...);

#endif
