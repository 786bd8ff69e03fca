#include "flow/flight.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum stage {
	QUEUED,
	YOUNG, /* asked a moment ago */
	OLD,
	DISPLACED, /* it made room for another, and its waiters aren't told yet */
};

TAILQ_HEAD(stage_list, flight);

struct flight {
	UT_hash_handle hh;
	TAILQ_ENTRY(flight) entry; /* in its stage's list; the old have none */
	struct share_place place;
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
	struct shares *shares;
	struct stage_list queue, young; /* the first comes first */
	struct stage_list displaced;
	struct monotime displaced_at; /* the first of them */
	size_t outstanding, nyoung, ndisplaced;
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

static struct flight *
flight_of(struct share_place *place)
{
	return (struct flight *)((char *)place - offsetof(struct flight, place));
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
	TAILQ_INIT(&fs->displaced);
	if ((fs->shares = shares_new(config->max)) != NULL)
		return fs;
	free(fs);
	return NULL;
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

static void
forget(struct flight *f)
{
	HASH_DEL(f->flights->table, f);
	shares_leave(f->flights->shares, &f->place);
}

/* Takes a flight out of every list. Its waiters stay on it. */
static void
detach(struct flight *f)
{
	forget(f);
	f->flights->outstanding -= f->stage != QUEUED;
	set_old(f);
}

static void
forget_waiters(struct flight *f)
{
	struct flight_waiter *w;

	LIST_FOREACH (w, &f->waiters, entry)
		w->flight = NULL;
}

static void
leave_displaced(struct flight *f)
{
	TAILQ_REMOVE(&f->flights->displaced, f, entry);
	f->flights->ndisplaced--;
	f->stage = OLD;
}

void
flights_free(struct flights *fs)
{
	struct flight *f, *next;

	if (fs == NULL)
		return;
	HASH_ITER(hh, fs->table, f, next)
	{
		forget_waiters(f);
		if (f->query != NULL)
			upstream_cancel(f->query);
		detach(f);
		free(f);
	}
	while ((f = TAILQ_FIRST(&fs->displaced)) != NULL) {
		leave_displaced(f);
		forget_waiters(f);
		free(f);
	}
	shares_free(fs->shares);
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

static void
raise_alarm(const struct flights *fs)
{
	if (fs->config.alarm != NULL)
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

/* A waiter that is called may make others leave, so the list is read anew. */
static void
tell_waiters(struct flight *f, const struct dns_answer *answer, struct monotime now)
{
	struct flight_waiter *w;

	while ((w = LIST_FIRST(&f->waiters)) != NULL) {
		LIST_REMOVE(w, entry);
		w->flight = NULL;
		w->answered(w->arg, answer, now);
	}
}

static void
land(struct flight *f, const struct dns_answer *answer, struct monotime now)
{
	const struct flights_config *c = &f->flights->config;

	if (c->landed != NULL)
		c->landed(c->arg, flight_type(f), flight_subject(f), answer, now);
	tell_waiters(f, answer, now);
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
			forget(f);
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
	/* Those in the queue, which waited for an answer, may now wait for time to pass.
	 */
	if (!TAILQ_EMPTY(&fs->queue))
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

/* False: out of memory. */
static bool
enter(struct flight *f, struct monotime now)
{
	if (!must_wait(f->flights, now))
		return ask(f, now);
	wait_its_turn(f);
	return true;
}

/* Its waiters, some of which may be at work just now, are told by flights_expire(). */
static void
displace(struct flight *f, struct monotime now)
{
	struct flights *fs = f->flights;

	if (f->query != NULL)
		upstream_cancel(f->query);
	detach(f);
	++*fs->config.displaced;
	if (LIST_EMPTY(&f->waiters)) {
		free(f);
		return;
	}
	f->stage = DISPLACED;
	f->query = NULL;
	if (TAILQ_EMPTY(&fs->displaced))
		fs->displaced_at = now;
	TAILQ_INSERT_TAIL(&fs->displaced, f, entry);
	fs->ndisplaced++;
	raise_alarm(fs);
}

static void
end_displaced(struct flights *fs, struct monotime now)
{
	struct dns_answer none;
	struct flight *f;

	dns_answer_fail(&none, REASON_BUSY);
	while ((f = TAILQ_FIRST(&fs->displaced)) != NULL) {
		leave_displaced(f);
		tell_waiters(f, &none, now);
		free(f);
	}
}

/* False: the table is full. Those that haven't been told yet that they made room have
 * their limit, too. */
static bool
make_room(struct flights *fs, const struct share_keys *keys, struct monotime now)
{
	struct share_place *place;

	if (!shares_full(fs->shares))
		return true;
	if (fs->ndisplaced >= fs->config.max ||
		(place = shares_make_room(fs->shares, keys, now)) == NULL)
		return false;
	displace(flight_of(place), now);
	return true;
}

static struct flight *
new_flight(struct flights *fs, const struct key *key, const struct share_keys *keys,
	struct monotime now)
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
	if (shares_take(fs->shares, &f->place, keys, now) && enter(f, now))
		return f;
	forget(f);
	free(f);
	return NULL;
}

/* Only what somebody waits for counts as refused. */
static enum reason
refuse(const struct flight_waiter *w, uint64_t *counter)
{
	*counter += w != NULL;
	return REASON_BUSY;
}

enum reason
flights_join(struct flights *fs, const struct flight_question *q, struct monotime now,
	struct flight_waiter *w, struct flight_joined *joined)
{
	struct key key = make_key(q->type, q->subject);
	struct flight *f;

	HASH_FIND(hh, fs->table, key.text, key.len, f);
	joined->asked = f == NULL;
	if (f == NULL) {
		if (!make_room(fs, &q->keys, now))
			return refuse(w, fs->config.full);
		if ((f = new_flight(fs, &key, &q->keys, now)) == NULL)
			return REASON_NOMEM;
	}
	joined->since = f->since;
	if (w == NULL) {
		f->wanted = true;
		return REASON_NONE;
	}
	if (f->nwaiters >= fs->config.max_waiters)
		return refuse(w, fs->config.waiters_full);
	LIST_INSERT_HEAD(&f->waiters, w, entry);
	f->nwaiters++;
	w->flight = f;
	return REASON_NONE;
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
	if (!LIST_EMPTY(&f->waiters))
		return;
	if (f->stage == DISPLACED) {
		leave_displaced(f);
		free(f);
	} else if (f->stage == QUEUED && f->flights->config.drops_queued && !f->wanted) {
		detach(f);
		free(f);
	}
}

/* Time */

void
flights_expire(struct flights *fs, struct monotime now)
{
	end_displaced(fs, now);
	ask_queued(fs, now);
}

bool
flights_next_deadline(const struct flights *fs, struct monotime *when)
{
	if (!TAILQ_EMPTY(&fs->displaced)) {
		*when = fs->displaced_at;
		return true;
	}
	if (TAILQ_EMPTY(&fs->queue) || TAILQ_EMPTY(&fs->young) ||
		fs->outstanding >= fs->config.outstanding)
		return false; /* an answer makes room */
	*when = grows_old(TAILQ_FIRST(&fs->young));
	return true;
}
