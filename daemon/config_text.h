/* The text of a configuration file. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include <stddef.h>

/* Reads a file of at most 1 MiB. A NUL stands behind its *len bytes. NULL on failure,
 * with errno. Free it with free(). */
char *config_text_read(const char *path, size_t *len);

#endif
