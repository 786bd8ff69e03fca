/* Routes that DNS gave, remembered at their first use. A forged record can't lead mail
 * away from where it went before: a change is used only when it has lasted for a while,
 * or DNSSEC has validated it, or the operator has accepted it. */
#ifndef CORE_PINS_H
#define CORE_PINS_H

#include <stddef.h>
#include <stdint.h>

#include "core/dns_fact.h"
#include "core/domain.h"
#include "core/parents.h"
#include "core/siphash.h"
#include "core/state_line.h"

struct pins;

/* A pin that no lookup has used for so many days gives its place to another domain when
 * max are there; not one of which a change is held back. */
#define PINS_UNUSED_DAYS 180

/* The day of the last use that is on disk may be so much older. */
#define PINS_LAG_DAYS 30

/* The hold of a change passes only as DNS says the same again: from one time to the next
 * at most one part of it, so that it was seen so many times after the first. */
#define PINS_HOLD_PARTS 4

struct pins_config {
	size_t max; /* domains, of which the names below one have a part (core/parents.h);
		       of more than these nothing is remembered */
	int64_t hold_s; /* how long a change must last */
	struct siphash_key key;
};

/* What became of what DNS says. */
enum pin_verdict {
	PIN_NONE,     /* nothing is pinned */
	PIN_SAME,     /* as pinned */
	PIN_CHANGED,  /* held back from now on: a change that is new */
	PIN_HELD,     /* still held back */
	PIN_RETURNED, /* DNS says what is pinned again; nothing is held back any more */
	PIN_RENEWED,  /* what DNS says is what is pinned now, or nothing is any more */
};

/* NULL if out of memory. */
struct pins *pins_new(const struct pins_config *);
void pins_free(struct pins *);

/* Compares what DNS says of a domain's SRV, which isn't a failure, with what is pinned,
 * targets as a set: priorities and weights may change. If that is held back, *use is set
 * to what is pinned, a view until the next call that changes something. Changes nothing.
 * wall: seconds since 1970. */
enum pin_verdict pins_judge(const struct pins *pins, const struct domain *domain,
	const struct dns_fact *srv, int64_t wall, struct target_set *use);

/* Notes what pins_judge() has found, with the same arguments. Returns whether that has
 * changed something that is to be written to the disk; without memory for it nothing is
 * changed, and the next verdict is the same. */
bool pins_note(struct pins *pins, const struct domain *domain, const struct dns_fact *srv,
	enum pin_verdict verdict, int64_t wall);

/* Drops a pin that has gone unused, if max are there. False: none has; else *gone is its
 * domain, whose change is to be written to the disk. */
bool pins_make_room(struct pins *pins, int64_t wall, struct domain *gone);

/* Pins the targets of a domain that has none. False: no place is left for it, or no
 * memory. */
bool pins_add(
	struct pins *, const struct domain *, const struct dns_fact *, int64_t wall);

/* Makes what is held back the domain's pin. False: nothing is. */
bool pins_accept(struct pins *, const struct domain *, int64_t wall);

size_t pins_count(const struct pins *);

/* Days since 1970, of a wall clock in seconds. */
uint32_t pins_day(int64_t wall);

/* Disk: pins_walk() calls each for a domain's pin, and for what is held back after it, in
 * the order of their last use. The same lines, later ones over earlier ones, read back
 * with pins_load() make the same pins. A domain that lost its pin is a STATE_LINE_PIN
 * without records. A STATE_LINE_HELD was last seen at its when, as its ttl, in seconds,
 * had passed of its hold. The ttl of a STATE_LINE_PIN is the day of its last use; if that
 * isn't known, 0, or is to come, it counts as today. */
typedef void pins_each(void *arg, const struct state_line *);
void pins_walk(struct pins *, pins_each *, void *arg);
void pins_walk_domain(struct pins *, const struct domain *, pins_each *, void *arg);

enum pins_loaded {
	PINS_LOADED,
	PINS_LEFT_OUT,  /* the line isn't one of pins, or max are there */
	PINS_NO_MEMORY, /* what is pinned would be lost */
};
enum pins_loaded pins_load(struct pins *, const struct state_line *, uint32_t today);

#endif
