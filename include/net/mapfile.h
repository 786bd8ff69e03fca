/* The compiled static map: a cdb file, mapped into memory, replaced under our feet. */
#ifndef NET_MAPFILE_H
#define NET_MAPFILE_H

#include <stdbool.h>

#include "core/counters.h"
#include "flow/sources.h"
#include "net/loop.h"

struct mapfile;

/* Loads the map. NULL if that fails, logged. path and counters must outlive it. */
struct mapfile *mapfile_open(const char *path, struct counters *);
void mapfile_free(struct mapfile *);

/* Looks for a new file about once a second. A new one that is missing or damaged
 * leaves the old one in force, and is logged and counted once. If the file in force
 * itself is damaged, every key is MAP_BROKEN until a whole one takes its place. */
bool mapfile_watch(struct mapfile *, struct loop *);

/* Loads it anew, changed or not. */
void mapfile_reload(struct mapfile *);

struct map_source *mapfile_source(struct mapfile *);

#endif
