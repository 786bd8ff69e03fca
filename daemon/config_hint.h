/* What to say of a key that there isn't. */
#ifndef CONFIG_HINT_H
#define CONFIG_HINT_H

#include "config_table.h"

#define CONFIG_HINT_MAX 256

/* Writes a message about a name that is no key of this section: what it is called now,
 * where it belongs, or which key is nearest. */
void config_hint(
	const struct config_section *, const char *name, char message[CONFIG_HINT_MAX]);

#endif
