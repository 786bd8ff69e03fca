#include "mapload.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "thread.h"
#include "watch.h"

struct map_load {
	const char *path;
	size_t max;
	map_load_done *done;
	void *arg;
	pthread_t thread;
	atomic_bool stop;
	struct map_copy copy; /* the thread's, until it has been joined */
	int ended;            /* an eventfd, written to when the thread ends */
	struct watch watch;
};

static void *
run(void *arg)
{
	struct map_load *l = arg;

	map_copy_read(&l->copy, l->path, l->max, &l->stop);
	eventfd_write(l->ended, 1);
	return NULL;
}

static void
join(struct map_load *l)
{
	pthread_join(l->thread, NULL);
	watch_stop(&l->watch);
	close(l->ended);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct map_load *l = arg;
	struct map_copy copy;

	(void)fd;
	(void)what;
	join(l);
	copy = l->copy;
	l->done(l->arg, &copy);
	free(l);
}

struct map_load *
map_load_start(
	struct loop *loop, const char *path, size_t max, map_load_done *done, void *arg)
{
	struct map_load *l = calloc(1, sizeof(*l));
	int error;

	if (l == NULL)
		return NULL;
	l->path = path;
	l->max = max;
	l->done = done;
	l->arg = arg;
	if ((l->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		free(l);
		return NULL;
	}
	watch_init(&l->watch, loop, l->ended, EV_READ, on_end, l);
	if (!watch_start(&l->watch, WATCH_NO_LIMIT))
		error = ENOMEM;
	else if ((error = thread_start(&l->thread, run, l)) == 0)
		return l;
	watch_stop(&l->watch);
	close(l->ended);
	free(l);
	errno = error;
	return NULL;
}

void
map_load_cancel(struct map_load *l)
{
	if (l == NULL)
		return;
	atomic_store(&l->stop, true);
	join(l);
	map_copy_free(&l->copy);
	free(l);
}
