/* The cache of DNS answers over a restart: a file of its lines (core/state_line.h), read
 * at the start, written every now and then and at the end. */
#ifndef NET_CACHEFILE_H
#define NET_CACHEFILE_H

#include <stdbool.h>

#include "core/counters.h"
#include "flow/lookup.h"
#include "net/loop.h"
#include "net/signals.h"

struct cachefile;

struct cachefile_config {
	const char *dir; /* kept by the caller */
	int save_s;      /* how often, in seconds */
	const char
		*srv_prefix; /* likewise; the names that DNS is asked for begin with it */
	bool ask_ad;         /* DNS is asked for the AD bit */
	struct loop *loop;
	struct signals *signals;
	struct engine *engine;
	struct counters *counters;
};

/* Puts into the engine's cache what the file has: lines that are damaged or have expired
 * are left out, and a file that can't be read is no more than a warning. NULL: out of
 * memory, logged. */
struct cachefile *cachefile_open(const struct cachefile_config *);

/* A child writes the file, so that a slow disk holds up nobody. */
bool cachefile_start(struct cachefile *);

/* Writes it once more, itself, and forgets it. */
void cachefile_close(struct cachefile *);

#endif
