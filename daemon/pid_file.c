#include "pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"

bool
pid_file_open(struct pid_file *f, const char *path)
{
	struct stat st;

	*f = (struct pid_file){.path = path, .fd = -1};
	if (path == NULL)
		return true;
	if (unlink(path) == 0 || errno == ENOENT)
		f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd >= 0 && fchmod(f->fd, 0644) == 0 && fstat(f->fd, &st) == 0) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		return true;
	}
	log_error("%s", path);
	pid_file_close(f);
	return false;
}

bool
pid_file_write(const struct pid_file *f)
{
	if (f->path == NULL || dprintf(f->fd, "%ld\n", (long)getpid()) > 0)
		return true;
	log_error("%s", f->path);
	return false;
}

void
pid_file_close(struct pid_file *f)
{
	struct stat st;

	if (f->fd < 0)
		return;
	if (lstat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino &&
		unlink(f->path) < 0)
		(void)!ftruncate(f->fd, 0);
	close(f->fd);
	f->fd = -1;
}
