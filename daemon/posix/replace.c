#include "posix/replace.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *
replace_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

int
replace_open_dir(const char *path)
{
	const char *base = replace_base(path);
	char *name;
	int fd;

	if (base == path)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if ((name = strndup(path, (size_t)(base - path))) == NULL)
		return -1;
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(name);
	return fd;
}

enum replace_status
replace_file(int dir, const char *from, const char *to, int fd)
{
	if (fd >= 0 && fsync(fd) < 0)
		return REPLACE_FAILED;
	if (renameat(dir, from, dir, to) < 0)
		return REPLACE_FAILED;
	return fd < 0 || fsync(dir) == 0 ? REPLACE_DONE : REPLACE_UNSURE;
}
