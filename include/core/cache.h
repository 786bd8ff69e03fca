/* What DNS said: SRV records, or their proven absence, by domain. Fixed capacity;
 * when it is full the entry that has gone unused for longest makes room. */
#ifndef CORE_CACHE_H
#define CORE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/monotime.h"
#include "core/siphash.h"
#include "core/srv.h"

struct cache;

enum cache_status {
	CACHE_MISS,
	CACHE_HIT,
};

/* NULL if out of memory. capacity is in entries, at least 1. */
struct cache *cache_new(size_t capacity, struct siphash_key);
void cache_free(struct cache *);

/* On a hit the set (empty: proven absence) has views of the entry's names; they are
 * valid until the next cache_put(). An entry is a miss from its expiry on; it stays in
 * its place until it is replaced or evicted. */
enum cache_status cache_get(
	struct cache *, const struct domain *, struct monotime now, struct srv_set *);

/* Copies the set. Replaces what is there; returns true if another domain's entry was
 * evicted for it. Out of memory only means that nothing is remembered. */
bool cache_put(struct cache *, const struct domain *, const struct srv_set *,
	struct monotime expires);

size_t cache_entries(const struct cache *);

#endif
