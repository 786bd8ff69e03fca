/* The onion names for which tor has given an address. It keeps each for as long as it
 * lives, in a range that can be full, so there is a limit to them. What tor has forgotten
 * by a restart doesn't count: it shows when a name gets another address than before. */
#ifndef FLOW_TOR_NAMES_H
#define FLOW_TOR_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/parents.h"
#include "core/quotas.h"
#include "core/siphash.h"

struct tor_names;

/* Whose quota a new name takes a place of. */
struct tor_asker {
	enum quota quota;
	struct parents parents; /* of the domain, for QUOTA_DNS */
};

/* max: names in all. nearly_full runs once when a quota has become so, until tor has been
 * restarted; it may be NULL. NULL: out of memory. */
struct tor_names *tor_names_new(size_t max, const struct siphash_key *key,
	void (*nearly_full)(void *arg, unsigned percent), void *arg);
void tor_names_free(struct tor_names *names);

/* May tor be asked for the name? It may if it was before, or if the asker has room. */
bool tor_names_may_ask(
	const struct tor_names *names, const char *name, const struct tor_asker *asker);

/* Tor has given this address, in host byte order. */
void tor_names_answered(struct tor_names *names, const char *name, uint32_t ipv4);

/* The name takes a place of the asker, if it took nobody's before. */
void tor_names_own(
	struct tor_names *names, const char *name, const struct tor_asker *asker);

/* A name that was answered, to find out whether tor was restarted. NULL: none was. */
const char *tor_names_any(const struct tor_names *names);

#endif
