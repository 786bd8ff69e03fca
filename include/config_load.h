/* Loads the configuration from its file. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include <stdbool.h>

#include "config.h"

/* Reads a file. NULL if anything is wrong with it. Each fault has been printed to
 * standard error as FILE:LINE:COLUMN: message, without a place if that is a default; so
 * has, as a warning, each key that has no effect. Free it with config_free(). */
struct config *config_load(const char *path);

/* The same, and looks at what the configuration names on this system: directories, the
 * map. True if all is well. */
bool config_load_test(const char *path);

#endif
