/* Pending lookups: how long each may wait, and the places that they take, of which each
 * user, client and zone has a share (core/shares.h). */
#ifndef FLOW_PENDING_H
#define FLOW_PENDING_H

#include <sys/queue.h>

#include "core/shares.h"
#include "flow/lookup.h"

struct pending_set;
struct pace;

enum {
	PACE_WHOLE, /* the listener's deadline */
	PACE_SHORT, /* that of a client whose budget is spent */
	PACES,
};

/* What is done with one; none is called from inside a function but pending_set_expire().
 */
struct pending_calls {
	/* Its time is up, or it made room for another (pending_why()): it is to end. */
	void (*deadline)(void *arg, struct monotime now);
	/* Half of its time is up; a stale route would do. */
	void (*stale)(void *arg, struct monotime now);
};

/* Embedded in a lookup; the fields are this module's. */
struct pending {
	TAILQ_ENTRY(pending) entry, stale_entry;
	struct pending_set *set;
	struct pace *pace; /* of the profile */
	const struct pending_calls *calls;
	void *arg;
	struct lookup_client *client;
	struct share_place place;
	struct monotime started, deadline;
	struct monotime stale_after; /* zero: no stale route would do */
	bool displaced;              /* it made room for another, and isn't told yet */
	bool missed; /* its deadline has come, or that for a stale route */
};

struct pending_set_config {
	size_t max;                    /* at once; at least 1 */
	const struct siphash_key *key; /* for the shares of zones; must live as long */
	struct counters *counters;
	void (*alarm)(void *arg); /* pending_set_next_deadline() may have come nearer */
	void *alarm_arg;
};

/* NULL: out of memory. The configuration is copied. */
struct pending_set *pending_set_new(const struct pending_set_config *config);

/* None may be pending. Frees profiles, too. NULL is fine. */
void pending_set_free(struct pending_set *set);

/* For lookups that may take so many milliseconds. NULL: out of memory. */
struct profile *pending_set_profile(
	struct pending_set *set, enum answer_style style, int64_t deadline_ms);

enum answer_style pending_style(const struct profile *profile);

/* See lookup_client_limit(). */
void pending_limit_client(
	struct lookup_client *client, const struct profile *profile, struct monotime now);

/* Whose places are the client's; NULL: the daemon's own. The zone is 0. */
struct share_keys pending_keys(const struct lookup_client *client);

/* A lookup of the domain is pending from now on; it takes a place, perhaps from another.
 * Otherwise returns why it can't be. */
enum reason pending_start(struct pending_set *set, struct pending *pending,
	const struct lookup_request *request, const struct domain *domain,
	struct monotime now);
void pending_stop(struct pending *pending);

/* How long it may wait in all, in milliseconds. */
int64_t pending_deadline_ms(const struct pending *pending);
bool pending_is_late(const struct pending *pending, struct monotime now);

/* Why it is to end when it can't wait. */
enum reason pending_why(const struct pending *pending);

/* Half of the time from now on a stale route would do, so that the other half is left for
 * tor; or it wouldn't any more. */
void pending_set_stale(struct pending *pending, struct monotime now);
void pending_clear_stale(struct pending *pending);

/* It ends by its deadline, or by that for a stale route. */
void pending_set_missed(struct pending *pending);

/* The client's budget, as the lookup ends with this answer. */
void pending_charge(
	struct pending *pending, const struct answer *answer, struct monotime now);

/* Calls those whose time has come. When to call it next; false: none is pending. */
void pending_set_expire(struct pending_set *set, struct monotime now);
bool pending_set_next_deadline(const struct pending_set *set, struct monotime *when);

/* Those that made room and aren't told yet count. */
size_t pending_count(const struct pending_set *set);

#endif
