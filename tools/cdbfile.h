/* cdb files, read and written: tinycdb behind an interface of our own. */
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

/* Reading */

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

/* Writing */

struct cdbfile_writer;

/* Writes from the beginning of fd, which remains the caller's. NULL: out of memory. */
struct cdbfile_writer *cdbfile_writer_new(int fd);

/* Doesn't look whether the key is there already. False: errno tells. */
bool cdbfile_writer_add(struct cdbfile_writer *, const char *key, size_t keylen,
	const char *value, size_t len);

/* Writes what is left and frees the writer, in any case. False: errno tells. */
bool cdbfile_writer_finish(struct cdbfile_writer *);

/* Frees it; the file is no cdb. */
void cdbfile_writer_abandon(struct cdbfile_writer *);

#endif
