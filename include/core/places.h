/* A number of places, a share of them for each user, and who has been idle longest. */
#ifndef CORE_PLACES_H
#define CORE_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#define PLACES_NOBODY UINT32_MAX /* all whose user isn't known: they are one */

struct place_user;

/* A place that is taken, a part of what takes it. */
struct place {
	TAILQ_ENTRY(place) entry; /* of the user's idle ones */
	struct place_user *user;  /* NULL: it isn't taken */
	bool idle;
	void *holder;
};

/* max places are for whoever comes first. Beside these there is a reserve of a quarter,
 * for users that have less than half as many as it has: so one user never has all places.
 */
struct places {
	size_t max;
	size_t taken;
	LIST_HEAD(, place_user) users;
};

/* How many there are with the reserve. */
static inline size_t
places_in_all(size_t max)
{
	return max + (max + 3) / 4;
}

/* All must have been left before it goes away. */
void places_init(struct places *places, size_t max);

/* Is there one for this user? */
bool places_has_room(const struct places *places, uid_t user);

/* Takes one, whether or not there is room. It isn't idle yet. False: out of memory. */
bool places_take(struct places *places, struct place *place, uid_t user, void *holder);

/* Legal if it isn't taken. */
void places_leave(struct places *places, struct place *place);

/* From when it is idle it counts as idle. Legal if it isn't taken. */
void places_set_idle(struct place *place, bool idle);

/* The place that has been idle longest among those of the user who has most, which in
 * doubt is this one. NULL: that user has none that is idle. */
struct place *places_longest_idle(const struct places *places, uid_t user);

#endif
