/* The options of a map entry, which stand behind its targets and hold for its domain
 * only: "on_failure=clearnet dnssec=require tls=secure:mx.example.org". */
#ifndef CORE_MAP_OPTIONS_H
#define CORE_MAP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cursor.h"
#include "core/tls_policy.h"

enum on_failure {
	ON_FAILURE_UNSET, /* as the configuration has it */
	ON_FAILURE_DEFER,
	ON_FAILURE_CLEARNET, /* TEMP becomes NONE: delivery before secrecy */
};

/* All zeros: nothing that isn't in the configuration. */
struct map_options {
	enum on_failure on_failure;
	bool dnssec_require; /* what DNS says counts only if it is validated */
	struct tls_policy tls;
};

/* Unsets all options. The rest of the room for a name, which is most of it, stays as it
 * is: a lookup does this each time. */
static inline void
map_options_clear(struct map_options *o)
{
	o->on_failure = ON_FAILURE_UNSET;
	o->dnssec_require = false;
	o->tls.level = TLS_UNSET;
	o->tls.name.len = 0;
	o->tls.name.text[0] = '\0';
}

/* Reads options up to the end of the text. Returns NULL, or what is wrong: static text;
 * the cursor then stands where it is wrong. */
const char *map_options_parse(struct cursor *text, struct map_options *options);

/* Writes them with a blank before each, and a NUL. Returns the length without it. */
#define MAP_OPTIONS_MAX                                                                  \
	(sizeof(" on_failure=clearnet dnssec=require tls=secure:") + DOMAIN_MAX)
size_t map_options_write(const struct map_options *options, char out[MAP_OPTIONS_MAX]);

/* The value of on_failure by its word. ON_FAILURE_UNSET: it is neither "defer" nor
 * "clearnet". */
enum on_failure map_options_on_failure(const char *word, size_t len);

#endif
