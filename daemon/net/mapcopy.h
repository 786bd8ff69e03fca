/* A copy of a compiled map in memory of our own, read through: what happens to the file
 * afterwards can't harm it. */
#ifndef NET_MAPCOPY_H
#define NET_MAPCOPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "core/mapimage.h"

/* What tells one state of a file from the next. All zeros: no file. */
struct map_identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
};

struct map_copy {
	struct map_image image;
	void *memory;           /* of the image; NULL: there is none */
	struct map_identity id; /* of what was looked at, good or bad */
	uint64_t entries;
	bool has_sum;
	const char *wrong; /* NULL: all is well; "": error tells; static */
	int error;         /* an errno, or 0 */
	bool transient;    /* it may be well the next time, though the file is the same */
};

/* Opens, copies and checks the file, which has at most max bytes. Waits up to 20 ms for a
 * file that has just changed, and begins again if it changes meanwhile. It logs nothing
 * and may run in a thread; when stop (may be NULL) is set, it gives up soon. */
void map_copy_read(
	struct map_copy *, const char *path, size_t max, const atomic_bool *stop);
void map_copy_free(struct map_copy *);

/* Frees up to max bytes, a multiple of a page, of a copy that isn't used any more: to
 * free a large one at once takes longer than a lookup. False: nothing is left. */
bool map_copy_free_some(struct map_copy *, size_t max);

/* What the path names at this moment. */
struct map_identity map_copy_identity(const char *path);
bool map_copy_same(const struct map_identity *, const struct map_identity *);

#endif
