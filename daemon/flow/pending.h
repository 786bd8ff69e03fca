/* Pending lookups: how long each may wait, and the places that they take, of which each
 * user, client and zone has a share (core/shares.h). */
#ifndef FLOW_PENDING_H
#define FLOW_PENDING_H

#include <sys/queue.h>

#include "core/shares.h"
#include "flow/lookup.h"

struct pending_set;

TAILQ_HEAD(pending_list, pending);

/* Lookups with one deadline for all, so that the first ends first. */
struct pace {
	int64_t deadline_ms;
	struct pending_list pending;
	struct pending_list stale; /* of these, those that a stale route would help */
};

/* The style and the deadlines of a listener's lookups. */
struct profile {
	SLIST_ENTRY(profile) entry;
	enum answer_style style;
	bool cache_only;       /* see engine_profile_cache_only() */
	struct pace whole;     /* with the listener's deadline */
	struct pace shortened; /* for a client whose budget is spent */
};

/* Embedded in a lookup, which sets the first three fields and reads the others. */
struct pending {
	struct lookup_client *client; /* NULL: the daemon itself */
	/* The lookup is to end, for the reason why: its time is up, or it made room for
	 * another. Called by pending_expire() only, as the next one. */
	void (*deadline)(struct pending *pending, struct monotime now);
	/* Half of its time is up, and a stale route would do. */
	void (*stale)(struct pending *pending, struct monotime now);

	TAILQ_ENTRY(pending) entry, stale_entry;
	struct pending_set *set;
	struct pace *pace;
	struct share_place place;
	struct share_keys keys; /* of the user and the client; that of the zone is 0 */
	struct monotime started, deadline_at;
	struct monotime stale_after; /* zero: no stale route would do */
	enum reason why; /* REASON_BUSY: it made room for another; or REASON_DEADLINE */
	bool missed;     /* its deadline has come; set if it ends by that of stale() */
};

/* Both must outlive it. NULL: out of memory. */
struct pending_set *pending_set_new(
	const struct engine_config *config, const struct engine_ports *ports);

/* No lookup may be pending. Frees profiles, too. NULL is fine. */
void pending_set_free(struct pending_set *set);

/* For lookups that may take so many milliseconds. NULL: out of memory. */
struct profile *pending_profile_new(
	struct pending_set *set, enum answer_style style, int64_t deadline_ms);

/* A lookup of the domain is pending from now on; it takes a place, perhaps from another.
 * Otherwise returns why it can't be. */
enum reason pending_start(struct pending *pending, struct pending_set *set,
	struct profile *profile, const struct domain *domain, struct monotime now);
void pending_stop(struct pending *pending);

/* A stale route would do, from half of the time on, so that the other half is left for
 * tor; or it wouldn't any more. */
void pending_set_stale(struct pending *pending, struct monotime now);
void pending_clear_stale(struct pending *pending);

/* The client's budget, as the lookup ends with this answer. */
void pending_charge(
	struct pending *pending, const struct answer *answer, struct monotime now);

/* Calls those whose time has come. When to call it next; false: none is pending. */
void pending_expire(struct pending_set *set, struct monotime now);
bool pending_next_deadline(const struct pending_set *set, struct monotime *when);

/* How many lookups are pending, with those that made room and aren't told yet. */
size_t pending_count(const struct pending_set *set);

#endif
