#include "statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"
#include "posix/replace.h"

bool
statefile_path(char out[STATEFILE_PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(out, STATEFILE_PATH_MAX, "%s/%s", dir, name);

	/* Room for ".tmp" as well. */
	if (n > 0 && n + 5 < STATEFILE_PATH_MAX)
		return true;
	log_errorx("state_dir %s: the path is too long", dir);
	return false;
}

static void
temporary(char out[STATEFILE_PATH_MAX], const char *path)
{
	snprintf(out, STATEFILE_PATH_MAX, "%.*s.tmp", STATEFILE_PATH_MAX - 5, path);
}

/* NULL on failure, errno is set. No link is followed, and no FIFO waited for. */
static FILE *
open_to_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	FILE *f = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else
		f = fdopen(fd, "r");
	if (f == NULL)
		close(fd);
	return f;
}

bool
statefile_read(const char *path, void (*line)(void *arg, const char *text, size_t len),
	void *arg)
{
	FILE *f = open_to_read(path);
	bool good;

	if (f == NULL)
		return errno == ENOENT;
	good = statefile_read_from(f, line, arg);
	fclose(f);
	return good;
}

bool
statefile_read_from(
	FILE *f, void (*line)(void *arg, const char *text, size_t len), void *arg)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&text, &size, f)) > 0) {
		if (text[n - 1] == '\n')
			n--;
		line(arg, text, (size_t)n);
	}
	free(text);
	return !ferror(f) && feof(f);
}

size_t
statefile_size(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (size_t)st.st_size;
}

bool
statefile_keep_old(const char *path, char old[STATEFILE_PATH_MAX])
{
	snprintf(old, STATEFILE_PATH_MAX, "%.*s.old", STATEFILE_PATH_MAX - 5, path);
	return (unlink(old) == 0 || errno == ENOENT) && link(path, old) == 0;
}

FILE *
statefile_create(const char *path)
{
	char name[STATEFILE_PATH_MAX];
	int fd;
	FILE *f;

	temporary(name, path);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return NULL;
	if ((f = fdopen(fd, "w")) == NULL)
		close(fd);
	return f;
}

static bool
replace(FILE *f, const char *from, const char *to, bool sync)
{
	enum replace_status st = REPLACE_FAILED;
	int dir, error;

	if (ferror(f) || fflush(f) != 0 || (dir = replace_open_dir(to)) < 0)
		return false;
	st = replace_file(
		dir, replace_base(from), replace_base(to), sync ? fileno(f) : -1);
	error = errno;
	close(dir);
	errno = error;
	return st != REPLACE_FAILED;
}

bool
statefile_commit(FILE *f, const char *path, bool sync)
{
	char name[STATEFILE_PATH_MAX];
	bool good;
	int error;

	temporary(name, path);
	good = replace(f, name, path, sync);
	error = errno;
	fclose(f);
	if (!good)
		unlink(name);
	errno = error;
	return good;
}

void
statefile_abandon(FILE *f, const char *path)
{
	char name[STATEFILE_PATH_MAX];
	const int error = errno;

	temporary(name, path);
	fclose(f);
	unlink(name);
	errno = error;
}
