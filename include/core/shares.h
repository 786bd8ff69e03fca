/* The places of a table that strangers can fill. Half of them belong to whoever came
 * first. When the table is full, somebody who holds one of the other half makes room for
 * a newcomer:
 *
 * - whoever has waited longest of those of the user, or of the client, that holds most
 *   places, if the newcomer's holds fewer; or of the zone that holds most, if that is
 * more than a zone's share;
 * - else whoever has waited longest, and for SHARES_WAIT_MS at least.
 *
 * Nobody makes room for a user or a client that holds more than his own. */
#ifndef CORE_SHARES_H
#define CORE_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/monotime.h"
#include "core/siphash.h"

#define SHARES_WAIT_MS 200

enum share_kind {
	SHARE_USER,
	SHARE_CLIENT,
	SHARE_ZONE,
	SHARE_KINDS,
};

/* Whose a place is. A key is any number that stands for its user, client or zone. */
struct share_keys {
	uint64_t key[SHARE_KINDS];
};

/* The key of the zone of a name: of its last two labels. What is a zone nobody can tell
 * from the name; where strangers' domains have three labels, these share one. */
uint64_t shares_zone(const struct siphash_key *, const char *name);

struct share;
struct shares;

/* A place, embedded in whatever holds it; all zeros is one that isn't taken. */
struct share_place {
	TAILQ_ENTRY(share_place) entry[SHARE_KINDS];
	struct share *share[SHARE_KINDS]; /* NULL: it is of those that came first */
	struct monotime since;
	bool taken;
};

/* A table of max places, at least 1. NULL: out of memory. */
struct shares *shares_new(size_t max);

/* The places are forgotten. Legal for NULL. */
void shares_free(struct shares *shares);

bool shares_full(const struct shares *shares);

/* Takes a place; the table may not be full. False: out of memory. */
bool shares_take(struct shares *shares, struct share_place *place,
	const struct share_keys *keys, struct monotime now);

/* Legal for a place that isn't taken. */
void shares_leave(struct shares *shares, struct share_place *place);

/* Who makes room for a newcomer with these keys, as the table is full; NULL: nobody. The
 * caller ends what holds the place, by shares_leave() too. */
struct share_place *shares_make_room(
	const struct shares *shares, const struct share_keys *keys, struct monotime now);

#endif
