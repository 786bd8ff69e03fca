/* Static maps as people write them: one line is one entry.
 *
 *	example.org    NAME.onion:2525, NAME2.onion   # in this order
 *	.example.org   NAME.onion                     # every name below example.org
 *	intern.example -                              # never over Tor
 */
#ifndef CORE_MAPTEXT_H
#define CORE_MAPTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/route.h"

struct map_target {
	uint8_t hostlen;
	uint16_t port;
	char host[DOMAIN_MAX + 1];
};

/* A valid entry: the domain in canonical form, every onion name checked. */
struct map_entry {
	struct domain domain;
	bool below; /* written with a leading dot */
	uint8_t n;  /* targets; 0: "-" */
	struct map_target target[ROUTE_MAX];
};

struct map_error {
	size_t column;       /* from 1, in bytes */
	const char *message; /* static */
};

enum maptext_status {
	MAPTEXT_EMPTY, /* nothing but blanks and a comment */
	MAPTEXT_ENTRY,
	MAPTEXT_ERROR,
	MAPTEXT_NOMEM,
};

/* Parses a line, without its newline; a carriage return before it is dropped. */
enum maptext_status maptext_parse(
	const char *line, size_t len, struct map_entry *, struct map_error *);

/* How an entry stands in the cdb: the key is the domain, with the dot if it has one;
 * the value is "-" or the targets with port 25 left out, "A.onion, B.onion:2525".
 * Both return the length; no NUL belongs to it. */
#define MAP_KEY_MAX (DOMAIN_MAX + 1)
#define MAP_VALUE_MAX (ROUTE_MAX * (DOMAIN_MAX + sizeof(":65535, ")))
size_t map_entry_key(const struct map_entry *, char out[MAP_KEY_MAX]);
size_t map_entry_value(const struct map_entry *, char out[MAP_VALUE_MAX]);

#endif
