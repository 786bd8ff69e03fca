/* Writes a cdb file in a thread of its own, while the caller reads and checks on. The
 * last record is the checksum of all others (core/mapsum.h).
 *
 *	w = cdbwriter_new(fd);
 *	cdbwriter_add(w, ...), again and again
 *	cdbwriter_end(w);             the rest is written meanwhile
 *	cdbwriter_finish(w);          and waited for here
 */
#ifndef TOOLS_CDBWRITER_H
#define TOOLS_CDBWRITER_H

#include <stdbool.h>
#include <stddef.h>

struct cdbwriter;

/* Writes from the beginning of fd, which remains the caller's and must stay open. NULL:
 * errno tells. */
struct cdbwriter *cdbwriter_new(int fd);

/* Copies both, which are of at most MAP_KEY_MAX and MAP_VALUE_MAX bytes. Doesn't look
 * whether the key is there already. False: this or an earlier one couldn't be written;
 * errno tells. */
bool cdbwriter_add(struct cdbwriter *, const char *key, size_t keylen, const char *value,
	size_t len);

/* No record comes any more. */
void cdbwriter_end(struct cdbwriter *);

/* Waits until all is written and frees the writer, in any case. False: errno tells. */
bool cdbwriter_finish(struct cdbwriter *);

/* Frees it; the file is no cdb. NULL is legal. */
void cdbwriter_abandon(struct cdbwriter *);

#endif
