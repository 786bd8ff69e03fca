/* cdb files: tinycdb behind an interface of our own. cdbwriter.h writes them. */
#ifndef TOOLS_CDBFILE_H
#define TOOLS_CDBFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All positions in a cdb are numbers of 32 bits. Tests build with less. */
#ifndef CDBFILE_SIZE_MAX
#define CDBFILE_SIZE_MAX UINT32_MAX
#endif

/* What a file without records takes, and what a record adds to it. */
#define CDBFILE_SIZE_EMPTY 2048
#define CDBFILE_SIZE_RECORD(keylen, len) (8 + (keylen) + (len) + 16)

struct cdbfile;

struct cdbfile_record {
	uint32_t position;
	const char *key; /* views of the file, valid until it is closed */
	size_t keylen;
	const char *value;
	size_t len;
};

enum cdbfile_status {
	CDBFILE_FOUND,
	CDBFILE_MISSING, /* or no record is left */
	CDBFILE_DAMAGED,
};

/* Checks that the file is whole, not its records. NULL: *wrong says why, or is NULL
 * if errno does. */
struct cdbfile *cdbfile_open(const char *path, const char **wrong);
void cdbfile_close(struct cdbfile *);

/* The first record with this key: the one that every reader finds. */
enum cdbfile_status cdbfile_find(
	struct cdbfile *, const char *key, size_t keylen, struct cdbfile_record *);

/* The records as they stand in the file, one at each call. */
enum cdbfile_status cdbfile_next(struct cdbfile *, struct cdbfile_record *);

#endif
