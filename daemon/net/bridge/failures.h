/* Why the targets that failed last did, for an operator who asks. A table of fixed size:
 * a new target takes the place of another one, so a target that isn't there says nothing.
 */
#ifndef NET_FAILURES_H
#define NET_FAILURES_H

#include <stddef.h>
#include <stdint.h>

#include "core/monotime.h"
#include "core/siphash.h"

#define FAILURES_MAX 1024

struct failure {
	uint64_t target; /* its hash; 0: free */
	struct monotime when;
	const char *why;
};

struct failures {
	struct siphash_key
		key; /* a secret, so that nobody can choose whose place is taken */
	struct failure entry[FAILURES_MAX];
};

/* The connection to this target, a host of len bytes and a port, has failed now. why
 * stays the caller's and must live as long; NULL: the connection hasn't failed, and what
 * was known is forgotten. */
void failures_note(struct failures *, const char *host, size_t len, uint16_t port,
	const char *why, struct monotime now);

/* The last failure of this target; NULL: none is known. */
const struct failure *failures_get(
	const struct failures *, const char *host, size_t len, uint16_t port);

#endif
