/* The SOCKS ports of several tors. A connection goes to one that works, the one with the
 * fewest; those that don't are probed in the background until they answer again. */
#ifndef NET_TORPOOL_H
#define NET_TORPOOL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/counters.h"
#include "net/addr.h"
#include "net/loop.h"

#define TORPOOL_MAX 8

struct torpool;

/* NULL: out of memory, logged. The addresses are copied. */
struct torpool *torpool_new(
	struct loop *, const struct net_addr socks[], size_t n, struct counters *);
void torpool_free(struct torpool *);

/* The best of those that aren't in the set tried (a bit for each); torpool_size() if none
 * of them works. */
size_t torpool_choose(const struct torpool *, unsigned tried);
size_t torpool_size(const struct torpool *);
const struct net_addr *torpool_address(const struct torpool *, size_t i);

/* A connection to it begins, and is over. */
void torpool_begin(struct torpool *, size_t i);
void torpool_end(struct torpool *, size_t i);

/* It has spoken SOCKS, or it hasn't. */
void torpool_worked(struct torpool *, size_t i);
void torpool_failed(struct torpool *, size_t i);

#endif
