/* The text of a configuration file, for libconfuse. */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

/* Reads a file and turns its comments into blanks: libconfuse 3.3 counts the line of a
 * comment twice or more, and its messages would name the wrong line. NULL on failure,
 * with errno. Free it with free(). */
char *config_text_read(const char *path);

#endif
