#include "core/places.h"

#include <stdlib.h>

struct place_user {
	LIST_ENTRY(place_user) entry;
	uid_t uid;
	size_t taken;
	TAILQ_HEAD(, place) idle; /* the longest first */
};

void
places_init(struct places *p, size_t max)
{
	*p = (struct places){.max = max};
	LIST_INIT(&p->users);
}

static struct place_user *
find(const struct places *p, uid_t uid)
{
	struct place_user *u;

	LIST_FOREACH (u, &p->users, entry)
		if (u->uid == uid)
			return u;
	return NULL;
}

bool
places_has_room(const struct places *p, uid_t user)
{
	const struct place_user *u = find(p, user);
	size_t mine = u == NULL ? 0 : u->taken, in_all = places_in_all(p->max);
	size_t reserve = in_all - p->max;

	return p->taken < p->max || (p->taken < in_all && mine < (reserve + 1) / 2);
}

bool
places_take(struct places *p, struct place *place, uid_t user, void *holder)
{
	struct place_user *u = find(p, user);

	if (u == NULL) {
		if ((u = calloc(1, sizeof(*u))) == NULL)
			return false;
		u->uid = user;
		TAILQ_INIT(&u->idle);
		LIST_INSERT_HEAD(&p->users, u, entry);
	}
	u->taken++;
	p->taken++;
	*place = (struct place){.user = u, .holder = holder};
	return true;
}

void
places_leave(struct places *p, struct place *place)
{
	struct place_user *u = place->user;

	if (u == NULL)
		return;
	places_set_idle(place, false);
	place->user = NULL;
	p->taken--;
	if (--u->taken > 0)
		return;
	LIST_REMOVE(u, entry);
	free(u);
}

void
places_set_idle(struct place *place, bool idle)
{
	if (place->user == NULL || place->idle == idle)
		return;
	place->idle = idle;
	if (idle)
		TAILQ_INSERT_TAIL(&place->user->idle, place, entry);
	else
		TAILQ_REMOVE(&place->user->idle, place, entry);
}

struct place *
places_longest_idle(const struct places *p, uid_t user)
{
	const struct place_user *u, *most = find(p, user);

	LIST_FOREACH (u, &p->users, entry)
		if (most == NULL || u->taken > most->taken)
			most = u;
	return most == NULL ? NULL : TAILQ_FIRST(&most->idle);
}
