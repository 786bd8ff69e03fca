/* The quotas of a table with a limit: whoever fills one leaves room for the others.
 *
 * A route of the map may take any place. Routes from DNS take at most half of the table,
 * and recipients at .onion names, which anybody can make up, a quarter; so a quarter is
 * left for the map at any time. Of the quota of DNS the names below one domain of two
 * labels (a.example, x.a.example, ...) take at most a quarter, and those below one of
 * three labels a sixteenth. */
#ifndef CORE_QUOTAS_H
#define CORE_QUOTAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/siphash.h"

enum quota {
	QUOTA_DNS,
	QUOTA_ONION,
	QUOTA_MAP,
	QUOTAS,
};

/* How full a quota is; the limits of a quota are those of its places and of its bytes. */
struct quotas {
	size_t max;       /* places of the whole table */
	size_t place_max; /* bytes that a place takes on average, at most */
	size_t count[QUOTAS];
	size_t bytes[QUOTAS];
};

/* The places that a quota can have. */
size_t quotas_limit(const struct quotas *quotas, enum quota quota);

/* Is there room for one more, of this size in bytes? */
bool quotas_have_room(const struct quotas *quotas, enum quota quota, size_t size);

void quotas_add(struct quotas *quotas, enum quota quota, size_t size);
void quotas_remove(struct quotas *quotas, enum quota quota, size_t size);

/* How full the quota is, or, for that of the map, the table: in percent. */
unsigned quotas_percent(const struct quotas *quotas, enum quota quota);

/* The domains of two and of three labels that a name belongs to, hashed. 0: none. */
struct parents {
	uint64_t two, three;
};

/* How many places the names below each domain have. */
struct parent_counts;

/* max: the places of the quota. NULL: out of memory. */
struct parent_counts *parent_counts_new(size_t max);
void parent_counts_free(struct parent_counts *counts);

/* The parents of a name (lower case, no dot at the end). */
struct parents parents_of(const struct siphash_key *key, const char *name, size_t len);

/* Has one of them as many places as it may have? */
bool parents_are_full(const struct parent_counts *counts, const struct parents *parents);

/* False: out of memory, and nothing is counted. */
bool parents_add(struct parent_counts *counts, const struct parents *parents);

/* Takes back what parents_add() has counted. */
void parents_remove(struct parent_counts *counts, const struct parents *parents);

#endif
