/* The event loop. Every wait of the daemon is one of its events. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "core/monotime.h"

struct loop;

/* NULL on failure, logged. */
struct loop *loop_new(void);
void loop_free(struct loop *);

/* Returns after loop_stop(). */
void loop_run(struct loop *);
void loop_stop(struct loop *);

/* The time since the machine was started, with the time for which it was suspended: what
 * expires does so in that time, too. */
struct monotime loop_now(void);

#endif
