/* How many places of a table the names below one domain may have: below a domain of two
 * labels (a.example, x.a.example, ...) a quarter of them, below one of three labels a
 * sixteenth. */
#ifndef CORE_PARENTS_H
#define CORE_PARENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/siphash.h"

/* The domains of two and of three labels that a name belongs to, hashed. 0: none. */
struct parents {
	uint64_t two, three;
};

/* How many places the names below each domain have. */
struct parents_counts;

/* max: the places of the quota. NULL: out of memory. */
struct parents_counts *parents_counts_new(size_t max);
void parents_counts_free(struct parents_counts *counts);

/* The parents of a name (lower case, no dot at the end). */
struct parents parents_of(const struct siphash_key *key, const char *name, size_t len);

/* Has one of them as many places as it may have? */
bool parents_are_full(const struct parents_counts *counts, const struct parents *parents);

/* False: out of memory, and nothing is counted. */
bool parents_add(struct parents_counts *counts, const struct parents *parents);

/* Takes back what parents_add() has counted. */
void parents_remove(struct parents_counts *counts, const struct parents *parents);

#endif
