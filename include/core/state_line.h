/* What is kept on disk, a line for each fact: that of the cache over a restart, and those
 * that are pinned. A line has a checksum of its own, so that damage costs no more than
 * the lines that it has hit.
 *
 *	cache SRV _onion-mx._tcp.example.org 1795612345 3600 + a 0 10 5 25 NAME.onion
 *	        0123456789abcdef (on the same line)
 */
#ifndef CORE_STATE_LINE_H
#define CORE_STATE_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dns_fact.h"
#include "core/domain.h"

enum state_line_kind {
	STATE_LINE_CACHE, /* when: its expiry */
	STATE_LINE_PIN,   /* when: since then it counts */
	STATE_LINE_HELD,  /* when: DNS last said that, instead of what is pinned */
};

struct state_line {
	enum state_line_kind kind;
	enum dns_type type;
	const char *prefix; /* labels that begin with an underscore; not NUL-terminated */
	size_t prefixlen;   /* with the last one's dot; 0: none, or at most
			       STATE_LINE_PREFIX_MAX */
	struct domain domain;
	int64_t when;    /* seconds of the wall clock, since 1970 */
	uint32_t ttl;    /* seconds; of a pin, the day of its last use, and of what is
			    held back, how long it has been (core/pins.h) */
	bool ad_unasked; /* whether it is validated wasn't asked */
	struct dns_fact fact; /* not a failure */
};

#define STATE_LINE_PREFIX_MAX 63

/* With its newline; no NUL. */
#define STATE_LINE_MAX (512 + TARGETS_MAX * (DOMAIN_MAX + sizeof(" 65535 65535 65535 ")))
size_t state_line_write(char out[STATE_LINE_MAX], const struct state_line *);

/* A line without its newline. False: damaged, or not such a line at all. Then nothing
 * counts; else all is as valid as if it came from DNS. The names are views of the line.
 */
bool state_line_read(const char *line, size_t len, struct state_line *);

#endif
