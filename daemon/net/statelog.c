#include "statelog.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "statefile.h"
#include "thread.h"
#include "watch.h"

#define RETRY_S 1
#define EXCESS_MIN 1000 /* lines that don't count any more, and are left alone */

struct lines {
	char *text;
	size_t len, room;
	size_t count;
};

struct statelog {
	struct statelog_config config;
	pthread_t thread;
	struct watch watch;
	int news;      /* an eventfd: kept, or error, has changed */
	uint64_t told; /* of kept, to the caller */
	bool failing;  /* the caller was told so */

	pthread_mutex_t lock; /* of these */
	pthread_cond_t wake;
	struct lines queue;
	size_t waiting; /* bytes, those being written included */
	uint64_t latest, kept;
	unsigned failures; /* that the loop hasn't heard of */
	int error;
	bool stop;

	/* Of the thread alone: */
	struct lines batch;
	uint64_t batch_upto;
	int fd;        /* -1: not open yet */
	size_t size;   /* of the file, as far as it is good */
	bool torn;     /* that ends amid a line */
	size_t lines;  /* in it */
	size_t untidy; /* it is written anew when it has more lines */
};

/* Lines */

static bool
make_room(struct lines *l, size_t len)
{
	size_t room = l->room == 0 ? 4096 : l->room;
	char *text;

	while (room < l->len + len)
		room *= 2;
	if (room == l->room)
		return true;
	if ((text = realloc(l->text, room)) == NULL)
		return false;
	l->text = text;
	l->room = room;
	return true;
}

static void
clear(struct lines *l)
{
	free(l->text);
	*l = (struct lines){0};
}

/* The file; all of it in the thread */

static void
plan_to_tidy(struct statelog *l, size_t needed)
{
	l->untidy = 2 * needed + EXCESS_MIN;
}

static bool
ends_amid_a_line(int fd, size_t size)
{
	char last = '\n';

	return size > 0 && (pread(fd, &last, 1, (off_t)size - 1) != 1 || last != '\n');
}

static int
open_file(const char *path)
{
	return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* What was read must be what is there: else the lines to come would contradict it. */
static int
reopen(struct statelog *l)
{
	struct stat st;
	int fd = open_file(l->config.path);

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) < 0 || (size_t)st.st_size != l->size) {
		close(fd);
		return ESTALE;
	}
	l->fd = fd;
	l->torn = ends_amid_a_line(fd, l->size);
	return 0;
}

