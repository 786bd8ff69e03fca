/* What the daemon waits for: a descriptor that is ready, a time, a signal. Whoever asks
 * for it can be refused by the kernel or for lack of memory, at any time. So nothing else
 * adds an event to the loop, and there are two ways to ask:
 *
 * - watch_start() says that it has failed. It is for what can end in that case, like a
 *   client's connection.
 * - watch_insist() can't fail. It is for what the daemon can't do without: it is tried
 *   again (retry.h) until it succeeds or the watch is stopped. */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "loop_base.h"
#include "net/loop.h"
#include "retry.h"

/* For limit_ms: as long as it takes. */
#define WATCH_NO_LIMIT INT64_MAX

/* It must neither move nor be freed until it has been stopped, or, if it isn't persistent
 * and wasn't started since, has called back. */
struct watch {
	struct event event;
	struct retry_list *retries; /* NULL: not prepared */
	struct retry retry;
	struct monotime at; /* while that waits: when its time is over; zero: never */
};

/* Prepares a watch, which is stopped. what is a set of EV_READ, EV_WRITE and so on;
 * fn(fd, what has come, arg) is called from the loop. */
void watch_init(struct watch *watch, struct loop *loop, int fd, short what,
	event_callback_fn fn, void *arg);

/* Prepares one that waits for nothing but a time, or for watch_fire(). */
void watch_init_timer(
	struct watch *watch, struct loop *loop, event_callback_fn fn, void *arg);

/* Waits, limit_ms at most: then fn is called with EV_TIMEOUT. If it waits already, the
 * new limit counts from now on. False: it doesn't wait, and fn won't be called. */
__attribute__((warn_unused_result)) bool watch_start(
	struct watch *watch, int64_t limit_ms);

/* The same without failure. */
void watch_insist(struct watch *watch, int64_t limit_ms);

/* Calls fn with EV_TIMEOUT in this turn of the loop or in the next. Needs no memory. */
void watch_fire(struct watch *watch);

/* Was it started, and has neither called back, unless it is persistent, nor been stopped?
 */
bool watch_is_on(const struct watch *watch);

/* fn isn't called any more. Legal in any state, also when all of its bytes are zero. */
void watch_stop(struct watch *watch);

#endif
