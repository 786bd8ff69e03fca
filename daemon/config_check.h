/* What only shows when the whole configuration is read. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config_file.h"

/* Prints keys that contradict one another and listeners at one address, and, when there
 * is no fault, warns of keys that have no effect. */
void config_check(struct config_file *);

#endif