static bool
is_in_place(const struct statelog *l)
{
	struct stat ours, there;

	return fstat(l->fd, &ours) == 0 && stat(l->config.path, &there) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* Writes the file anew from what our descriptor still has, also if its name has gone. */
static int
write_anew(struct statelog *l)
{
	int copy = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	FILE *from = copy < 0 ? NULL : fdopen(copy, "r");
	FILE *to = from == NULL ? NULL : statefile_create(l->config.path);
	size_t lines = SIZE_MAX;
	off_t size = 0;
	int error;

	if (to != NULL && fseeko(from, 0, SEEK_SET) == 0) {
		lines = l->config.tidy(l->config.tidy_arg, from, to);
		size = ftello(to);
	}
	if (to != NULL && lines == SIZE_MAX)
		statefile_abandon(to, l->config.path);
	error = to == NULL || lines == SIZE_MAX               ? errno
		: !statefile_commit(to, l->config.path, true) ? errno
							      : 0;
	if (from != NULL)
		fclose(from);
	else if (copy >= 0)
		close(copy);
	if (error != 0)
		return error;
	close(l->fd);
	l->fd = -1;
	l->size = (size_t)size;
	l->lines = lines;
	plan_to_tidy(l, lines);
	return reopen(l);
}

static int
write_text(struct statelog *l, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(l->fd, text, len);

		if (n <= 0)
			return n < 0 ? errno : ENOSPC;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* What a try that failed has left at the end is cut off, or stands apart. */
static int
go_to_end(struct statelog *l)
{
	struct stat st;

	if (fstat(l->fd, &st) < 0)
		return errno;
	if ((size_t)st.st_size > l->size && ftruncate(l->fd, (off_t)l->size) < 0) {
		l->size = (size_t)st.st_size;
		l->torn = true;
	}
	return l->torn ? write_text(l, "\n", 1) : 0;
}

static int
write_batch(struct statelog *l)
{
	int error = 0;

	if (l->fd < 0)
		error = reopen(l);
	else if (!is_in_place(l))
		error = write_anew(l);
	if (error == 0 && (error = go_to_end(l)) == 0)
		error = write_text(l, l->batch.text, l->batch.len);
	if (error == 0 && fdatasync(l->fd) < 0)
		error = errno;
	if (error != 0)
		return error;
	l->size += l->batch.len + l->torn;
	l->torn = false;
	l->lines += l->batch.count;
	if (l->lines > l->untidy && !l->config.never_tidy && write_anew(l) != 0)
		plan_to_tidy(l, l->lines);
	return 0;
}

/* The thread */

static void
wait_to_retry(struct statelog *l)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_S;
	while (!l->stop && rc == 0)
		rc = pthread_cond_timedwait(&l->wake, &l->lock, &until);
}

static void
wait_for_lines(struct statelog *l)
{
	while (!l->stop && l->queue.len == 0)
		pthread_cond_wait(&l->wake, &l->lock);
}

static void
take_batch(struct statelog *l)
{
	const struct lines empty = l->batch;

	if (l->batch.len > 0)
		return;
	l->batch = l->queue;
	l->queue = empty;
	l->batch_upto = l->latest;
}

static void
note_result(struct statelog *l, int error)
{
	l->error = error;
	if (error != 0) {
		l->failures++;
	} else {
		l->waiting -= l->batch.len;
		l->batch.len = l->batch.count = 0;
		l->kept = l->batch_upto;
	}
	eventfd_write(l->news, 1);
}

/* When it is to end it tries once more. */
static void *
run(void *arg)
{
	struct statelog *l = arg;
	bool more = true;

	pthread_mutex_lock(&l->lock);
	while (more) {
		int error;

		if (l->error != 0)
			wait_to_retry(l);
		else
			wait_for_lines(l);
		more = !l->stop;
		take_batch(l);
		if (!more && l->batch.len == 0)
			break;
		pthread_mutex_unlock(&l->lock);
		error = write_batch(l);
		pthread_mutex_lock(&l->lock);
		note_result(l, error);
		more = more || (error == 0 && l->queue.len > 0);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* The loop's side */

static void
tell(evutil_socket_t fd, short what, void *arg)
{
	struct statelog *l = arg;
	eventfd_t count;
	uint64_t kept;
	unsigned failures;
	int error;

	(void)what;
	eventfd_read(fd, &count);
	pthread_mutex_lock(&l->lock);
	kept = l->kept;
	failures = l->failures;
	error = l->error;
	l->failures = 0;
	pthread_mutex_unlock(&l->lock);
	if (kept > l->told || (l->failing && error == 0)) {
		l->told = kept;
		l->failing = false;
		l->config.kept(l->config.arg, kept);
	}
	if (error != 0 && failures > 0) {
		l->failing = true;
		l->config.failed(l->config.arg, error);
	}
}

uint64_t
statelog_append(struct statelog *l, const char *lines, size_t len)
{
	uint64_t number = 0;

	pthread_mutex_lock(&l->lock);
	if (l->waiting + len <= STATELOG_WAITING_MAX && make_room(&l->queue, len)) {
		memcpy(l->queue.text + l->queue.len, lines, len);
		l->queue.len += len;
		for (size_t i = 0; i < len; i++)
			l->queue.count += lines[i] == '\n';
		l->waiting += len;
		number = ++l->latest;
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&l->lock);
	return number;
}

/* Nobody else changes it. */
uint64_t
statelog_latest(const struct statelog *l)
{
	return l->latest;
}

bool
statelog_has_room(struct statelog *l)
{
	bool has_room;

	pthread_mutex_lock(&l->lock);
	has_room = l->waiting <= STATELOG_WAITING_MAX / 2;
	pthread_mutex_unlock(&l->lock);
	return has_room;
}

static void
prepare_lock(struct statelog *l)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
}

static void
release(struct statelog *l)
{
	watch_stop(&l->watch);
	if (l->news >= 0)
		close(l->news);
	if (l->fd >= 0)
		close(l->fd);
	clear(&l->queue);
	clear(&l->batch);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* What will be no other when there is room again. */
static bool
is_hopeless(int error)
{
	return error == ELOOP || error == EISDIR || error == ENOTDIR || error == ESTALE;
}

/* Returns an errno. */
static int
start(struct statelog *l)
{
	int error = reopen(l);

	if (is_hopeless(error))
		return error;
	if ((l->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return errno;
	watch_init(&l->watch, l->config.loop, l->news, EV_READ | EV_PERSIST, tell, l);
	watch_insist(&l->watch, WATCH_NO_LIMIT);
	if (error != 0) {
		l->error = error;
		l->failures = 1;
		eventfd_write(l->news, 1);
	}
	return thread_start(&l->thread, run, l);
}

struct statelog *
statelog_open(const struct statelog_config *config)
{
	struct statelog *l = calloc(1, sizeof(*l));
	int error;

	if (l == NULL)
		return NULL;
	l->config = *config;
	l->fd = l->news = -1;
	l->size = config->size;
	l->lines = config->lines;
	plan_to_tidy(l, config->needed);
	prepare_lock(l);
	if ((error = start(l)) == 0)
		return l;
	release(l);
	errno = error;
	return NULL;
}

bool
statelog_close(struct statelog *l)
{
	bool all;

	if (l == NULL)
		return true;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	all = l->kept == l->latest;
	release(l);
	return all;
}
