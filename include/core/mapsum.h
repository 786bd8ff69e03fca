/* The checksum of a compiled map. It stands in a record of its own behind all others, so
 * that a map which holds a part of another one is known to be damaged. */
#ifndef CORE_MAPSUM_H
#define CORE_MAPSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The key of that record. No lookup asks for it: a domain has no colon, and Exim, Postfix
 * and onionmxd fold their keys to lower case. The value is the number of entries, a
 * blank, and 16 hexadecimal digits. */
#define MAP_SUM_KEY "ONIONMAP:CHECKSUM"
#define MAP_SUM_VALUE_MAX (sizeof("18446744073709551615 0123456789abcdef") - 1)

/* All zeros: no entry yet. */
struct map_sum {
	uint64_t entries;
	uint64_t sum;
};

/* Adds an entry; the order counts. record: the key and right behind it the value, as in
 * the file. */
void map_sum_add(struct map_sum *, const char *record, size_t keylen, size_t len);

/* The value of the record, with a NUL. Returns its length without that. */
size_t map_sum_value(const struct map_sum *, char out[MAP_SUM_VALUE_MAX + 1]);

bool map_sum_is_key(const char *key, size_t len);

#endif
