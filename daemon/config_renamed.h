/* The keys of the configuration that have had another name. */
#ifndef CONFIG_RENAMED_H
#define CONFIG_RENAMED_H

/* The name that a key has now; NULL: the key has never been one. */
const char *config_renamed(const char *key);

#endif
