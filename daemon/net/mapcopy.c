#include "mapcopy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 5

/* File systems keep time by the kernel's ticks, of up to 10 ms: two writes within one
 * leave the same time. A file is read only when its last change is longer ago, so that
 * any further change shows. */
#define SETTLED_NS 20000000

/* Between looks at whether to stop. */
#define READ_AT_ONCE ((size_t)1 << 20)
#define RECORDS_AT_ONCE 4096

static const char changed[] = "changed while it was read";
static const char stopped[] = "stopped";

static struct map_identity
identity(const struct stat *st)
{
	return (struct map_identity){
		st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

struct map_identity
map_copy_identity(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? identity(&st) : (struct map_identity){0};
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
map_copy_same(const struct map_identity *a, const struct map_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

static bool
fails(struct map_copy *c, const char *wrong)
{
	c->wrong = wrong;
	return false;
}

static bool
fails_by_errno(struct map_copy *c)
{
	c->error = errno;
	c->transient = errno != ENOENT;
	return fails(c, "");
}

static bool
fails_by_change(struct map_copy *c)
{
	c->transient = true;
	return fails(c, changed);
}

static bool
is_set(const atomic_bool *stop)
{
	return stop != NULL && atomic_load(stop);
}

/* How long until the last change is long enough ago. A file that has been replaced has
 * another ctime since, though nobody writes to it any more. A clock that has been set
 * back must not keep us waiting. */
static int64_t
unsettled_ns(const struct stat *st)
{
	const struct timespec *last = st->st_nlink == 0 ? &st->st_mtim : &st->st_ctim;
	struct timespec now;
	int64_t age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = ((int64_t)now.tv_sec - last->tv_sec) * 1000000000 + now.tv_nsec -
	      last->tv_nsec;
	return age >= 0 && age < SETTLED_NS ? SETTLED_NS - age : 0;
}

static bool
is_settled(struct map_copy *c, int fd, struct stat *st)
{
	struct timespec wait = {.tv_sec = 0};

	if (fstat(fd, st) < 0)
		return fails_by_errno(c);
	wait.tv_nsec = (long)unsettled_ns(st);
	if (wait.tv_nsec > 0) {
		nanosleep(&wait, NULL);
		if (fstat(fd, st) < 0)
			return fails_by_errno(c);
	}
	c->id = identity(st);
	return unsettled_ns(st) == 0 || fails_by_change(c);
}

static bool
has_good_size(struct map_copy *c, const struct stat *st, size_t max)
{
	if (!S_ISREG(st->st_mode))
		return fails(c, "not a regular file");
	if (st->st_size < MAP_IMAGE_EMPTY)
		return fails(c, "damaged: too short for a map");
	if ((uintmax_t)st->st_size > max)
		return fails(c, "larger than map_max_bytes");
	return true;
}

static bool
read_all(struct map_copy *c, int fd, char *data, size_t size, const atomic_bool *stop)
{
	for (size_t done = 0; done < size;) {
		const size_t left = size - done;
		ssize_t n =
			read(fd, data + done, left < READ_AT_ONCE ? left : READ_AT_ONCE);

		if (is_set(stop))
			return fails(c, stopped);
		if (n < 0 && errno != EINTR)
			return fails_by_errno(c);
		if (n == 0)
			return fails_by_change(c);
		if (n > 0)
			done += (size_t)n;
	}
	return true;
}

static bool
is_unchanged(struct map_copy *c, int fd)
{
	struct map_identity now;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fails_by_errno(c);
	now = identity(&st);
	if (st.st_nlink == 0) /* replaced meanwhile */
		now.ctime = c->id.ctime;
	return map_copy_same(&now, &c->id) || fails_by_change(c);
}

/* From here on nobody writes to it, we neither. */
static bool
copy(struct map_copy *c, int fd, size_t size, const atomic_bool *stop)
{
	void *data = mmap(
		NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return fails_by_errno(c);
	c->memory = data;
	c->image = (struct map_image){data, size};
	if (!read_all(c, fd, data, size, stop) || !is_unchanged(c, fd))
		return false;
	return mprotect(data, size, PROT_READ) == 0 || fails_by_errno(c);
}

static bool
is_good(struct map_copy *c, const atomic_bool *stop)
{
	struct map_image_check *check = malloc(sizeof(*check));
	enum map_check_status st = MAP_CHECK_MORE;

	if (check == NULL)
		return fails_by_errno(c);
	map_image_check_start(check, &c->image);
	while (st == MAP_CHECK_MORE && !is_set(stop))
		st = map_image_check_more(check, RECORDS_AT_ONCE);
	c->wrong = st == MAP_CHECK_MORE ? stopped : check->wrong;
	c->entries = check->sum.entries;
	c->has_sum = check->has_sum;
	free(check);
	return c->wrong == NULL;
}

static bool
read_fd(struct map_copy *c, int fd, size_t max, const atomic_bool *stop)
{
	struct stat st;

	return is_settled(c, fd, &st) && has_good_size(c, &st, max) &&
	       copy(c, fd, (size_t)st.st_size, stop) && is_good(c, stop);
}

static void
read_once(struct map_copy *c, const char *path, size_t max, const atomic_bool *stop)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	*c = (struct map_copy){.id = {0}};
	if (fd < 0) {
		fails_by_errno(c); /* a file that comes now differs from none */
		return;
	}
	if (!read_fd(c, fd, max, stop))
		map_copy_free(c);
	close(fd);
}

void
map_copy_read(struct map_copy *c, const char *path, size_t max, const atomic_bool *stop)
{
	for (int i = 0; i < TRIES; i++) {
		read_once(c, path, max, stop);
		if (c->wrong != changed || is_set(stop))
			break;
	}
}

void
map_copy_free(struct map_copy *c)
{
	if (c->memory != NULL)
		munmap(c->memory, c->image.size);
	c->memory = NULL;
}

bool
map_copy_free_some(struct map_copy *c, size_t max)
{
	const size_t size = c->image.size;
	size_t left;

	if (c->memory == NULL)
		return false;
	/* From the end; max is a multiple of a page. */
	left = (size - 1) / max * max;
	if (left == 0) {
		map_copy_free(c);
		return false;
	}
	munmap((char *)c->memory + left, size - left);
	c->image.size = left;
	return true;
}
