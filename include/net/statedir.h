/* The directory for what outlives a restart. */
#ifndef NET_STATEDIR_H
#define NET_STATEDIR_H

#include <stdbool.h>

/* Can nobody but this process's user, and root, change what is in it? False is logged.
 * One that isn't there, or can't be looked at, is safe: whoever needs it will say so. */
bool statedir_is_safe(const char *dir);

#endif
