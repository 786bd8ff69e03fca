/* The addresses of the bridge: a loopback address of its own for each set of targets.
 * Mail servers keep an answer for days, and remember what they think of an address, so an
 * address is given to another set only when nobody has used it for reuse_days; it is kept
 * on disk together with the day of its last use. A new address follows from what it
 * stands for and from a secret, so that it tells nobody on this machine what was asked
 * for.
 *
 * Names below one onion lead to the same service, so they are one: what stands before
 * NAME.onion is left out. */
#ifndef CORE_ADDRESSBOOK_H
#define CORE_ADDRESSBOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/policy.h"
#include "core/quotas.h"
#include "core/route.h"
#include "core/sealed.h"
#include "core/siphash.h"

/* The day that is on disk may be so much older than the last use. */
#define ADDRESSBOOK_LAG_DAYS 2

/* Memory that an address takes on average, at most, in bytes: a route with more targets
 * than usual takes the place of several. A set of one target takes about 170, with what
 * is kept of its parents. */
#define ADDRESSBOOK_PLACE 512

struct addressbook;

struct addressbook_config {
	uint32_t net;    /* host byte order */
	unsigned prefix; /* bits of the net, 8 to 30 */
	size_t max;      /* addresses; not more than the net has */
	uint32_t reuse_days;
	struct siphash_key
		key; /* the secret; the same in each run, or new addresses differ */
};

/* What an address stands for. Days count from 1970 on; 0: not known. */
struct way {
	uint32_t ipv4;          /* host byte order */
	uint32_t day;           /* of its last use */
	enum quota quota;       /* that it takes a place of */
	struct parents parents; /* of the domain that asked first, for QUOTA_DNS */
	struct domain domain;   /* it is only for this one; len 0: for all */
	struct tls_policy tls;
	struct route route; /* in the order in which to try the targets; no addresses */
};

enum addressbook_status {
	ADDRESSBOOK_FOUND,
	ADDRESSBOOK_MOVED, /* found; it is of the map's quota now, which is to be kept */
	ADDRESSBOOK_NEW,
	ADDRESSBOOK_FULL,
	ADDRESSBOOK_NOMEM,
};

/* Makes a way's names those of the onions, and leaves out what is twice among them. */
void way_make_plain(struct way *);

/* NULL: out of memory. */
struct addressbook *addressbook_new(const struct addressbook_config *);
void addressbook_free(struct addressbook *);

/* The address for a way; its ipv4 is set, and its day to that of the last use before, if
 * it was found. It becomes a plain one. The order of its targets is what makes no
 * difference: it is remembered for addressbook_get(). today is the day of this use. */
enum addressbook_status addressbook_assign(
	struct addressbook *, struct way *, uint32_t today);

/* Takes back what was assigned a moment ago, and that nobody has heard of. */
void addressbook_forget(struct addressbook *, uint32_t ipv4);

/* False: nothing has this address. The way's names are views, valid until the next change
 * of the book. */
bool addressbook_get(const struct addressbook *, uint32_t ipv4, struct way *);

/* Notes a use of an address that is there; returns the day of the one before. */
uint32_t addressbook_use(struct addressbook *, uint32_t ipv4, uint32_t today);

/* All addresses count as used on that day at least. */
void addressbook_use_all(struct addressbook *, uint32_t day);

/* The last day on which any address was used; 0: there is none. */
uint32_t addressbook_newest(const struct addressbook *);

/* A number of the caller's for an address that is there; 0 at first. */
uint64_t *addressbook_mark(struct addressbook *, uint32_t ipv4);

size_t addressbook_count(const struct addressbook *);
const struct quotas *addressbook_quotas(const struct addressbook *);

/* In the order of their last use, for each quota. */
void addressbook_walk(const struct addressbook *,
	void (*each)(void *arg, const struct way *), void *arg);

/* Lines of text. An address, the day and quota, the parents of QUOTA_DNS, the domain or
 * "-", the TLS policy or "-", and the targets; that an address was used; that all were:
 *
 *	address 127.42.3.4 20785 dns:0123456789abcdef:0 - - NAME.onion:25 N2.onion:26 SEAL
 *	used 127.42.3.4 20786 SEAL
 *	all-used 20786 SEAL
 *
 * An address without day and quota, as older versions wrote it, can be read:
 *
 *	bridge 127.42.3.4 - - NAME.onion:25 SEAL
 *
 * The writers return the length, with the newline and without the NUL behind it. */
#define WAY_LINE_MAX                                                                     \
	(128 + DOMAIN_MAX + TLS_POLICY_MAX +                                             \
		ROUTE_MAX * (DOMAIN_MAX + sizeof(" :65535")) + SEAL_LEN)
size_t way_write(char out[WAY_LINE_MAX], const struct way *);

#define WAY_USED_MAX (64 + SEAL_LEN)
size_t way_write_used(char out[WAY_USED_MAX], uint32_t ipv4, uint32_t day);
size_t way_write_all_used(char out[WAY_USED_MAX], uint32_t day);

enum way_line {
	WAY_DAMAGED, /* or no such line */
	WAY_ADDRESS,
	WAY_OLD,      /* an address; its day is 0 */
	WAY_USED,     /* only ipv4 and day are set */
	WAY_ALL_USED, /* only day */
};

/* A line without its newline. The names are views. */
enum way_line way_read(const char *line, size_t len, struct way *);

enum addressbook_loaded {
	ADDRESSBOOK_LOADED,
	ADDRESSBOOK_LOADED_OLD, /* without a day; see addressbook_use_all() */
	ADDRESSBOOK_OUTSIDE,    /* not of the net */
	ADDRESSBOOK_LOST,       /* there is no memory for it */
	ADDRESSBOOK_DAMAGED,
};

/* Reads a line back; of two for an address the later counts, and of old ones the first.
 * No day is later than today. It may make more than max addresses: there is room for new
 * ones when enough of them have expired. */
enum addressbook_loaded addressbook_load(
	struct addressbook *, const char *line, size_t len, uint32_t today);

#endif
