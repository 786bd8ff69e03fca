/* The value of an entry in a compiled map. The map may come from any tool that
 * writes a cdb, so it is checked like every other input. */
#ifndef CORE_MAPREC_H
#define CORE_MAPREC_H

#include <stddef.h>

#include "core/map_options.h"
#include "core/onion.h"
#include "core/target.h"

/* In place of targets: what DNS says. */
#define MAP_WORD_SRV "srv"

enum maprec_status {
	MAPREC_ROUTE,
	MAPREC_NONE, /* "-": never over Tor */
	MAPREC_SRV,  /* as DNS says, with options */
	MAPREC_BAD,
};

/* The route's names are views of the value. Takes what maptext_value() writes, and the
 * targets of a map's line as they are, as long as the names are in lower case. The memo
 * may be NULL. */
enum maprec_status maprec_parse(const char *value, size_t len, struct target_set *,
	struct map_options *, struct onion_memo *);

/* The same for a value that maprec_parse() has taken before: the onion names are
 * believed. Of any other value it may make a route to a name that is none. */
enum maprec_status maprec_parse_checked(
	const char *value, size_t len, struct target_set *, struct map_options *);

#endif
