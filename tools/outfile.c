#include "outfile.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix/replace.h"

#define TRIES 10 /* others come and go between two steps */

struct outfile {
	char *path;
	char *temporary; /* path of it */
	const char *base, *temporary_base;
	int dir, fd;
};

/* What to replace, in new memory; NULL if errno tells. */
static char *
target_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
		return realpath(path, NULL);
	return strdup(path);
}

/* Looks at the file to be replaced; *exists tells if there is one. */
static bool
stat_old(const struct outfile *o, struct stat *st, bool *exists)
{
	*exists = fstatat(o->dir, o->base, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*exists && errno != ENOENT) {
		warn("%s", o->path);
		return false;
	}
	if (*exists && !S_ISREG(st->st_mode)) {
		warnx("%s: not a regular file", o->path);
		return false;
	}
	return true;
}

static bool
named(const struct outfile *o, const char *path)
{
	struct stat st;
	bool exists;

	if (*o->base == '\0') {
		errno = EISDIR;
		warn("%s", path);
		return false;
	}
	if (o->dir < 0) {
		warn("%s", path);
		return false;
	}
	return stat_old(o, &st, &exists);
}

/* The temporary file */

enum attempt {
	ATTEMPT_DONE,
	ATTEMPT_AGAIN,
	ATTEMPT_FAILED,
};

/* Is the file that fd holds the one of this name, and nothing but a file? */
static bool
holds_name(const struct outfile *o, int fd)
{
	struct stat held, named_so;

	return fstat(fd, &held) == 0 && S_ISREG(held.st_mode) &&
	       fstatat(o->dir, o->temporary_base, &named_so, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named_so.st_dev && held.st_ino == named_so.st_ino;
}

/* Only the holder of the lock renames or removes the file. Between opening and locking
 * it, another may have done that. */
static enum attempt
lock(const struct outfile *o, int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			warnx("%s: another process is writing it", o->temporary);
		else
			warn("%s: can't lock it", o->temporary);
		return ATTEMPT_FAILED;
	}
	return holds_name(o, fd) ? ATTEMPT_DONE : ATTEMPT_AGAIN;
}

/* What a dead process has left is removed rather than written to: it may belong to
 * someone else, have a second name, or be open somewhere. */
static enum attempt
clear_away(const struct outfile *o)
{
	int fd = openat(
		o->dir, o->temporary_base, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	enum attempt a;

	if (fd < 0) {
		if (errno == ENOENT)
			return ATTEMPT_AGAIN;
		warn("%s is in the way", o->temporary);
		return ATTEMPT_FAILED;
	}
	a = lock(o, fd);
	if (a == ATTEMPT_DONE && unlinkat(o->dir, o->temporary_base, 0) < 0) {
		warn("%s", o->temporary);
		a = ATTEMPT_FAILED;
	}
	close(fd);
	return a == ATTEMPT_DONE ? ATTEMPT_AGAIN : a;
}

static enum attempt
create(struct outfile *o)
{
	enum attempt a;

	o->fd = openat(o->dir, o->temporary_base,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (o->fd < 0 && errno == EEXIST)
		return clear_away(o);
	if (o->fd < 0) {
		warn("%s", o->temporary);
		return ATTEMPT_FAILED;
	}
	if ((a = lock(o, o->fd)) != ATTEMPT_DONE) {
		close(o->fd);
		o->fd = -1;
	}
	return a;
}

static bool
create_locked(struct outfile *o)
{
	for (int i = 0; i < TRIES; i++) {
		enum attempt a = create(o);

		if (a != ATTEMPT_AGAIN)
			return a == ATTEMPT_DONE;
	}
	warnx("%s is in the way", o->temporary);
	return false;
}

static void
outfile_free(struct outfile *o)
{
	if (o->fd >= 0)
		close(o->fd);
	if (o->dir >= 0)
		close(o->dir);
	free(o->temporary);
	free(o->path);
	free(o);
}

struct outfile *
outfile_new(const char *path)
{
	struct outfile *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		warn("%s", path);
		return NULL;
	}
	o->dir = o->fd = -1;
	o->path = target_of(path);
	if (o->path == NULL || asprintf(&o->temporary, "%s.tmp", o->path) < 0) {
		warn("%s", path);
		o->temporary = NULL;
		outfile_free(o);
		return NULL;
	}
	o->base = replace_base(o->path);
	o->temporary_base = replace_base(o->temporary);
	o->dir = replace_open_dir(o->path);
	if (named(o, path) && create_locked(o))
		return o;
	outfile_free(o);
	return NULL;
}

int
outfile_fd(const struct outfile *o)
{
	return o->fd;
}

const char *
outfile_name(const struct outfile *o)
{
	return o->temporary;
}

static mode_t
new_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0644 & ~mask;
}

/* The owner comes first: changing it may take bits off the mode. */
static bool
keep_mode_and_owner(const struct outfile *o)
{
	struct stat old, new;
	bool exists;

	if (!stat_old(o, &old, &exists))
		return false;
	if (fstat(o->fd, &new) < 0) {
		warn("%s", o->temporary);
		return false;
	}
	if (exists && (old.st_uid != new.st_uid || old.st_gid != new.st_gid) &&
		fchown(o->fd, old.st_uid, old.st_gid) < 0) {
		warn("can't keep the owner and group of %s", o->path);
		return false;
	}
	if (fchmod(o->fd, exists ? old.st_mode & 07777 : new_mode()) < 0) {
		warn("can't set the mode of %s", o->temporary);
		return false;
	}
	return true;
}

bool
outfile_commit(struct outfile *o)
{
	enum replace_status st = REPLACE_FAILED;

	if (keep_mode_and_owner(o)) {
		st = replace_file(o->dir, o->temporary_base, o->base, o->fd);
		if (st == REPLACE_FAILED)
			warn("%s", o->path);
	}
	if (st == REPLACE_FAILED) {
		outfile_abandon(o);
		return false;
	}
	if (st == REPLACE_UNSURE)
		warn("%s is in place, but may not survive a power failure", o->path);
	outfile_free(o);
	return st == REPLACE_DONE;
}

void
outfile_abandon(struct outfile *o)
{
	if (o == NULL)
		return;
	if (holds_name(o, o->fd))
		unlinkat(o->dir, o->temporary_base, 0);
	outfile_free(o);
}
