/* A function that is called again and again. */
#ifndef NET_TICKER_H
#define NET_TICKER_H

#include <stdint.h>

#include "net/loop.h"
#include "watch.h"

/* A time that comes again and again. It can't fail either; libevent's persistent timers
 * do, silently, when there is no memory at their end. */
struct ticker {
	struct watch watch;
	int64_t every_ms;
	void (*fn)(void *arg);
	void *arg;
};

/* Calls fn from now on, every so many milliseconds. */
void ticker_start(struct ticker *ticker, struct loop *loop, int64_t every_ms,
	void (*fn)(void *arg), void *arg);

/* Legal in any state, as above. */
void ticker_stop(struct ticker *ticker);

#endif
