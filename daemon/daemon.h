/* The assembled daemon. */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>

#include "config.h"

struct daemon;

/* Loads the map and opens the listeners. NULL on failure, logged, with nothing left
 * behind. */
struct daemon *daemon_open(const struct config *);

/* Makes it ready to serve. False if it can't, logged. */
bool daemon_start(struct daemon *);

/* Serves until it is told to end. */
void daemon_run(struct daemon *);

void daemon_close(struct daemon *);

#endif
