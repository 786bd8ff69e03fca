/* Pins on disk: a log of their lines (core/state_line.h), of which the last one counts.
 */
#ifndef NET_PINFILE_H
#define NET_PINFILE_H

#include <stdbool.h>

#include "core/counters.h"
#include "core/pins.h"
#include "net/loop.h"

struct pinfile;

struct pinfile_config {
	struct loop *loop;
	const char *dir;
	struct pins *pins;
	struct pins_config pins_config; /* that they were made with */
	struct counters *counters;
	int64_t wall; /* the time now, seconds since 1970 */
};

/* Loads the pins of the file in this directory, and tidies it up. Damaged lines are left
 * out with a warning. NULL if it can't be read, logged: without what was pinned every
 * forged record would be a first use. If it can't be written, that is a warning. dir,
 * pins and counters must outlive it. */
struct pinfile *pinfile_open(const struct pinfile_config *config);
void pinfile_close(struct pinfile *);

/* The pin of this domain has changed: a thread appends it. A failure is logged and
 * counted; what changed is tried again each second. */
void pinfile_note(struct pinfile *, const struct domain *);

/* Can more changes wait until they are on the disk? */
bool pinfile_has_room(struct pinfile *);

#endif
