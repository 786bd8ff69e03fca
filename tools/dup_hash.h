/* Finds out which lines may have the same key, at eight bytes a line: a keyed hash of
 * each key is kept, and where two are equal somebody has to look (dup_report.c). */
#ifndef TOOLS_DUP_HASH_H
#define TOOLS_DUP_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dup_hash;

/* A line whose hash is that of another. */
struct suspect {
	uint32_t line;
	uint32_t first; /* the first line with this hash, itself maybe */
};

/* NULL: errno tells. */
struct dup_hash *dup_hash_new(void);
void dup_hash_free(struct dup_hash *);

/* Lines come in rising order, from 1; those without a key are left out. False: out of
 * memory. */
bool dup_hash_add(struct dup_hash *, uint32_t line, const char *key, size_t keylen);

/* The suspects by line, in memory that the caller frees (NULL if *n is 0). Forgets all
 * that was added. False: out of memory. */
bool dup_hash_suspects(struct dup_hash *, struct suspect **, size_t *n);

#endif
