/* The addresses of the bridge: a loopback address of its own for each set of targets.
 * Mail servers keep an answer for days, and remember what they think of an address, so an
 * address is given to another set only when nobody has used it for reuse_days; it is kept
 * on disk together with the day of its last use. A new address follows from what it
 * stands for and from a secret, so that it tells nobody on this machine what was asked
 * for.
 *
 * Names below one onion lead to the same service, so they are one: what stands before
 * NAME.onion is left out. */
#ifndef CORE_BRIDGE_TABLE_H
#define CORE_BRIDGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bridge_line.h"
#include "core/quotas.h"
#include "core/siphash.h"

/* The day that is on disk may be so much older than the last use. */
#define BRIDGE_TABLE_LAG_DAYS 2

/* Memory that an address takes on average, at most, in bytes: a route with more targets
 * than usual takes the place of several. A set of one target takes about 170, with what
 * is kept of its parents. */
#define BRIDGE_TABLE_PLACE 512

struct bridge_table;

struct bridge_table_config {
	uint32_t net;    /* host byte order */
	unsigned prefix; /* bits of the net, 8 to 30 */
	size_t max;      /* addresses; not more than the net has */
	uint32_t reuse_days;
	struct siphash_key
		key; /* the secret; the same in each run, or new addresses differ */
};

enum bridge_table_status {
	BRIDGE_TABLE_FOUND,
	BRIDGE_TABLE_MOVED, /* found; it is of the map's quota now, which is to be kept */
	BRIDGE_TABLE_NEW,
	BRIDGE_TABLE_FULL,
	BRIDGE_TABLE_NOMEM,
};

/* NULL: out of memory. */
struct bridge_table *bridge_table_new(const struct bridge_table_config *);
void bridge_table_free(struct bridge_table *);

/* Finds or makes the address for a line, which becomes a plain one. Its ipv4 is set, and
 * its day to that of the last use before, if it was found. The order of the targets makes
 * no difference, but is remembered for bridge_table_get(). today is the day of this use.
 */
enum bridge_table_status bridge_table_assign(
	struct bridge_table *, struct bridge_line *, uint32_t today);

/* Takes back what was assigned a moment ago, and that nobody has heard of. */
void bridge_table_forget(struct bridge_table *, uint32_t ipv4);

/* False: nothing has this address. The line's names are views, valid until the next
 * change of the table. */
bool bridge_table_get(const struct bridge_table *, uint32_t ipv4, struct bridge_line *);

/* Notes a use of an address that is there; returns the day of the one before. */
uint32_t bridge_table_use(struct bridge_table *, uint32_t ipv4, uint32_t today);

/* All addresses count as used on that day at least. */
void bridge_table_use_all(struct bridge_table *, uint32_t day);

/* The last day on which any address was used; 0: there is none. */
uint32_t bridge_table_newest(const struct bridge_table *);

/* A number of the caller's for an address that is there; 0 at first. */
uint64_t *bridge_table_mark(struct bridge_table *, uint32_t ipv4);

size_t bridge_table_count(const struct bridge_table *);
const struct quotas *bridge_table_quotas(const struct bridge_table *);

/* In the order of their last use, for each quota. */
void bridge_table_walk(const struct bridge_table *,
	void (*each)(void *arg, const struct bridge_line *), void *arg);

enum bridge_table_loaded {
	BRIDGE_TABLE_LOADED,
	BRIDGE_TABLE_LOADED_OLD, /* without a day; see bridge_table_use_all() */
	BRIDGE_TABLE_OUTSIDE,    /* not of the net */
	BRIDGE_TABLE_LOST,       /* there is no memory for it */
	BRIDGE_TABLE_DAMAGED,
};

/* Reads a line back; of two for an address the later counts, and of old ones the first.
 * No day is later than today. It may make more than max addresses: there is room for new
 * ones when enough of them have expired. */
enum bridge_table_loaded bridge_table_load(
	struct bridge_table *, const char *line, size_t len, uint32_t today);

#endif
