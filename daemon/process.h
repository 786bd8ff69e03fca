/* The rights of the process: its user, and who may look into its memory. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>

#include "config.h"

/* What is in memory is in no core file, and other processes of the user can't read it. */
void process_keep_secret(void);

/* May it run as the user who has started it, or change to the one of the configuration?
 * False is logged. Opens and changes nothing. */
bool process_may_start(const struct config *config);

/* Becomes that user for ever, if root has started it. Once all is open that needs root.
 * False on failure, logged. */
bool process_change_user(const struct config *config);

#endif
