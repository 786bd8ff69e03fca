/* What the configuration names on this system. */
#ifndef CONFIG_SYSTEM_H
#define CONFIG_SYSTEM_H

#include "config_file.h"

/* Prints each directory that is missing or unsafe, and what is wrong with the map.
 * Nothing is changed, so a daemon that runs doesn't notice. */
void config_system_check(struct config_file *);

#endif
