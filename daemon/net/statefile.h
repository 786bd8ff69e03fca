/* Text files that are read line by line, and replaced as a whole. */
#ifndef NET_STATEFILE_H
#define NET_STATEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define STATEFILE_PATH_MAX 4096

/* "DIR/NAME"; false if it is too long, logged. */
bool statefile_path(char out[STATEFILE_PATH_MAX], const char *dir, const char *name);

/* Calls line for each line, without its newline. False on failure, errno is set. A file
 * that isn't there is an empty one. */
bool statefile_read(const char *path,
	void (*line)(void *arg, const char *text, size_t len), void *arg);

/* A new file for the path, under another name, readable for its owner only. NULL on
 * failure, errno is set. */
FILE *statefile_create(const char *path);

/* Takes the place of what was there before, or, if anything has failed, leaves that.
 * False on failure, errno is set. sync: not before it is on the disk. */
bool statefile_commit(FILE *, const char *path, bool sync);

#endif
