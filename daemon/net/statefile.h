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
 * that isn't there is an empty one; a link, or what isn't a regular file, is an error. */
bool statefile_read(const char *path,
	void (*line)(void *arg, const char *text, size_t len), void *arg);

/* The same from an open file, which stays open. */
bool statefile_read_from(
	FILE *f, void (*line)(void *arg, const char *text, size_t len), void *arg);

/* Bytes of the file at the path; 0: there is none. */
size_t statefile_size(const char *path);

/* Gives the file a second name, "PATH.old", so that what replaces it loses nothing. The
 * name is returned. False on failure, errno is set. */
bool statefile_keep_old(const char *path, char old[STATEFILE_PATH_MAX]);

/* A new file for the path, under another name, readable for its owner only. NULL on
 * failure, errno is set. */
FILE *statefile_create(const char *path);

/* Takes the place of what was there before, or, if anything has failed, leaves that.
 * False on failure, errno is set. sync: not before it is on the disk. */
bool statefile_commit(FILE *, const char *path, bool sync);

/* Leaves what was there before; errno stays. */
void statefile_abandon(FILE *, const char *path);

#endif
