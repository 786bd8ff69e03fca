#include "cdbfile.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLES 256
#define SLOT 8

struct cdbfile {
	struct cdb cdb;
	unsigned next; /* of cdb_seqnext() */
};

/* The header names 256 tables, which follow the records without a gap and end the file
 * in every cdb: a file that was cut off or isn't one is found out here. */
static bool
is_whole(struct cdb *cdb, off_t size)
{
	const unsigned char *header = cdb_get(cdb, CDBFILE_SIZE_EMPTY, 0);
	uint64_t end;

	if (header == NULL || (end = cdb_unpack(header)) < CDBFILE_SIZE_EMPTY)
		return false;
	for (int i = 0; i < TABLES; i++, header += 8) {
		if (cdb_unpack(header) != end)
			return false;
		end += (uint64_t)cdb_unpack(header + 4) * SLOT;
	}
	return end == (uint64_t)size;
}

/* NULL if all is well; "" stands for errno. */
static const char *
load(int fd, struct cdb *cdb)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return "";
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_size < CDBFILE_SIZE_EMPTY || st.st_size > CDBFILE_SIZE_MAX)
		return "damaged, or not a cdb file";
	if (cdb_init(cdb, fd) < 0)
		return errno == EPROTO ? "damaged, or not a cdb file" : "";
	if (is_whole(cdb, st.st_size))
		return NULL;
	cdb_free(cdb);
	return "damaged, or not a cdb file";
}

static const char *
open_and_load(const char *path, struct cdb *cdb)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;
	const char *wrong;

	if (fd < 0)
		return "";
	wrong = load(fd, cdb);
	error = errno;
	close(fd); /* the mapping stays */
	errno = error;
	return wrong;
}

struct cdbfile *
cdbfile_open(const char *path, const char **wrong)
{
	struct cdbfile *c = calloc(1, sizeof(*c));

	*wrong = NULL;
	if (c == NULL)
		return NULL;
	if ((*wrong = open_and_load(path, &c->cdb)) == NULL) {
		cdb_seqinit(&c->next, &c->cdb);
		return c;
	}
	if (**wrong == '\0')
		*wrong = NULL;
	free(c);
	return NULL;
}

void
cdbfile_close(struct cdbfile *c)
{
	if (c == NULL)
		return;
	cdb_free(&c->cdb);
	free(c);
}

/* The record that tinycdb stands at. found: what its function has returned. */
static enum cdbfile_status
current(struct cdbfile *c, int found, struct cdbfile_record *r)
{
	if (found == 0)
		return CDBFILE_MISSING;
	if (found < 0)
		return CDBFILE_DAMAGED;
	r->position = cdb_keypos(&c->cdb);
	r->keylen = cdb_keylen(&c->cdb);
	r->len = cdb_datalen(&c->cdb);
	r->key = cdb_getkey(&c->cdb);
	r->value = cdb_getdata(&c->cdb);
	return r->key != NULL && r->value != NULL ? CDBFILE_FOUND : CDBFILE_DAMAGED;
}

enum cdbfile_status
cdbfile_find(struct cdbfile *c, const char *key, size_t keylen, struct cdbfile_record *r)
{
	return current(c, cdb_find(&c->cdb, key, (unsigned)keylen), r);
}

enum cdbfile_status
cdbfile_next(struct cdbfile *c, struct cdbfile_record *r)
{
	return current(c, cdb_seqnext(&c->next, &c->cdb), r);
}
