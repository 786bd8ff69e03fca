/* The inside of the flow: its files share these, nobody else sees them. */
#ifndef FLOW_ENGINE_H
#define FLOW_ENGINE_H

#include <sys/queue.h>

#include "core/cache.h"
#include "core/shares.h"
#include "flow/flight.h"
#include "flow/lookup.h"
#include "tor_names.h"

TAILQ_HEAD(lookups, lookup);

/* Lookups with one deadline for all, so that the first ends first. */
struct pace {
	int64_t deadline_ms;
	struct lookups pending;
	struct lookups patient; /* of these, those that a stale route would help */
};

enum {
	PACE_WHOLE, /* the listener's deadline */
	PACE_SHORT, /* that of a client whose budget is spent */
	PACES,
};

struct profile {
	SLIST_ENTRY(profile) entry;
	enum answer_style style;
	struct pace pace[PACES];
};

/* What a lookup was told while it waited. It may be too short-lived for the cache. */
struct held {
	SLIST_ENTRY(held) entry;
	enum dns_type type;
	struct domain subject;
	struct fact fact;
	char packed[]; /* the set of the fact, which has the names */
};

SLIST_HEAD(held_facts, held);

/* A question that a lookup waits for. */
struct wait {
	SLIST_ENTRY(wait) entry;
	struct flight_waiter waiter;
	struct lookup *lookup;
	enum dns_type type;
	struct domain subject;
};

/* One target on its way to an address. */
struct address {
	struct flight_waiter waiter;
	struct lookup *lookup;
	uint32_t epoch; /* tor's, when it gave the address */
	struct target target;
	char host[DOMAIN_MAX + 1];
};

struct lookup {
	struct engine *engine;
	struct profile *profile;
	struct pace *pace; /* of the profile */
	struct lookup_client *client;
	struct share_place place;
	TAILQ_ENTRY(lookup) entry;
	TAILQ_ENTRY(lookup) patient_entry;
	struct monotime started, deadline;
	bool displaced; /* it made room for another, and isn't told yet */
	bool missed;    /* its deadline has come, or that for a stale route */
	struct monotime patience_ends; /* zero: isn't in the list of the patient */
	struct domain domain;
	struct policy policy;
	lookup_done *done;
	void *arg;
	struct trail *trail;
	SLIST_HEAD(, wait) waits;
	struct held_facts held;
	struct tor_asker asker;  /* of these, as tor gives them: */
	uint8_t n, missing;      /* addresses, and how many of them are still to come */
	struct address *address; /* NULL as long as the targets aren't known */

	/* While it waits for the bridge; its address is the only one above. */
	TAILQ_ENTRY(lookup) crossing_entry;
	struct bridge_wait crossing;
};

/* The most questions that a decision can lack at once: TXT, and A or TLSA for each MX. */
#define WANTED_MAX (1 + TARGETS_MAX)

struct wanted {
	enum dns_type type;
	struct domain subject;
};

#define SEEMS_MAPPED_BITS 12

struct engine {
	struct engine_config config;
	struct engine_ports ports;
	struct cache *cache;
	struct upstream *dns, *tor;
	struct flights *dns_flights, *tor_flights;
	struct tor_names *tor_names; /* NULL without tor */
	uint32_t tor_checked;        /* tor's epoch, when it was found to be the same */
	SLIST_HEAD(, profile) profiles;
	struct shares *places;   /* of lookups that are pending */
	size_t pending;          /* and of those that made room and aren't told yet */
	struct lookups crossing; /* lookups that wait for the bridge; the first is the
				    first to end */

	/* What the names of a ready answer point into. */
	struct domain domain;
	struct map_value value;

	struct onion_memo memo;                    /* of the map */
	bool seems_mapped[1 << SEEMS_MAPPED_BITS]; /* see decide.c */

	/* Of the decision being made */
	struct wanted wanted[WANTED_MAX]; /* what it lacks */
	struct wanted renew[WANTED_MAX];  /* what it has, and will soon expire */
};

static inline struct counters *
counters(const struct engine *e)
{
	return e->ports.counters;
}

/* The most counters that a decision can add to: the map, twice for each thing that it
 * asks DNS for, and what it makes of that. */
#define EFFECTS_COUNTED (8 + 2 * (3 + 2 * TARGETS_MAX))

/* What is done once a decision stands. The same one may be made several times before,
 * each time that more has become known. */
struct effects {
	size_t ncounted;
	uint64_t *counted[EFFECTS_COUNTED];
	size_t nrenew;        /* in engine->renew */
	bool is_mapped;       /* has the domain an entry of the map? */
	bool map_asked;       /* the map was asked */
	enum pin_verdict pin; /* what DNS says compared with the domain's pin, or */
	bool pin_first_use;   /* it becomes the pin */
	struct fact pinned;   /* this; its names are valid as long as the cache's */
};

