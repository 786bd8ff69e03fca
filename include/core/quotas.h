/* The quotas of a table with a limit: whoever fills one leaves room for the others.
 *
 * A route of the map may take any place. Routes from DNS take at most half of the table,
 * and recipients at .onion names, which anybody can make up, a quarter; so a quarter is
 * left for the map at any time. Of the quota of DNS the names below one domain have a
 * part (core/parents.h). */
#ifndef CORE_QUOTAS_H
#define CORE_QUOTAS_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
