/* What the kernel has refused, or what lacked memory, and is tried again every
 * RETRY_EVERY_MS until it succeeds. That needs no memory itself: its timer is a
 * descriptor which is watched from the start on. */
#ifndef NET_RETRY_H
#define NET_RETRY_H

#include <stdbool.h>
#include <sys/queue.h>

#include "loop_base.h"

#define RETRY_EVERY_MS 50

/* One thing to be tried again, a part of its owner. It begins as zeros. */
struct retry {
	LIST_ENTRY(retry) entry;
	bool (*again)(struct retry *retry);
	bool waits; /* for its next try */
};

struct retry_list {
	LIST_HEAD(, retry) waiting;
	struct event event;
	int timer; /* a timerfd, armed while anything waits */
};

/* False on failure. */
bool retry_open(struct retry_list *list, struct event_base *base);
void retry_close(struct retry_list *list);

/* Has again(retry) called from the loop until it returns true: it has succeeded. It may
 * neither add nor remove others. retry must not wait already. */
void retry_add(
	struct retry_list *list, struct retry *retry, bool (*again)(struct retry *retry));

/* Legal in any state. */
void retry_remove(struct retry *retry);

#endif
