/* IPv4 networks. */
#ifndef CORE_NET4_H
#define CORE_NET4_H

#include <stdbool.h>
#include <stdint.h>

struct net4 {
	uint32_t address; /* host byte order; no bit is set behind the prefix */
	unsigned prefix;  /* bits, 1 to 32 */
};

static inline bool
net4_has(const struct net4 *net, uint32_t ip)
{
	return (ip ^ net->address) >> (32 - net->prefix) == 0;
}

static inline uint32_t
net4_last(const struct net4 *net)
{
	return net->address | (uint32_t)(UINT64_C(0xffffffff) >> net->prefix);
}

#endif
