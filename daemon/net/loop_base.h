/* What is below the loop: for watch.c, which adds the events, and the tests. */
#ifndef NET_LOOP_BASE_H
#define NET_LOOP_BASE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdint.h>
#include <sys/time.h>

struct loop;
struct retry_list;

struct event_base *loop_base(struct loop *loop);
struct retry_list *loop_retries(struct loop *loop);

static inline struct timeval
timeval_ms(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

#endif
