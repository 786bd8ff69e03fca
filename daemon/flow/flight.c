#include "flow/flight.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct flight {
	UT_hash_handle hh;
	TAILQ_ENTRY(flight) queued;
	struct flights *flights;
	struct upstream_query *query; /* NULL while it is in the queue */
	struct monotime since;
	LIST_HEAD(, flight_waiter) waiters;
	size_t nwaiters;
	bool wanted; /* though nobody waits */
	char key[];  /* the type, then the subject and its NUL */
};

struct flights {
	struct flights_config config;
	struct flight *table;
	TAILQ_HEAD(, flight) queue;
	size_t outstanding;
};

static enum dns_type
flight_type(const struct flight *f)
{
	return (enum dns_type)f->key[0];
}

static const char *
flight_subject(const struct flight *f)
{
	return f->key + 1;
}

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
			upstream_cancel(f->query);
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
launch(struct flight *f, struct monotime now)
{
	struct flights *fs = f->flights;
	const struct flights_config *c = &fs->config;
	char buffer[FLIGHT_NAME_MAX + 1];
	const char *name = flight_subject(f);

	if (fs->outstanding >= c->outstanding) {
		f->query = NULL;
		TAILQ_INSERT_TAIL(&fs->queue, f, queued);
		return true;
	}
	if (c->dns_name != NULL) {
		c->dns_name(c->arg, flight_type(f), name, buffer);
		name = buffer;
	}
	f->query = upstream_ask(c->upstream, flight_type(f), name, now, answered, f);
	if (f->query == NULL)
		return false;
	fs->outstanding++;
	return true;
}

static void
land(struct flight *f, const struct dns_answer *answer, struct monotime now)
{
	const struct flights_config *c = &f->flights->config;
	struct flight_waiter *w;

	if (c->landed != NULL)
		c->landed(c->arg, flight_type(f), flight_subject(f), answer, now);
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
		if (!launch(f, now)) {
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

struct key {
	size_t len;
	char text[1 + FLIGHT_NAME_MAX];
};

static struct key
make_key(enum dns_type type, const char *subject)
{
	struct key key = {.len = 1 + strlen(subject)};

	key.text[0] = (char)type;
	memcpy(key.text + 1, subject, key.len - 1);
	return key;
}

static struct flight *
new_flight(struct flights *fs, const struct key *key, struct monotime now)
{
	struct flight *f = calloc(1, sizeof(*f) + key->len + 1);

	if (f == NULL)
		return NULL;
	f->flights = fs;
	f->since = now;
	LIST_INIT(&f->waiters);
	memcpy(f->key, key->text, key->len);
	HASH_ADD(hh, fs->table, key, key->len, f);
	if (f->hh.tbl == NULL) { /* out of memory in uthash */
		free(f);
		return NULL;
	}
	if (!launch(f, now)) {
		HASH_DEL(fs->table, f);
		free(f);
		return NULL;
	}
	return f;
}

enum flight_status
flights_join(struct flights *fs, enum dns_type type, const char *subject,
	struct monotime now, struct flight_waiter *w, struct flight_joined *joined)
{
	struct key key = make_key(type, subject);
	struct flight *f;

	HASH_FIND(hh, fs->table, key.text, key.len, f);
	joined->asked = f == NULL;
	if (f == NULL) {
		if (HASH_COUNT(fs->table) >= fs->config.max)
			return FLIGHT_FULL;
		if ((f = new_flight(fs, &key, now)) == NULL)
			return FLIGHT_NOMEM;
	}
	joined->since = f->since;
	if (w == NULL) {
		f->wanted = true;
		return FLIGHT_JOINED;
	}
	if (f->nwaiters >= fs->config.max_waiters)
		return FLIGHT_WAITERS_FULL;
	LIST_INSERT_HEAD(&f->waiters, w, entry);
	f->nwaiters++;
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
	f->nwaiters--;
	w->flight = NULL;
	if (f->query == NULL && LIST_EMPTY(&f->waiters) && !f->wanted) {
		detach(f);
		free(f);
	}
}
