#include "cdbfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORDS_AT_ONCE 65536

static const char not_whole[] = "damaged, or not a cdb file";

/* NULL if all is well; "" stands for errno. */
static const char *
load(int fd, struct cdbfile *c)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st) < 0)
		return "";
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	if (st.st_size < MAP_IMAGE_EMPTY || st.st_size > CDBFILE_SIZE_MAX)
		return not_whole;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return "";
	*c = (struct cdbfile){{data, (size_t)st.st_size}, data};
	if (map_image_is_whole(&c->image))
		return NULL;
	cdbfile_close(c);
	return not_whole;
}

bool
cdbfile_open(struct cdbfile *c, const char *path, const char **wrong)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error;

	*wrong = NULL;
	if (fd < 0)
		return false;
	*wrong = load(fd, c);
	error = errno;
	close(fd); /* the mapping stays */
	errno = error;
	if (*wrong == NULL)
		return true;
	if (**wrong == '\0')
		*wrong = NULL;
	return false;
}

void
cdbfile_close(struct cdbfile *c)
{
	munmap(c->memory, c->image.size);
}

const char *
cdbfile_check(const struct map_image *m)
{
	struct map_image_check *c = malloc(sizeof(*c));
	enum map_check_status st = MAP_CHECK_MORE;
	const char *wrong;

	if (c == NULL)
		return "can't be checked: out of memory";
	map_image_check_start(c, m);
	while (st == MAP_CHECK_MORE)
		st = map_image_check_more(c, RECORDS_AT_ONCE);
	wrong = c->wrong;
	free(c);
	return wrong;
}
