/* Pins on disk: a log of their lines (core/stored.h), of which the last one counts. */
#ifndef NET_PINFILE_H
#define NET_PINFILE_H

#include <stdbool.h>

#include "core/counters.h"
#include "core/pins.h"

struct pinfile;

/* Loads the pins of the file in this directory, and tidies it up. Damaged lines are left
 * out with a warning. NULL if it can't be read or written, logged: without what was
 * pinned every forged record would be a first use. dir, pins and counters must outlive
 * it. */
struct pinfile *pinfile_open(const char *dir, struct pins *, struct counters *);
void pinfile_close(struct pinfile *);

/* The pin of this domain has changed: appends it. A failure is logged once and counted;
 * the whole file is then written at the next change, if that is possible again. */
void pinfile_note(struct pinfile *, const struct domain *);

#endif
