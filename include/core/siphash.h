/* SipHash-1-3 (Aumasson, Bernstein): a keyed hash, so that whoever sends mail can't
 * choose names that collide in our tables. */
#ifndef CORE_SIPHASH_H
#define CORE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

uint64_t siphash13(const struct siphash_key *, const void *data, size_t len);

#endif
