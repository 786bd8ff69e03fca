/* Writes cdb files in memory, by their specification and not by ours. */
#ifndef UNIT_CDB_H
#define UNIT_CDB_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mapsum.h"

#define CDB_RECORDS_MAX 22000

struct cdb_image {
	unsigned char *data; /* of exactly this size */
	size_t size;
	uint32_t position[CDB_RECORDS_MAX]; /* of each record */
	unsigned n;
	uint32_t end; /* of the records */
	struct map_sum sum;
};

static inline void
cdb_put(unsigned char *p, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(n >> 8 * i);
}

static inline uint32_t
cdb_number(const unsigned char *p)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++)
		n |= (uint32_t)p[i] << 8 * i;
	return n;
}

static inline uint32_t
cdb_hash_of(const unsigned char *key, size_t len)
{
	uint32_t h = 5381;

	while (len-- > 0)
		h = ((h << 5) + h) ^ *key++;
	return h;
}

static inline unsigned char *
cdb_grow(struct cdb_image *c, size_t more)
{
	c->data = realloc(c->data, c->size + more);
	if (c->data == NULL)
		abort();
	memset(c->data + c->size, 0, more);
	c->size += more;
	return c->data + c->size - more;
}

static inline void
cdb_begin(struct cdb_image *c)
{
	memset(c, 0, sizeof(*c));
	cdb_grow(c, 2048);
}

static inline void
cdb_add(struct cdb_image *c, const void *key, size_t keylen, const void *value,
	size_t len)
{
	unsigned char *p;

	if (c->n == CDB_RECORDS_MAX)
		abort();
	c->position[c->n++] = (uint32_t)c->size;
	p = cdb_grow(c, 8 + keylen + len);
	cdb_put(p, (uint32_t)keylen);
	cdb_put(p + 4, (uint32_t)len);
	memcpy(p + 8, key, keylen);
	memcpy(p + 8 + keylen, value, len);
	map_sum_add(&c->sum, (const char *)p + 8, keylen, len);
}

static inline void
cdb_add_text(struct cdb_image *c, const char *key, const char *value)
{
	cdb_add(c, key, strlen(key), value, strlen(value));
}

static inline void
cdb_add_sum(struct cdb_image *c)
{
	char value[MAP_SUM_VALUE_MAX + 1];

	map_sum_value(&c->sum, value);
	cdb_add_text(c, MAP_SUM_KEY, value);
}

static inline uint32_t
cdb_hash_at(const struct cdb_image *c, uint32_t position)
{
	return cdb_hash_of(c->data + position + 8, cdb_number(c->data + position));
}

/* Where the slot is that leads to a record. */
static inline unsigned char *
cdb_slot(const struct cdb_image *c, uint32_t position)
{
	const unsigned char *entry = c->data + cdb_hash_at(c, position) % 256 * 8;
	unsigned char *slot = c->data + cdb_number(entry);

	while (cdb_number(slot + 4) != position)
		slot += 8;
	return slot;
}

static inline void
cdb_fill_table(struct cdb_image *c, uint32_t table)
{
	uint32_t at = (uint32_t)c->size, slots = 0;

	for (unsigned i = 0; i < c->n; i++)
		if (cdb_hash_at(c, c->position[i]) % 256 == table)
			slots += 2;
	cdb_put(c->data + table * 8, at);
	cdb_put(c->data + table * 8 + 4, slots);
	cdb_grow(c, slots * 8);
	for (unsigned i = 0; i < c->n; i++) {
		const uint32_t hash = cdb_hash_at(c, c->position[i]);
		uint32_t slot;

		if (hash % 256 != table)
			continue;
		slot = hash / 256 % slots;
		while (cdb_number(c->data + at + slot * 8 + 4) != 0)
			slot = (slot + 1) % slots;
		cdb_put(c->data + at + slot * 8, hash);
		cdb_put(c->data + at + slot * 8 + 4, c->position[i]);
	}
}

static inline void
cdb_finish(struct cdb_image *c)
{
	c->end = (uint32_t)c->size;
	for (uint32_t table = 0; table < 256; table++)
		cdb_fill_table(c, table);
}

#endif
