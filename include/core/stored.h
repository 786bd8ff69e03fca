/* What is kept on disk, a line for each fact: that of the cache over a restart, and those
 * that are pinned. A line has a checksum of its own, so that damage costs no more than
 *the lines that it has hit.
 *
 *	cache SRV _onion-mx._tcp.example.org 1795612345 3600 + a 0 10 5 25 NAME.onion
 *	        0123456789abcdef (on the same line)
 */
#ifndef CORE_STORED_H
#define CORE_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/fact.h"

enum stored_kind {
	STORED_CACHE, /* when: its expiry */
	STORED_PIN,   /* when: since then it counts */
	STORED_HELD,  /* when: DNS last said that, instead of what is pinned */
};

struct stored {
	enum stored_kind kind;
	enum dns_type type;
	const char *prefix; /* labels that begin with an underscore; not NUL-terminated */
	size_t prefixlen;   /* with the last one's dot; 0: none, or at most
			       STORED_PREFIX_MAX */
	struct domain domain;
	int64_t when;     /* seconds of the wall clock, since 1970 */
	uint32_t ttl;     /* seconds; of a pin, the day of its last use, and of what is
			     held back, how long it has been (core/pins.h) */
	bool ad_unasked;  /* whether it is validated wasn't asked */
	struct fact fact; /* not a failure */
};

#define STORED_PREFIX_MAX 63

/* With its newline; no NUL. */
#define STORED_MAX (512 + TARGETS_MAX * (DOMAIN_MAX + sizeof(" 65535 65535 65535 ")))
size_t stored_write(char out[STORED_MAX], const struct stored *);

/* A line without its newline. False: damaged, or not such a line at all. Then nothing
 * counts; else all is as valid as if it came from DNS. The names are views of the line.
 */
bool stored_read(const char *line, size_t len, struct stored *);

#endif
