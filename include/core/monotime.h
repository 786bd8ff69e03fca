/* Monotonic time, a type of its own so that it can't be mixed with a wall clock
 * or with a duration. The core never reads a clock: "now" is a parameter. */
#ifndef CORE_MONOTIME_H
#define CORE_MONOTIME_H

#include <stdbool.h>
#include <stdint.h>

/* A point on CLOCK_BOOTTIME. Zero is before every other point. */
struct monotime {
	int64_t ns;
};

static inline struct monotime
monotime_add_ms(struct monotime t, int64_t ms)
{
	return (struct monotime){t.ns + ms * 1000000};
}

static inline struct monotime
monotime_add_s(struct monotime t, int64_t s)
{
	return monotime_add_ms(t, s * 1000);
}

/* Milliseconds from b to a, rounded up, so that a timer is never set to nothing before
 * its time. */
static inline int64_t
monotime_diff_ms(struct monotime a, struct monotime b)
{
	int64_t ns = a.ns - b.ns;

	return ns > 0 ? (ns + 999999) / 1000000 : ns / 1000000;
}

static inline bool
monotime_before(struct monotime a, struct monotime b)
{
	return a.ns < b.ns;
}

/* A deadline has come as soon as now equals it. */
static inline bool
monotime_reached(struct monotime deadline, struct monotime now)
{
	return deadline.ns <= now.ns;
}

/* Sets *first, which has been set before if any is true, to the earlier of it and t.
 * Returns true, for the next call. */
static inline bool
monotime_first(bool any, struct monotime t, struct monotime *first)
{
	if (!any || monotime_before(t, *first))
		*first = t;
	return true;
}

#endif