/* A decision: what it is made from, and what comes of it. */
struct inquiry {
	struct engine *engine;
	const struct domain *domain;
	struct monotime now;
	const struct held_facts *held; /* NULL: none */
	enum reason give_up; /* not REASON_NONE: don't wait for what isn't known */
	struct trail *trail;

	struct answer *answer; /* if it is decided */
	struct policy policy;
	enum route_origin origin; /* of what the map said last */
	bool stale_would_do; /* an expired route is there, and is being asked for again */
	enum reason
		stale;  /* not REASON_NONE: it rests on an expired fact, as DNS fails */
	size_t nwanted; /* if it isn't decided: questions in engine->wanted */
	struct effects effects;
};

/* effects.c */

/* Adds one to a counter once the decision stands. */
void effects_count(struct inquiry *, uint64_t *counter);

/* The decision stands: does all that was noted. To be called once, right after decide().
 */
void effects_apply(struct inquiry *);

/* decide.c: where the domain's mail goes. False: it takes answers that are wanted. It is
 * always decided once it gives up. */
bool decide(struct inquiry *);

/* Whether the map has an entry for the domain, for the next decision. */
void remember_entry(struct inquiry *, bool is_mapped);

/* know.c */

enum knowledge {
	KNOWN,
	UNKNOWABLE, /* now; the fact has the reason */
	WANTED,     /* it was noted as wanted */
};

enum knowledge know(
	struct inquiry *, enum dns_type, const struct domain *subject, struct fact *);

/* The name that DNS is asked for. False: it would be too long. */
bool dns_name_of(const struct engine *, enum dns_type, const char *subject,
	char out[FLIGHT_NAME_MAX + 1]);

/* trust.c: whether a route that DNS gave may be used. */

enum trust {
	TRUST_YES,
	TRUST_NO,      /* answer is set */
	TRUST_UNKNOWN, /* something is wanted */
};

/* What DNS says of the SRV becomes what is pinned, if it differs and isn't trusted as a
 * change. Returns whether the domain's route is pinned. */
bool trust_pinned(struct inquiry *, struct fact *srv);

/* A route that is trusted is pinned at its first use. */
enum trust trust_route(struct inquiry *, const struct fact *srv, bool pinned);

/* Is this fact as secure as the domain's policy wants it? */
bool secure_enough(const struct inquiry *, const struct fact *);

/* Ends the decision as on_insecure says. */
void answer_insecure(struct inquiry *);

/* address.c: the second half of a lookup in the style "address". */

/* Asks for an address for each target of an answer. Anything but REASON_NONE: it
 * couldn't, and the lookup is to end. */
enum reason addresses_start(struct lookup *, const struct answer *, struct monotime now);
void addresses_forget(struct lookup *);
bool address_is_tors(const struct engine *, uint32_t ip);

/* room.c: whose the questions of a lookup are, in the zone of a name. */
struct share_keys keys_of(
	const struct engine *, const struct lookup_client *, const char *name);

/* Takes a place for a lookup that is pending, perhaps from another. */
enum reason lookup_take_place(struct lookup *, struct monotime now);

/* The client's budget as a lookup starts, and as it ends. */
struct pace *pace_for(
	struct engine *, const struct lookup_request *, struct monotime now);
void lookup_charge(struct lookup *, const struct answer *, struct monotime now);

/* crossing.c: the last half of a lookup in the style "bridge". */

bool needs_bridge(const struct profile *, const struct answer *);

/* Puts the bridge's address in place of the route's targets, or a reason. True: the
 * lookup should wait for it. */
bool crossing_begin(struct engine *, const struct domain *, const struct policy *,
	struct answer *, struct bridge_wait *);

/* Makes it wait. Anything but REASON_NONE: it can't. */
enum reason crossing_wait(
	struct lookup *, const struct target_set *, const struct bridge_wait *);

/* It waits no longer. Legal in any state. */
void crossing_leave(struct lookup *);

/* There is no time to wait, for this reason. */
void crossing_give_up(const struct bridge_wait *, enum reason, struct answer *);

/* Ends a lookup that waits; REASON_NONE: what it waited for is there. */
void crossing_end(struct lookup *, enum reason, struct monotime now);

/* lookup.c: ends a pending lookup. */
void lookup_finish(struct lookup *, struct answer *, struct monotime now);
void lookup_finish_temp(struct lookup *, enum reason, struct monotime now);

/* Its time is up, or half of it and a stale route would help. */
void lookup_deadline(struct lookup *, struct monotime now);
void lookup_patience_ends(struct lookup *, struct monotime now);

#endif
