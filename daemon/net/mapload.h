/* Loads a map in a thread of its own, so that no lookup waits for the disk or for the
 * check. It is the only thread beside the loop's: it has its own map_copy until it has
 * ended, and shares nothing with the loop but the wish to stop. */
#ifndef NET_MAPLOAD_H
#define NET_MAPLOAD_H

#include "mapcopy.h"
#include "net/loop.h"

struct map_load;

/* Takes over the copy, or frees it. Runs once, from the loop. */
typedef void map_load_done(void *arg, struct map_copy *);

/* path stays. NULL: it couldn't be started, errno tells. */
struct map_load *map_load_start(
	struct loop *, const char *path, size_t max, map_load_done *done, void *arg);

/* done doesn't run any more. Waits for the thread, which ends after a piece of its work.
 * NULL is legal. */
void map_load_cancel(struct map_load *);

#endif
