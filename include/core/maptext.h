/* Static maps as people write them: one line is one entry.
 *
 *	example.org    NAME.onion:2525, NAME2.onion   # in this order
 *	.example.org   NAME.onion                     # every name below example.org
 *	intern.example -                              # never over Tor
 *	example.net    srv dnssec=require             # as DNS says, with options
 *	mx:mx.host.example NAME.onion                 # domains whose MX that is
 */
#ifndef CORE_MAPTEXT_H
#define CORE_MAPTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/map_key.h"
#include "core/map_options.h"
#include "core/onion.h"
#include "core/target.h"

enum map_kind {
	MAP_TARGETS,
	MAP_NEVER, /* "-" */
	MAP_SRV,   /* "srv" */
};

/* A valid entry: the domain in canonical form, every onion name checked. It can't be
 * copied: the hosts of its targets are its names. */
struct map_entry {
	struct domain domain;
	bool below; /* written with a leading dot */
	bool mx;    /* written with "mx:": domains whose mail server has this name */
	enum map_kind kind;
	struct map_options options;
	struct target_set targets; /* only for MAP_TARGETS */
	char name[TARGETS_MAX][DOMAIN_MAX];
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

/* Parses a line, without its newline; a carriage return before it is dropped. The memo
 * may be NULL. */
enum maptext_status maptext_parse(const char *line, size_t len, struct map_entry *,
	struct map_error *, struct onion_memo *);

/* The key of an entry (core/map_key.h): the domain with what stands before it in the
 * text, "mx:" or a dot. Returns its length, without a NUL. */
size_t maptext_key(const struct map_entry *entry, char out[MAP_KEY_MAX]);

/* The value of an entry: "-", "srv" or the targets with port 25 left out,
 * "A.onion, B.onion:2525", and then the options. Returns its length, without a NUL. */
#define MAP_VALUE_MAX (TARGETS_MAX * (DOMAIN_MAX + sizeof(":65535, ")) + MAP_OPTIONS_MAX)
size_t maptext_value(const struct map_entry *entry, char out[MAP_VALUE_MAX]);

#endif
