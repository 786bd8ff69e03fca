/* A lookup's wait for DNS: the names that its decision needs, and what it was told. */
#ifndef FLOW_DNS_WAIT_H
#define FLOW_DNS_WAIT_H

#include "inquiry.h"

/* Embedded in a lookup, which sets the first fields. */
struct dns_wait {
	struct inquiry_env *env;
	struct share_keys keys;  /* of the user and the client who ask */
	bool cache_only;         /* the lookup only fills the cache */
	int64_t deadline_ms;     /* how long one name may be waited for */
	struct explain *explain; /* NULL, or where to tell why */

	/* An answer has come. REASON_NOMEM: it couldn't be kept, and it is no use to go
	 * on waiting. It may free the wait. */
	void (*answered)(void *arg, enum reason give_up, struct monotime now);
	void *arg;

	SLIST_HEAD(, dns_wait_name) names; /* awaited */
	struct kept_answers kept;          /* for the inquiry */
};

/* Waits for what env->needed has, n names, too. Otherwise returns why it is no use to. */
enum reason dns_wait_for(struct dns_wait *wait, size_t n, struct monotime now);

/* Waits for nothing any more. What has been answered is kept. */
void dns_wait_cancel(struct dns_wait *wait);

/* Cancels, and frees what is kept. */
void dns_wait_clear(struct dns_wait *wait);

#endif
