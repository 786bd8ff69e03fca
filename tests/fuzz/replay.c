/* Runs a fuzz target over the files of directories, without libFuzzer: for other
 * compilers, for valgrind, and for the tests.
 *
 * usage: replay_NAME DIRECTORY... */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static void
replay_file(int fd, const char *name)
{
	struct stat st;
	uint8_t *data;

	if (fstat(fd, &st) != 0)
		err(1, "%s", name);
	data = fuzz_alloc((size_t)st.st_size);
	if (read(fd, data, (size_t)st.st_size) != (ssize_t)st.st_size)
		err(1, "%s", name);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
}

static unsigned
replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	if (dir == NULL)
		err(1, "%s", path);
	while ((entry = readdir(dir)) != NULL) {
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		/* If it aborts, this is the last line. */
		printf("%s/%s\n", path, entry->d_name);
		fflush(stdout);
		if ((fd = openat(dirfd(dir), entry->d_name, O_RDONLY)) < 0)
			err(1, "%s", entry->d_name);
		replay_file(fd, entry->d_name);
		close(fd);
		n++;
	}
	closedir(dir);
	return n;
}

int
main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++)
		n += replay_directory(argv[i]);
	printf("%u files\n", n);
	return n > 0 ? 0 : 1;
}
