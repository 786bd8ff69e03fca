/* The assembled daemon. */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

#include "config.h"

struct daemon;

/* Loads the map and opens the listeners: all that can be wrong with the set-up is found
 * here, before the process goes to the background. NULL on failure, logged, with
 * nothing left behind. */
struct daemon *daemon_open(const struct config *);

/* Serves until it is told to end. False if it couldn't begin, logged. */
bool daemon_run(struct daemon *);

void daemon_close(struct daemon *);

#endif
