/* What a client may hold of the tables, and how long it may wait. */
#include <stddef.h>

#include "engine.h"

struct share_keys
keys_of(const struct engine *e, const struct lookup_client *client, const char *name)
{
	struct share_keys keys = {
		.key[SHARE_ZONE] = share_zone(&e->config.cache.key, name)};

	if (client != NULL) {
		keys.key[SHARE_USER] = client->user;
		keys.key[SHARE_CLIENT] = client->id;
	}
	return keys;
}

/* It is told by engine_expire(), as if its deadline had come: it may be at work now. */
static void
displace(struct lookup *l, struct monotime now)
{
	struct engine *e = l->engine;

	shares_leave(e->places, &l->place);
	counters(e)->lookups_displaced++;
	l->displaced = true;
	l->deadline = now;
	TAILQ_REMOVE(&l->pace->pending, l, entry);
	TAILQ_INSERT_HEAD(&l->pace->pending, l, entry);
	if (e->ports.alarm != NULL)
		e->ports.alarm(e->ports.alarm_arg);
}

/* NULL: nobody makes room. Those that aren't told yet have their limit, too. */
static struct lookup *
who_makes_room(const struct engine *e, const struct share_keys *keys, struct monotime now)
{
	struct share_place *place;

	if (e->pending > 2 * e->config.max_lookups ||
		(place = shares_make_room(e->places, keys, now)) == NULL)
		return NULL;
	return (struct lookup *)((char *)place - offsetof(struct lookup, place));
}

enum reason
lookup_take_place(struct lookup *l, struct monotime now)
{
	struct engine *e = l->engine;
	const struct share_keys keys = keys_of(e, l->client, l->domain.text);
	struct lookup *other;

	if (shares_full(e->places)) {
		if ((other = who_makes_room(e, &keys, now)) == NULL) {
			counters(e)->lookups_full++;
			return REASON_BUSY;
		}
		displace(other, now);
	}
	return shares_take(e->places, &l->place, &keys, now) ? REASON_NONE : REASON_NOMEM;
}

void
lookup_client_limit(
	struct lookup_client *client, const struct profile *profile, struct monotime now)
{
	budget_open(&client->budget, profile->pace[PACE_WHOLE].deadline_ms, now);
}

struct pace *
pace_for(struct engine *e, const struct lookup_request *req, struct monotime now)
{
	struct pace *pace = req->profile->pace;

	if (req->client == NULL || budget_allows(&req->client->budget, now))
		return &pace[PACE_WHOLE];
	counters(e)->deadlines_shortened++;
	return &pace[PACE_SHORT];
}

/* What has ended for want of room says nothing of DNS. */
void
lookup_charge(struct lookup *l, const struct answer *a, struct monotime now)
{
	if (l->client == NULL || l->displaced)
		return;
	if (l->missed)
		budget_missed(&l->client->budget, l->started, now);
	else if (a->outcome != OUTCOME_TEMP ||
		 (a->reason != REASON_DEADLINE && a->reason != REASON_BUSY &&
			 a->reason != REASON_NOMEM && a->reason != REASON_DESCRIPTORS))
		budget_met(&l->client->budget);
}
