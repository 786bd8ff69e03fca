#include "flow/flight.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct flight {
	UT_hash_handle hh;
	TAILQ_ENTRY(flight) queued;
	struct flights *flights;
	struct dns_query *query; /* NULL while it is in the queue */
	LIST_HEAD(, flight_waiter) waiters;
	char name[];
};

struct flights {
	struct flights_config config;
	struct flight *table;
	TAILQ_HEAD(, flight) queue;
	size_t outstanding;
};

struct flights *
flights_new(const struct flights_config *config)
{
	struct flights *fs = calloc(1, sizeof(*fs));

	if (fs == NULL)
		return NULL;
	fs->config = *config;
	TAILQ_INIT(&fs->queue);
	return fs;
}

/* Takes a flight out of every list. Its waiters stay on it. */
static void
detach(struct flight *f)
{
	struct flights *fs = f->flights;

	HASH_DEL(fs->table, f);
	if (f->query == NULL)
		TAILQ_REMOVE(&fs->queue, f, queued);
	else
		fs->outstanding--;
}

void
flights_free(struct flights *fs)
{
	struct flight *f, *next;

	if (fs == NULL)
		return;
	HASH_ITER(hh, fs->table, f, next)
	{
		struct flight_waiter *w;

		LIST_FOREACH (w, &f->waiters, entry)
			w->flight = NULL;
		if (f->query != NULL)
			fs->config.source->cancel(f->query);
		detach(f);
		free(f);
	}
	free(fs);
}

size_t
flights_count(const struct flights *fs)
{
	return HASH_COUNT(fs->table);
}

static void answered(void *arg, const struct dns_answer *, struct monotime now);

/* Asks, if there is room for another question; else the flight waits its turn. */
static bool
launch(struct flight *f)
{
	struct flights *fs = f->flights;

	if (fs->outstanding >= fs->config.outstanding) {
		f->query = NULL;
		TAILQ_INSERT_TAIL(&fs->queue, f, queued);
		return true;
	}
	f->query = fs->config.source->ask(fs->config.source, f->name, answered, f);
	if (f->query == NULL)
		return false;
	fs->outstanding++;
	return true;
}

static void
land(struct flight *f, const struct dns_answer *answer, struct monotime now)
{
	struct flights *fs = f->flights;
	struct flight_waiter *w;

	if (fs->config.landed != NULL)
		fs->config.landed(fs->config.arg, f->name, answer, now);
	/* A waiter that is called may make others leave, so the list is read anew. */
	while ((w = LIST_FIRST(&f->waiters)) != NULL) {
		LIST_REMOVE(w, entry);
		w->flight = NULL;
		w->answered(w->arg, answer, now);
	}
	free(f);
}

static void
launch_queued(struct flights *fs, struct monotime now)
{
	struct flight *f;

	while (fs->outstanding < fs->config.outstanding &&
		(f = TAILQ_FIRST(&fs->queue)) != NULL) {
		TAILQ_REMOVE(&fs->queue, f, queued);
		if (!launch(f)) {
			struct dns_answer none;

			dns_answer_fail(&none, REASON_NOMEM);
			// NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
			HASH_DEL(fs->table, f);
			land(f, &none, now);
		}
	}
}

static void
answered(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct flight *f = arg;
	struct flights *fs = f->flights;

	detach(f);
	land(f, answer, now);
	launch_queued(fs, now);
}

static struct flight *
new_flight(struct flights *fs, const char *name)
{
	size_t len = strlen(name);
	struct flight *f = malloc(sizeof(*f) + len + 1);

	if (f == NULL)
		return NULL;
	f->flights = fs;
	LIST_INIT(&f->waiters);
	memcpy(f->name, name, len + 1);
	f->hh.tbl = NULL;
	HASH_ADD(hh, fs->table, name, len, f);
	if (f->hh.tbl == NULL) { /* out of memory in uthash */
		free(f);
		return NULL;
	}
	if (!launch(f)) {
		HASH_DEL(fs->table, f);
		free(f);
		return NULL;
	}
	return f;
}

enum flight_status
flights_join(struct flights *fs, const char *name, struct flight_waiter *w, bool *asked)
{
	struct flight *f;

	HASH_FIND(hh, fs->table, name, strlen(name), f);
	*asked = f == NULL;
	if (f == NULL) {
		if (HASH_COUNT(fs->table) >= fs->config.max)
			return FLIGHT_FULL;
		if ((f = new_flight(fs, name)) == NULL)
			return FLIGHT_NOMEM;
	}
	LIST_INSERT_HEAD(&f->waiters, w, entry);
	w->flight = f;
	return FLIGHT_JOINED;
}

void
flights_leave(struct flight_waiter *w)
{
	struct flight *f = w->flight;

	if (f == NULL)
		return;
	LIST_REMOVE(w, entry);
	w->flight = NULL;
	if (f->query == NULL && LIST_EMPTY(&f->waiters)) {
		detach(f);
		free(f);
	}
}
