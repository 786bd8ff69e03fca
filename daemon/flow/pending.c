#include "pending.h"

#include <stddef.h>
#include <stdlib.h>

struct pending_set {
	const struct engine_config *config;
	const struct engine_ports *ports;
	SLIST_HEAD(, profile) profiles;
	struct shares *places;
	size_t count; /* with those that made room and aren't told yet */
};

struct pending_set *
pending_set_new(const struct engine_config *config, const struct engine_ports *ports)
{
	struct pending_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->config = config;
	set->ports = ports;
	if ((set->places = shares_new(config->max_lookups)) != NULL)
		return set;
	free(set);
	return NULL;
}

void
pending_set_free(struct pending_set *set)
{
	struct profile *p;

	if (set == NULL)
		return;
	while ((p = SLIST_FIRST(&set->profiles)) != NULL) {
		SLIST_REMOVE_HEAD(&set->profiles, entry);
		free(p);
	}
	shares_free(set->places);
	free(set);
}

static void
init_pace(struct pace *p, int64_t deadline_ms)
{
	p->deadline_ms = deadline_ms;
	TAILQ_INIT(&p->pending);
	TAILQ_INIT(&p->stale);
}

struct profile *
pending_profile_new(struct pending_set *set, enum answer_style style, int64_t deadline_ms)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->style = style;
	init_pace(&p->whole, deadline_ms);
	init_pace(&p->shortened,
		deadline_ms < BUDGET_SHORT_MS ? deadline_ms : BUDGET_SHORT_MS);
	SLIST_INSERT_HEAD(&set->profiles, p, entry);
	return p;
}

/* Places */

static void
raise_alarm(const struct pending_set *set)
{
	if (set->ports->alarm != NULL)
		set->ports->alarm(set->ports->alarm_arg);
}

/* Makes a lookup end in favour of another. pending_expire() tells it, as if its deadline
 * had come: it may be on the stack now. */
static void
displace(struct pending *p, struct monotime now)
{
	shares_leave(p->set->places, &p->place);
	p->set->ports->counters->lookups_displaced++;
	p->why = REASON_BUSY;
	p->deadline_at = now;
	TAILQ_REMOVE(&p->pace->pending, p, entry);
	TAILQ_INSERT_HEAD(&p->pace->pending, p, entry);
	raise_alarm(p->set);
}

/* NULL: nobody makes room. Those that aren't told yet have their limit, too. */
static struct pending *
who_makes_room(
	const struct pending_set *set, const struct share_keys *keys, struct monotime now)
{
	struct share_place *place;

	if (set->count > 2 * set->config->max_lookups ||
		(place = shares_make_room(set->places, keys, now)) == NULL)
		return NULL;
	return (struct pending *)((char *)place - offsetof(struct pending, place));
}

static enum reason
refuse(uint64_t *counter)
{
	++*counter;
	return REASON_BUSY;
}

static enum reason
take_place(struct pending *p, const struct profile *profile, const struct domain *d,
	struct monotime now)
{
	struct pending_set *set = p->set;
	struct counters *c = set->ports->counters;
	struct share_keys keys = p->keys;
	struct pending *other;

	keys.key[SHARE_ZONE] = shares_zone(&set->config->cache.key, d->text);
	if (shares_full(set->places)) {
		if (profile->cache_only)
			return refuse(&c->policy_full);
		if ((other = who_makes_room(set, &keys, now)) == NULL)
			return refuse(&c->lookups_full);
		displace(other, now);
	}
	return shares_take(set->places, &p->place, &keys, now) ? REASON_NONE
							       : REASON_NOMEM;
}

static struct pace *
choose_pace(struct pending *p, struct profile *profile, struct monotime now)
{
	if (p->client == NULL || budget_allows(&p->client->budget, now))
		return &profile->whole;
	p->set->ports->counters->deadlines_shortened++;
	return &profile->shortened;
}

enum reason
pending_start(struct pending *p, struct pending_set *set, struct profile *profile,
	const struct domain *d, struct monotime now)
{
	enum reason reason;

	p->set = set;
	p->pace = choose_pace(p, profile, now);
	if (p->client != NULL) {
		p->keys.key[SHARE_USER] = p->client->user;
		p->keys.key[SHARE_CLIENT] = p->client->id;
	}
	p->why = REASON_DEADLINE;
	p->started = now;
	p->deadline_at = monotime_add_ms(now, p->pace->deadline_ms);
	TAILQ_INSERT_TAIL(&p->pace->pending, p, entry);
	set->count++;
	if ((reason = take_place(p, profile, d, now)) != REASON_NONE)
		pending_stop(p);
	else
		raise_alarm(set);
	return reason;
}

void
pending_stop(struct pending *p)
{
	TAILQ_REMOVE(&p->pace->pending, p, entry);
	shares_leave(p->set->places, &p->place);
	p->set->count--;
	pending_clear_stale(p);
}

/* A lookup that ended for want of room says nothing of DNS. */
void
pending_charge(struct pending *p, const struct answer *a, struct monotime now)
{
	if (p->client == NULL || p->why == REASON_BUSY)
		return;
	if (p->missed)
		budget_missed(&p->client->budget, p->started, now);
	else if (a->outcome != OUTCOME_TEMP ||
		 (a->reason != REASON_DEADLINE && a->reason != REASON_BUSY &&
			 a->reason != REASON_NOMEM && a->reason != REASON_DESCRIPTORS))
		budget_met(&p->client->budget);
}

size_t
pending_count(const struct pending_set *set)
{
	return set->count;
}

/* Time */

void
pending_set_stale(struct pending *p, struct monotime now)
{
	if (p->stale_after.ns != 0)
		return;
	p->stale_after = monotime_add_ms(now, p->pace->deadline_ms / 2);
	TAILQ_INSERT_TAIL(&p->pace->stale, p, stale_entry);
	raise_alarm(p->set);
}

void
pending_clear_stale(struct pending *p)
{
	if (p->stale_after.ns != 0)
		TAILQ_REMOVE(&p->pace->stale, p, stale_entry);
	p->stale_after.ns = 0;
}

static void
expire_pace(struct pace *pace, struct counters *counters, struct monotime now)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&pace->pending)) != NULL &&
		monotime_reached(p->deadline_at, now)) {
		p->missed = p->why == REASON_DEADLINE;
		counters->deadlines += p->missed;
		p->deadline(p, now);
	}
	while ((p = TAILQ_FIRST(&pace->stale)) != NULL &&
		monotime_reached(p->stale_after, now)) {
		pending_clear_stale(p);
		p->stale(p, now);
	}
}

void
pending_expire(struct pending_set *set, struct monotime now)
{
	struct profile *p;

	SLIST_FOREACH (p, &set->profiles, entry) {
		expire_pace(&p->whole, set->ports->counters, now);
		expire_pace(&p->shortened, set->ports->counters, now);
	}
}

static bool
pace_deadline(const struct pace *pace, bool any, struct monotime *when)
{
	if (!TAILQ_EMPTY(&pace->pending))
		any = monotime_first(any, TAILQ_FIRST(&pace->pending)->deadline_at, when);
	if (!TAILQ_EMPTY(&pace->stale))
		any = monotime_first(any, TAILQ_FIRST(&pace->stale)->stale_after, when);
	return any;
}

bool
pending_next_deadline(const struct pending_set *set, struct monotime *when)
{
	const struct profile *p;
	bool any = false;

	SLIST_FOREACH (p, &set->profiles, entry) {
		any = pace_deadline(&p->whole, any, when);
		any = pace_deadline(&p->shortened, any, when);
	}
	return any;
}
