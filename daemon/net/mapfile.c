#include "net/mapfile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mapcopy.h"
#include "mapload.h"
#include "net/log.h"
#include "ticker.h"
#include "watch.h"

#define WATCH_MS 1000

/* A replaced map is freed in pieces, each of which takes less than a millisecond. */
#define FREE_AT_ONCE ((size_t)4 << 20)
#define FREE_MS 1

struct mapfile {
	struct map_source source;
	const char *path;
	size_t max;
	struct counters *counters;
	struct map_copy current; /* the map in force */
	struct map_copy old;     /* the one before, while it is being freed */
	struct watch freeing;
	struct map_copy last; /* that was looked at; its image isn't used */
	bool told_no_sum;
	struct loop *loop;
	struct ticker watch;
	struct map_load *load; /* NULL: none is under way */
	bool again;            /* told to reload while one was */
};

static void
free_old(evutil_socket_t fd, short what, void *arg)
{
	struct mapfile *m = arg;

	(void)fd;
	(void)what;
	if (map_copy_free_some(&m->old, FREE_AT_ONCE))
		watch_insist(&m->freeing, FREE_MS);
}

static void
put_in_force(struct mapfile *m, const struct map_copy *new)
{
	map_copy_free(&m->old);
	m->old = m->current;
	if (m->old.memory != NULL)
		free_old(-1, 0, m);
	m->current = m->last = *new;
	m->source.generation++;
	m->counters->map_loads++;
	if (new->has_sum || m->told_no_sum)
		return;
	m->told_no_sum = true;
	log_info("map %s: no checksum, which onionmap would write: a mixture of two maps "
		 "would not be noticed",
		m->path);
}

static void
failed(struct mapfile *m, const struct map_copy *new)
{
	const struct map_copy *last = &m->last;
	bool known = last->wrong == new->wrong && last->error == new->error;

	known = known && map_copy_same(&last->id, &new->id);
	m->last = *new;
	if (known)
		return;
	m->counters->map_load_failures++;
	errno = new->error;
	if (new->error != 0)
		log_warn("map %s; the old one stays in force", m->path);
	else
		log_warnx("map %s: %s; the old one stays in force", m->path, new->wrong);
}

static void reload(struct mapfile *);

static void
loaded(void *arg, struct map_copy *new)
{
	struct mapfile *m = arg;

	m->load = NULL;
	if (new->wrong != NULL) {
		failed(m, new);
	} else {
		put_in_force(m, new);
		log_info("map %s loaded, %" PRIu64 " entries", m->path, new->entries);
	}
	if (m->again)
		reload(m);
}

static void
load(struct mapfile *m)
{
	m->load = map_load_start(m->loop, m->path, m->max, loaded, m);
	if (m->load == NULL) {
		const struct map_copy none = {
			.wrong = "", .error = errno, .transient = true};

		failed(m, &none);
	}
}

/* Somebody wants to know: what is wrong is told again. */
static void
reload(struct mapfile *m)
{
	m->again = false;
	m->last.wrong = NULL;
	load(m);
}

void
mapfile_reload(struct mapfile *m)
{
	if (m->load != NULL)
		m->again = true;
	else
		reload(m);
}

static void
look(void *arg)
{
	struct mapfile *m = arg;
	struct map_identity now;

	if (m->load != NULL)
		return;
	now = map_copy_identity(m->path);
	if (m->last.transient || !map_copy_same(&now, &m->last.id))
		load(m);
}

void
mapfile_watch(struct mapfile *m, struct loop *loop)
{
	m->loop = loop;
	watch_init_timer(&m->freeing, loop, free_old, m);
	ticker_start(&m->watch, loop, WATCH_MS, look, m);
}

static enum map_result
get(struct map_source *source, const char *key, size_t keylen, struct map_value *value)
{
	const struct mapfile *m = (const struct mapfile *)source;
	struct map_record r;

	switch (map_image_find(&m->current.image, key, keylen, &r)) {
	case MAP_IMAGE_MISSING:
		return MAP_MISS;
	case MAP_IMAGE_FOUND:
		break;
	case MAP_IMAGE_DAMAGED:
		return MAP_BROKEN;
	}
	if (r.len > sizeof(value->text))
		return MAP_BROKEN;
	memcpy(value->text, r.value, r.len);
	value->len = r.len;
	value->checked = true; /* by map_copy_read() */
	return MAP_HIT;
}

struct mapfile *
mapfile_open(const char *path, size_t max, struct counters *counters)
{
	struct mapfile *m = calloc(1, sizeof(*m));
	struct map_copy first;

	if (m == NULL) {
		log_error("map");
		return NULL;
	}
	m->source.get = get;
	m->path = path;
	m->max = max;
	m->counters = counters;
	map_copy_read(&first, path, max, NULL);
	if (first.wrong == NULL) {
		put_in_force(m, &first);
		return m;
	}
	errno = first.error;
	if (first.error != 0)
		log_error("map %s", path);
	else
		log_errorx("map %s: %s", path, first.wrong);
	free(m);
	return NULL;
}

void
mapfile_free(struct mapfile *m)
{
	if (m == NULL)
		return;
	ticker_stop(&m->watch);
	watch_stop(&m->freeing);
	map_load_cancel(m->load);
	map_copy_free(&m->current);
	map_copy_free(&m->old);
	free(m);
}

struct map_source *
mapfile_source(struct mapfile *m)
{
	return &m->source;
}
