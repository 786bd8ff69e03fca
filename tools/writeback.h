/* Has a file put on the disk while it is being written, by a thread of its own, so that
 * fsync(2) has little left to do. It is a start and no more: whether all is on the disk,
 * and what went wrong, only fsync() tells. */
#ifndef TOOLS_WRITEBACK_H
#define TOOLS_WRITEBACK_H

#include <stdint.h>

struct writeback;

/* fd remains the caller's and must stay open. NULL: errno tells. */
struct writeback *writeback_new(int fd);

/* So many bytes have been written, without gaps, give or take WRITEBACK_SLACK. */
#define WRITEBACK_SLACK (1024 * 1024)
void writeback_written(struct writeback *, uint64_t bytes);

/* Ends it, whatever is left. NULL is legal. */
void writeback_free(struct writeback *);

#endif
