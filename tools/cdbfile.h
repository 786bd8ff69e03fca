/* Compiled maps, as files. cdbwriter.h writes them. */
#ifndef TOOLS_CDBFILE_H
#define TOOLS_CDBFILE_H

#include "core/mapimage.h"

/* Tests build with less. */
#ifndef CDBFILE_SIZE_MAX
#define CDBFILE_SIZE_MAX MAP_IMAGE_MAX
#endif

struct cdbfile {
	struct map_image image;
	void *memory; /* the same, for cdbfile_close() */
};

/* Maps the file into memory and checks that it is whole, not its records. False: *wrong
 * says why, or is NULL if errno does. */
bool cdbfile_open(struct cdbfile *, const char *path, const char **wrong);
void cdbfile_close(struct cdbfile *);

/* The complete check. Returns what is wrong, or NULL. */
const char *cdbfile_check(const struct map_image *);

#endif
