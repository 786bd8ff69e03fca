/* Targets as text, in maps and in the file of the bridge: "NAME.onion, NAME2.onion:2525".
 */
#ifndef CORE_TARGET_TEXT_H
#define CORE_TARGET_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cursor.h"

/* Reads one target and the comma after it. host: as written, not checked, not
 * lower-cased, not empty. port: 25 if none is written. Returns NULL, or what is wrong:
 * static text; the cursor then stands where it is wrong. *more tells whether a comma
 * promises another target; if not, what is left are options (core/map_options.h). */
const char *target_text_next(
	struct cursor *text, struct cursor *host, uint16_t *port, bool *more);

#endif
