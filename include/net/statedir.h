/* The directory for what outlives a restart. */
#ifndef NET_STATEDIR_H
#define NET_STATEDIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STATEDIR_ANY_USER UINT32_MAX /* nobody's uid: chown(2) */
#define STATEDIR_WRONG 128           /* bytes of what is wrong */

/* What lets others than this user, and root, change what is in it; with STATEDIR_ANY_USER
 * whoever owns it. NULL: nothing, or it isn't there or can't be looked at. */
const char *statedir_wrong(const char *dir, uid_t user, char text[STATEDIR_WRONG]);

/* Can nobody but this process's user, and root, change what is in it? False is logged.
 * One that isn't there, or can't be looked at, is safe: whoever needs it will say so. */
bool statedir_is_safe(const char *dir);

#endif
