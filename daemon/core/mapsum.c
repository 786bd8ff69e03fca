#include "core/mapsum.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/siphash.h"

void
map_sum_add(struct map_sum *s, const char *record, size_t keylen, size_t len)
{
	const struct siphash_key key = {s->sum, (uint64_t)keylen << 32 | len};

	s->sum = siphash13(&key, record, keylen + len);
	s->entries++;
}

size_t
map_sum_value(const struct map_sum *s, char out[MAP_SUM_VALUE_MAX + 1])
{
	return (size_t)sprintf(out, "%" PRIu64 " %016" PRIx64, s->entries, s->sum);
}

bool
map_sum_is_key(const char *key, size_t len)
{
	return len == strlen(MAP_SUM_KEY) && memcmp(key, MAP_SUM_KEY, len) == 0;
}
