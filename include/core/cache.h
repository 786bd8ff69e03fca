/* What DNS has said, by record type and domain, and what it was asked in vain. Bounded in
 * entries and in bytes; when it is full the entry that has gone unused for longest makes
 * room. */
#ifndef CORE_CACHE_H
#define CORE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "core/dns_fact.h"
#include "core/domain.h"
#include "core/monotime.h"
#include "core/siphash.h"

#define CACHE_FAILURE_MAX 300 /* seconds, RFC 9520 section 3.2 */

struct cache;

struct cache_config {
	size_t entries;   /* at least 1 */
	size_t bytes;     /* of the entries; at least one is kept whatever its size */
	uint32_t stale_s; /* how long records may be of use after their expiry (RFC 8767)
			   */
	uint32_t failure_s; /* how long a failure is remembered (RFC 9520); 0: it isn't */
	struct siphash_key key;
};

enum cache_status {
	CACHE_MISS,
	CACHE_FRESH,
	CACHE_STALE, /* expired records, for use while DNS fails */
};

/* Fresh or stale, fact is set, and its names are views of the entry, valid until the next
 * cache_put() or cache_fail(). */
struct cached {
	struct dns_fact fact;
	uint32_t ttl; /* seconds from the answer to its expiry */
	struct monotime expires;
	enum reason failing; /* it was asked in vain a moment ago: no use to ask again;
				else REASON_NONE. Set for a miss, too. */
};

/* NULL if out of memory. */
struct cache *cache_new(const struct cache_config *);
void cache_free(struct cache *);

enum cache_status cache_get(struct cache *, enum dns_type, const struct domain *,
	struct monotime now, struct cached *);

/* Copies a fact, which isn't a failure, and replaces what is there. With ttl 0 it is only
 * forgotten what was there. Returns how many other entries were evicted. Out of memory
 * only means that nothing is remembered. */
unsigned cache_put(struct cache *, enum dns_type, const struct domain *,
	const struct dns_fact *, uint32_t ttl, struct monotime now);

/* Remembers a failure beside what is there, if anything: for failure_s, and twice as long
 * each time that it fails again, up to eight times and CACHE_FAILURE_MAX. Returns as
 * cache_put(). */
unsigned cache_fail(struct cache *, enum dns_type, const struct domain *, enum reason,
	struct monotime now);

/* Puts back what an earlier cache had, if it is still of use and nothing newer is there.
 * Only fact, ttl and expires count. Returns as cache_put(). */
unsigned cache_restore(struct cache *, enum dns_type, const struct domain *,
	const struct cached *, struct monotime now);

/* The generation of the map that had no entry for a name, kept with what is known of the
 * name, if anything, until that is replaced. 0: none. */
void cache_set_map_generation(
	struct cache *, enum dns_type, const struct domain *, uint32_t map_generation);
uint32_t cache_map_generation(struct cache *, enum dns_type, const struct domain *);

size_t cache_entries(const struct cache *);
size_t cache_bytes(const struct cache *);

/* Calls each for every entry that isn't a mere failure, the least recently used first.
 * The cache may not change meanwhile. */
typedef void cache_each(
	void *arg, enum dns_type, const struct domain *, const struct cached *);
void cache_walk(struct cache *, cache_each *each, void *arg);

#endif
