/* Has a file put on the disk while it is being written, by a thread of its own, so that
 * fsync(2) has little left to do. It is a start and no more: whether all is on the disk,
 * and what went wrong, only fsync() tells. */
#ifndef TOOLS_FLUSHER_H
#define TOOLS_FLUSHER_H

#include <stdint.h>

struct flusher;

/* fd remains the caller's and must stay open. NULL: errno tells. */
struct flusher *flusher_new(int fd);

/* So many bytes have been written, without gaps, give or take FLUSHER_SLACK. */
#define FLUSHER_SLACK (1024 * 1024)
void flusher_written(struct flusher *, uint64_t bytes);

/* Ends it, whatever is left. NULL is legal. */
void flusher_free(struct flusher *);

#endif
