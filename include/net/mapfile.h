/* The compiled static map: a cdb file, copied into memory and checked. What happens to
 * the file can't harm the map that is in force. */
#ifndef NET_MAPFILE_H
#define NET_MAPFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/counters.h"
#include "flow/sources.h"
#include "net/loop.h"

struct mapfile;

/* Loads the map, of at most max bytes, and returns when it is in force. NULL if that
 * fails, logged. path and counters must outlive it. */
struct mapfile *mapfile_open(const char *path, size_t max, struct counters *);

/* May have to wait for a load that is under way, but not for its end. */
void mapfile_free(struct mapfile *);

/* Looks for a new file about once a second, and loads it beside the loop. Until that is
 * done, and if the file is missing or damaged, the old map stays in force; a failure is
 * logged and counted once. */
void mapfile_watch(struct mapfile *, struct loop *);

/* Loads it anew, changed or not. Only after mapfile_watch(). */
void mapfile_reload(struct mapfile *);

struct map_source *mapfile_source(struct mapfile *);

#endif
