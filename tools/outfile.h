/* A file that takes the place of another at once and whole, or not at all.
 *
 * It is written under the name PATH.tmp and renamed at the end. A lock on it keeps two
 * processes apart; what a killed one has left behind is cleared away by the next. All
 * functions say on standard error what went wrong. */
#ifndef TOOLS_OUTFILE_H
#define TOOLS_OUTFILE_H

#include <stdbool.h>

struct outfile;

/* If path is a symbolic link, it stays, and the file that it names is replaced. */
struct outfile *outfile_new(const char *path);

int outfile_fd(const struct outfile *);

/* The name under which it is written. */
const char *outfile_name(const struct outfile *);

/* Gives it the mode and the owner of the file that it replaces, or 0644 less the umask;
 * it is on the disk under its name when this returns true. Frees it in any case. */
bool outfile_commit(struct outfile *);

/* Leaves the old file as it is. NULL is legal. */
void outfile_abandon(struct outfile *);

#endif
