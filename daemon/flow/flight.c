#include "flow/flight.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum stage {
	QUEUED,
	YOUNG, /* asked a moment ago */
	OLD,
};

TAILQ_HEAD(stage_list, flight);

struct flight {
	UT_hash_handle hh;
	TAILQ_ENTRY(flight) entry; /* in its stage's list; the old have none */
	struct flights *flights;
	enum stage stage;
	struct upstream_query *query; /* NULL while it is in the queue */
	struct monotime since, asked;
	LIST_HEAD(, flight_waiter) waiters;
	size_t nwaiters;
	bool wanted; /* though nobody waits */
	char key[];  /* the type, then the subject and its NUL */
};

struct flights {
	struct flights_config config;
	struct flight *table;
	struct stage_list queue, young; /* the first comes first */
	size_t outstanding, nyoung;
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
	TAILQ_INIT(&fs->young);
	return fs;
}

static void
set_young(struct flight *f, struct monotime now)
{
	f->stage = YOUNG;
	f->asked = now;
	TAILQ_INSERT_TAIL(&f->flights->young, f, entry);
	f->flights->nyoung++;
}

static void
set_old(struct flight *f)
{
	if (f->stage == QUEUED) {
		TAILQ_REMOVE(&f->flights->queue, f, entry);
	} else if (f->stage == YOUNG) {
		TAILQ_REMOVE(&f->flights->young, f, entry);
		f->flights->nyoung--;
	}
	f->stage = OLD;
}

/* Takes a flight out of every list. Its waiters stay on it. */
static void
detach(struct flight *f)
{
	HASH_DEL(f->flights->table, f);
	f->flights->outstanding -= f->stage != QUEUED;
	set_old(f);
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

static struct monotime
grows_old(const struct flight *f)
{
	return monotime_add_ms(f->asked, FLIGHT_YOUNG_MS);
}

static void
grow_old(struct flights *fs, struct monotime now)
{
	struct flight *f;

	while ((f = TAILQ_FIRST(&fs->young)) != NULL &&
		monotime_reached(grows_old(f), now))
		set_old(f);
}

static bool
has_room(const struct flights *fs)
{
	return fs->outstanding < fs->config.outstanding && fs->nyoung < fs->config.burst;
}

/* Those in the queue, which waited for an answer, may now wait for time to pass. */
static void
raise_alarm(const struct flights *fs)
{
	if (!TAILQ_EMPTY(&fs->queue) && fs->config.alarm != NULL)
		fs->config.alarm(fs->config.alarm_arg);
}

static void
wait_its_turn(struct flight *f)
{
	struct flights *fs = f->flights;

	f->stage = QUEUED;
	TAILQ_INSERT_TAIL(&fs->queue, f, entry);
	++*fs->config.queued;
	raise_alarm(fs);
}

static bool
ask(struct flight *f, struct monotime now)
{
	struct flights *fs = f->flights;
	const struct flights_config *c = &fs->config;
	char buffer[FLIGHT_NAME_MAX + 1];
	const char *name = flight_subject(f);

	if (c->dns_name != NULL) {
		c->dns_name(c->arg, flight_type(f), name, buffer);
		name = buffer;
	}
	f->query = upstream_ask(c->upstream, flight_type(f), name, now, answered, f);
	if (f->query == NULL)
		return false;
	fs->outstanding++;
	set_young(f, now);
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
ask_queued(struct flights *fs, struct monotime now)
{
	struct flight *f;

	grow_old(fs, now);
	if (fs->nyoung > fs->config.refill)
		return;
	while (has_room(fs) && (f = TAILQ_FIRST(&fs->queue)) != NULL) {
		TAILQ_REMOVE(&fs->queue, f, entry);
		f->stage = OLD;
		if (!ask(f, now)) {
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
	ask_queued(fs, now);
	raise_alarm(fs);
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

/* It doesn't overtake those that wait already. */
static bool
must_wait(struct flights *fs, struct monotime now)
{
	if (!TAILQ_EMPTY(&fs->queue))
		return true;
	grow_old(fs, now);
	return !has_room(fs);
}

static struct flight *
new_flight(struct flights *fs, const struct key *key, struct monotime now)
{
	struct flight *f = calloc(1, sizeof(*f) + key->len + 1);

	if (f == NULL)
		return NULL;
	f->flights = fs;
	f->stage = OLD;
	f->since = now;
	LIST_INIT(&f->waiters);
	memcpy(f->key, key->text, key->len);
	HASH_ADD(hh, fs->table, key, key->len, f);
	if (f->hh.tbl == NULL) { /* out of memory in uthash */
		free(f);
		return NULL;
	}
	if (must_wait(fs, now)) {
		wait_its_turn(f);
	} else if (!ask(f, now)) {
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
	if (f->stage == QUEUED && f->flights->config.drops_queued &&
		LIST_EMPTY(&f->waiters) && !f->wanted) {
		detach(f);
		free(f);
	}
}

/* Time */

void
flights_expire(struct flights *fs, struct monotime now)
{
	ask_queued(fs, now);
}

bool
flights_next_deadline(const struct flights *fs, struct monotime *when)
{
	if (TAILQ_EMPTY(&fs->queue) || TAILQ_EMPTY(&fs->young) ||
		fs->outstanding >= fs->config.outstanding)
		return false; /* an answer makes room */
	*when = grows_old(TAILQ_FIRST(&fs->young));
	return true;
}
