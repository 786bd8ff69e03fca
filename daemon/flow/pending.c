#include "pending.h"

#include <stddef.h>
#include <stdlib.h>

TAILQ_HEAD(pending_list, pending);

/* Lookups with one deadline for all, so that the first ends first. */
struct pace {
	int64_t deadline_ms;
	struct pending_list pending;
	struct pending_list stale; /* of these, those that a stale route would help */
};

struct profile {
	SLIST_ENTRY(profile) entry;
	enum answer_style style;
	struct pace pace[PACES];
};

struct pending_set {
	struct pending_set_config config;
	SLIST_HEAD(, profile) profiles;
	struct shares *places;
	size_t count; /* with those that made room and aren't told yet */
};

struct pending_set *
pending_set_new(const struct pending_set_config *config)
{
	struct pending_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return NULL;
	set->config = *config;
	SLIST_INIT(&set->profiles);
	if ((set->places = shares_new(config->max)) != NULL)
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

/* Profiles and clients */

static void
init_pace(struct pace *p, int64_t deadline_ms)
{
	p->deadline_ms = deadline_ms;
	TAILQ_INIT(&p->pending);
	TAILQ_INIT(&p->stale);
}

struct profile *
pending_set_profile(struct pending_set *set, enum answer_style style, int64_t deadline_ms)
{
	struct profile *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->style = style;
	init_pace(&p->pace[PACE_WHOLE], deadline_ms);
	init_pace(&p->pace[PACE_SHORT],
		deadline_ms < BUDGET_SHORT_MS ? deadline_ms : BUDGET_SHORT_MS);
	SLIST_INSERT_HEAD(&set->profiles, p, entry);
	return p;
}

enum answer_style
pending_style(const struct profile *p)
{
	return p->style;
}

void
pending_limit_client(
	struct lookup_client *client, const struct profile *profile, struct monotime now)
{
	budget_open(&client->budget, profile->pace[PACE_WHOLE].deadline_ms, now);
}

struct share_keys
pending_keys(const struct lookup_client *client)
{
	struct share_keys keys = {0};

	if (client != NULL) {
		keys.key[SHARE_USER] = client->user;
		keys.key[SHARE_CLIENT] = client->id;
	}
	return keys;
}

static struct pace *
choose_pace(const struct pending_set *set, struct profile *profile,
	struct lookup_client *client, struct monotime now)
{
	if (client == NULL || budget_allows(&client->budget, now))
		return &profile->pace[PACE_WHOLE];
	set->config.counters->deadlines_shortened++;
	return &profile->pace[PACE_SHORT];
}

/* What has ended for want of room says nothing of DNS. */
void
pending_charge(struct pending *p, const struct answer *a, struct monotime now)
{
	if (p->client == NULL || p->displaced)
		return;
	if (p->missed)
		budget_missed(&p->client->budget, p->started, now);
	else if (a->outcome != OUTCOME_TEMP ||
		 (a->reason != REASON_DEADLINE && a->reason != REASON_BUSY &&
			 a->reason != REASON_NOMEM && a->reason != REASON_DESCRIPTORS))
		budget_met(&p->client->budget);
}

/* Places */

static void
raise_alarm(const struct pending_set *set)
{
	if (set->config.alarm != NULL)
		set->config.alarm(set->config.alarm_arg);
}

/* It is told by pending_set_expire(), as if its deadline had come: it may be at work now.
 */
static void
displace(struct pending *p, struct monotime now)
{
	shares_leave(p->set->places, &p->place);
	p->set->config.counters->lookups_displaced++;
	p->displaced = true;
	p->deadline = now;
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

	if (set->count > 2 * set->config.max ||
		(place = shares_make_room(set->places, keys, now)) == NULL)
		return NULL;
	return (struct pending *)((char *)place - offsetof(struct pending, place));
}

static enum reason
take_place(struct pending *p, const struct domain *d, struct monotime now)
{
	struct pending_set *set = p->set;
	struct share_keys keys = pending_keys(p->client);
	struct pending *other;

	keys.key[SHARE_ZONE] = share_zone(set->config.key, d->text);
	if (shares_full(set->places)) {
		if ((other = who_makes_room(set, &keys, now)) == NULL) {
			set->config.counters->lookups_full++;
			return REASON_BUSY;
		}
		displace(other, now);
	}
	return shares_take(set->places, &p->place, &keys, now) ? REASON_NONE
							       : REASON_NOMEM;
}

enum reason
pending_start(struct pending_set *set, struct pending *p,
	const struct lookup_request *req, const struct domain *d, struct monotime now)
{
	enum reason reason;

	p->set = set;
	p->pace = choose_pace(set, req->profile, req->client, now);
	p->client = req->client;
	p->started = now;
	p->deadline = monotime_add_ms(now, p->pace->deadline_ms);
	TAILQ_INSERT_TAIL(&p->pace->pending, p, entry);
	set->count++;
	if ((reason = take_place(p, d, now)) != REASON_NONE)
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

size_t
pending_count(const struct pending_set *set)
{
	return set->count;
}

/* Time */

int64_t
pending_deadline_ms(const struct pending *p)
{
	return p->pace->deadline_ms;
}

bool
pending_is_late(const struct pending *p, struct monotime now)
{
	return monotime_reached(p->deadline, now);
}

enum reason
pending_why(const struct pending *p)
{
	return p->displaced ? REASON_BUSY : REASON_DEADLINE;
}

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

void
pending_set_missed(struct pending *p)
{
	p->missed = true;
}

static void
end(struct pending *p, struct monotime now)
{
	p->missed = !p->displaced;
	p->set->config.counters->deadlines += p->missed;
	p->calls->deadline(p->arg, now);
}

static void
expire_pace(struct pace *pace, struct monotime now)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&pace->pending)) != NULL &&
		monotime_reached(p->deadline, now))
		end(p, now);
	while ((p = TAILQ_FIRST(&pace->stale)) != NULL &&
		monotime_reached(p->stale_after, now)) {
		pending_clear_stale(p);
		p->calls->stale(p->arg, now);
	}
}

void
pending_set_expire(struct pending_set *set, struct monotime now)
{
	struct profile *p;

	SLIST_FOREACH (p, &set->profiles, entry)
		for (int i = 0; i < PACES; i++)
			expire_pace(&p->pace[i], now);
}

static void
note(struct monotime at, struct monotime *when, bool *any)
{
	if (!*any || monotime_before(at, *when))
		*when = at;
	*any = true;
}

bool
pending_set_next_deadline(const struct pending_set *set, struct monotime *when)
{
	const struct profile *p;
	bool any = false;

	SLIST_FOREACH (p, &set->profiles, entry)
		for (int i = 0; i < PACES; i++) {
			const struct pace *pace = &p->pace[i];

			if (!TAILQ_EMPTY(&pace->pending))
				note(TAILQ_FIRST(&pace->pending)->deadline, when, &any);
			if (!TAILQ_EMPTY(&pace->stale))
				note(TAILQ_FIRST(&pace->stale)->stale_after, when, &any);
		}
	return any;
}
