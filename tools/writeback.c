#include "writeback.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* What one call asks for: large enough to be of use to the disk, small enough for it to
 * begin early. */
#define CHUNK (1024 * 1024)

struct writeback {
	int fd;
	pthread_t thread;
	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t changed;
	uint64_t written;
	bool ended;
};

/* Waits until there is something to do after so much has been done. */
static bool
wait_for_more(struct writeback *f, uint64_t done)
{
	bool more;

	pthread_mutex_lock(&f->mutex);
	while (!f->ended && f->written < done + CHUNK + WRITEBACK_SLACK)
		pthread_cond_wait(&f->changed, &f->mutex);
	more = !f->ended;
	pthread_mutex_unlock(&f->mutex);
	return more;
}

static void *
flush(void *arg)
{
	struct writeback *f = arg;

	for (uint64_t done = 0; wait_for_more(f, done); done += CHUNK)
		sync_file_range(f->fd, (off_t)done, CHUNK, SYNC_FILE_RANGE_WRITE);
	return NULL;
}

struct writeback *
writeback_new(int fd)
{
	struct writeback *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->fd = fd;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->changed, NULL);
	if ((errno = pthread_create(&f->thread, NULL, flush, f)) == 0)
		return f;
	free(f);
	return NULL;
}

void
writeback_written(struct writeback *f, uint64_t bytes)
{
	pthread_mutex_lock(&f->mutex);
	f->written = bytes;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->mutex);
}

void
writeback_free(struct writeback *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&f->mutex);
	f->ended = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->mutex);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->mutex);
	free(f);
}
