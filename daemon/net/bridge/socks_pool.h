/* The SOCKS ports of several tors. A connection goes to one that works, the one with the
 * fewest; those that don't are probed in the background until they answer again. */
#ifndef NET_SOCKS_POOL_H
#define NET_SOCKS_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/counters.h"
#include "net/addr.h"
#include "net/loop.h"

#define SOCKS_POOL_MAX 8

struct socks_pool;

/* NULL: out of memory, logged. The addresses are copied. */
struct socks_pool *socks_pool_new(
	struct loop *, const struct net_addr socks[], size_t n, struct counters *);
void socks_pool_free(struct socks_pool *);

/* The best of those that aren't in the set tried (a bit for each); socks_pool_size() if
 * none of them works. */
size_t socks_pool_choose(const struct socks_pool *, unsigned tried);
size_t socks_pool_size(const struct socks_pool *);
const struct net_addr *socks_pool_address(const struct socks_pool *, size_t i);

/* A connection to it begins, and is over. */
void socks_pool_begin(struct socks_pool *, size_t i);
void socks_pool_end(struct socks_pool *, size_t i);

/* It has spoken SOCKS, or it hasn't. */
void socks_pool_worked(struct socks_pool *, size_t i);
void socks_pool_failed(struct socks_pool *, size_t i);

#endif
