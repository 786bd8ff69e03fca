/* The keys of a compiled map: "example.org", ".example.org" for all names below it, and
 * the same behind "mx:" for domains whose mail server has such a name. */
#ifndef CORE_MAP_KEY_H
#define CORE_MAP_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/domain.h"

#define MAP_KEY_MX "mx:"
#define MAP_KEY_MAX (DOMAIN_MAX + 1 + sizeof(MAP_KEY_MX) - 1) /* bytes, no NUL */

/* Is it a key that an entry can have? */
bool map_key_valid(const char *key, size_t len);

/* The keys under which a name is looked for, in their order: the exact name, then its
 * parents with their dot, the longest first. */
struct map_key {
	const char *key; /* a view of the domain, or of the buffer; not NUL-terminated */
	size_t len;
	bool is_exact; /* it is the first */

	/* What is left, for map_key_next(). */
	const char *prefix, *name, *end;
	size_t prefixlen;
	char buffer[MAP_KEY_MAX];
};

/* prefix: "" or MAP_KEY_MX. Both must stay. No key is set yet. */
void map_key_start(struct map_key *key, const char *prefix, const struct domain *domain);

/* Sets the next key. False: there is none left. */
bool map_key_next(struct map_key *key);

#endif
