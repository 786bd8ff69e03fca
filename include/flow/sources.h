/* The interfaces that the flow needs from outside. The shell implements these with
 * tinycdb and c-ares, the tests with fakes. */
#ifndef FLOW_SOURCES_H
#define FLOW_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dnsmsg.h"
#include "core/maptext.h"
#include "core/monotime.h"

enum map_result {
	MAP_MISS,
	MAP_HIT,
	MAP_BROKEN, /* the map can't tell */
};

struct map_value {
	size_t len;
	/* maprec_parse() has taken it, and it can't have changed since. False before
	 * get() is called, and set by nothing but a map that has been checked. */
	bool checked;
	char text[MAP_VALUE_MAX];
};

struct map_source {
	/* Another number when there is another map, or this one has been found damaged:
	 * what it has said of a key holds until then. 0: nothing holds. */
	uint32_t generation;

	/* Copies the value of a key out on MAP_HIT. */
	enum map_result (*get)(struct map_source *map, const char *key, size_t keylen,
		struct map_value *value);
};

struct dns_query;

/* The answer is valid during the call only. */
typedef void dns_done(void *arg, const struct dns_answer *answer, struct monotime now);

/* A DNS server. */
struct dns_source {
	const char *name; /* for the log and for explanations: its address */

	/* Starts a question; the name (NUL-terminated) is copied. NULL: out of memory.
	 * done runs at most once, never before this has returned, and not at all after
	 * cancel. The question is asked once. Without an answer it stays under way until
	 * it is cancelled; if nobody is there, done runs soon with REASON_DNS_DOWN. */
	struct dns_query *(*ask)(struct dns_source *server, enum dns_type type,
		const char *name, dns_done *done, void *arg);
	void (*cancel)(struct dns_query *query);

	/* When the server last sent something, though it wasn't a whole answer. Zero:
	 * never. */
	struct monotime heard;

	/* Changes when the server may have been restarted. */
	uint32_t restarts;
};

#endif
