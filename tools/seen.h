/* Finds out which lines may have the same key, at eight bytes a line: a keyed hash of
 * each key is kept, and where two are equal somebody has to look (repeats.c). */
#ifndef TOOLS_SEEN_H
#define TOOLS_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen;

/* A line whose hash is that of another. */
struct suspect {
	uint32_t line;
	uint32_t first; /* the first line with this hash, itself maybe */
};

/* NULL: errno tells. */
struct seen *seen_new(void);
void seen_free(struct seen *);

/* Lines come in rising order, from 1; those without a key are left out. False: out of
 * memory. */
bool seen_add(struct seen *, uint32_t line, const char *key, size_t keylen);

/* The suspects by line, in memory that the caller frees (NULL if *n is 0). Forgets all
 * that was added. False: out of memory. */
bool seen_suspects(struct seen *, struct suspect **, size_t *n);

#endif
