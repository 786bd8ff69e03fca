/* Log lines that say when a server goes down and when it is back. One that comes and goes
 * all the time fills no log: a report follows the one before after OUTAGE_LOG_S at the
 * earliest, and tells how many outages there were in between. */
#ifndef NET_OUTAGE_H
#define NET_OUTAGE_H

#include <stdbool.h>

#include "core/monotime.h"

#define OUTAGE_LOG_S 60

/* The caller sets what and name, which must outlive it; all else begins as zeros. */
struct outage {
	const char *what; /* "resolver" */
	const char *name; /* its address */
	bool is_on;
	bool is_reported;         /* the present one */
	struct monotime since;    /* when the present one began */
	struct monotime reported; /* the last one that was */
	unsigned unreported;      /* outages since then */
};

/* It is down, as was seen just now; to be called again each time that it is seen. */
void outage_seen(struct outage *outage, struct monotime now);

/* It is up. Legal in any state. */
void outage_over(struct outage *outage, struct monotime now);

#endif
