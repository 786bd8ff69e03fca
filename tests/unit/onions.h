/* Valid onion names, as many as a test wants. */
#ifndef TESTS_ONIONS_H
#define TESTS_ONIONS_H

#include <stdint.h>
#include <string.h>

#include <nettle/sha3.h>

#include "core/onion.h"

/* The name of a service whose key begins with seed: another for each below 65536. */
static inline void
unit_onion(char out[ONION_LEN + 1], unsigned seed)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t key[32], digest[SHA3_256_DIGEST_SIZE], binary[35];
	struct sha3_256_ctx ctx;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(seed + i);
	key[31] ^= (uint8_t)(seed >> 8);
	sha3_256_init(&ctx);
	sha3_256_update(&ctx, 15, (const uint8_t *)".onion checksum");
	sha3_256_update(&ctx, sizeof(key), key);
	sha3_256_update(&ctx, 1, (const uint8_t *)"\003");
	sha3_256_digest(&ctx, sizeof(digest), digest);
	memcpy(binary, key, sizeof(key));
	memcpy(binary + 32, digest, 2);
	binary[34] = 3;
	for (size_t i = 0; i < ONION_LABEL_LEN; i++) {
		size_t bit = 5 * i, byte = bit / 8;
		unsigned two = (unsigned)binary[byte] << 8;

		if (byte + 1 < sizeof(binary))
			two |= binary[byte + 1];
		out[i] = digits[two >> (11 - bit % 8) & 31];
	}
	memcpy(out + ONION_LABEL_LEN, ".onion", sizeof(".onion"));
}

#endif
