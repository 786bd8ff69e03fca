/* A file that takes the place of another at once and whole, or not at all; used by the
 * daemon for its state and by onionmap for its maps. */
#ifndef POSIX_REPLACE_H
#define POSIX_REPLACE_H

enum replace_status {
	REPLACE_DONE,
	REPLACE_UNSURE, /* in place, but maybe not after a power failure; errno tells */
	REPLACE_FAILED, /* the old file is still there; errno tells */
};

/* What follows the last slash of a path. */
const char *replace_base(const char *path);

/* A descriptor of the directory that a path is in, which the caller closes. -1: errno
 * tells. */
int replace_open_dir(const char *path);

/* Renames a file that is written to the name of the old one. Both names are in dir. fd:
 * the open file, which is brought to the disk before, and its name after that; -1: the
 * disk doesn't matter. */
enum replace_status replace_file(int dir, const char *from, const char *to, int fd);

#endif
