#include "core/mapimage.h"

#include <string.h>

#include "core/maprec.h"
#include "core/maptext.h"

/* The header: 256 hash tables, a position and a number of slots for each. */
#define TABLES 256

/* A slot: the hash of a key and the position of its record; that is 0 if it is empty. */
#define SLOT 8

/* What stands before the key of a record: the length of the key and that of the value. */
#define LENGTHS 8

static uint32_t
unpack(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static uint32_t
hash_of(const char *key, size_t len)
{
	uint32_t h = 5381;

	for (size_t i = 0; i < len; i++)
		h = h * 33 ^ (unsigned char)key[i];
	return h;
}

/* Where the records end: the position of the first table. */
static uint32_t
records_end(const struct map_image *m)
{
	return unpack(m->data);
}

bool
map_image_is_whole(const struct map_image *m)
{
	uint64_t expected;

	if (m->size < MAP_IMAGE_EMPTY || m->size > MAP_IMAGE_MAX)
		return false;
	expected = records_end(m);
	if (expected < MAP_IMAGE_EMPTY)
		return false;
	for (const unsigned char *p = m->data; p < m->data + MAP_IMAGE_EMPTY; p += 8) {
		if (unpack(p) != expected)
			return false;
		expected += (uint64_t)unpack(p + 4) * SLOT;
	}
	return expected == m->size;
}

/* The record at a position, which may be any number. */
static bool
record_at(const struct map_image *m, uint32_t position, struct map_record *r)
{
	const uint32_t end = records_end(m);
	uint32_t left;

	if (position < MAP_IMAGE_EMPTY || position > end || end - position < LENGTHS)
		return false;
	left = end - position - LENGTHS;
	r->position = position;
	r->keylen = unpack(m->data + position);
	r->len = unpack(m->data + position + 4);
	if (r->keylen > left || r->len > left - r->keylen)
		return false;
	r->key = (const char *)m->data + position + LENGTHS;
	r->value = r->key + r->keylen;
	return true;
}

enum map_image_status
map_image_find(
	const struct map_image *m, const char *key, size_t keylen, struct map_record *r)
{
	const uint32_t hash = hash_of(key, keylen);
	const unsigned char *entry = m->data + hash % TABLES * 8;
	const unsigned char *table = m->data + unpack(entry);
	const uint32_t slots = unpack(entry + 4);
	uint32_t slot = slots == 0 ? 0 : (hash >> 8) % slots;

	for (uint32_t i = 0; i < slots; i++) {
		const unsigned char *p = table + (size_t)slot * SLOT;
		const uint32_t position = unpack(p + 4);

		if (position == 0)
			return MAP_IMAGE_MISSING;
		if (unpack(p) == hash) {
			if (!record_at(m, position, r))
				return MAP_IMAGE_DAMAGED;
			if (r->keylen == keylen && memcmp(r->key, key, keylen) == 0)
				return MAP_IMAGE_FOUND;
		}
		if (++slot == slots)
			slot = 0;
	}
	return MAP_IMAGE_MISSING;
}

enum map_image_status
map_image_next(const struct map_image *m, uint32_t *next, struct map_record *r)
{
	if (*next == records_end(m))
		return MAP_IMAGE_MISSING;
	if (!record_at(m, *next, r))
		return MAP_IMAGE_DAMAGED;
	*next += LENGTHS + (uint32_t)(r->keylen + r->len);
	return MAP_IMAGE_FOUND;
}

/* The check */

static enum map_check_status
bad(struct map_image_check *c, const char *wrong)
{
	c->wrong = wrong;
	return MAP_CHECK_BAD;
}

void
map_image_check_start(struct map_image_check *c, const struct map_image *image)
{
	memset(c, 0, sizeof(*c));
	c->image = *image;
	c->next = MAP_IMAGE_EMPTY;
	if (!map_image_is_whole(image))
		c->wrong = "cut off, or not a cdb file";
}

static bool
is_entry(struct map_image_check *c, const struct map_record *r)
{
	const size_t mx = strlen(MAP_KEY_MX);
	struct map_options options;
	struct target_set route;

	if (r->len > MAP_VALUE_MAX || !map_key_valid(r->key, r->keylen))
		return false;
	switch (maprec_parse(r->value, r->len, &route, &options, &c->memo)) {
	case MAPREC_ROUTE:
	case MAPREC_NONE:
		return true;
	case MAPREC_SRV:
		return r->keylen < mx || memcmp(r->key, MAP_KEY_MX, mx) != 0;
	case MAPREC_BAD:
		break;
	}
	return false;
}

static bool
sum_is_right(const struct map_image_check *c, const struct map_record *r)
{
	char expected[MAP_SUM_VALUE_MAX + 1];
	size_t len = map_sum_value(&c->sum, expected);

	return r->len == len && memcmp(r->value, expected, len) == 0;
}

static enum map_check_status
check_record(struct map_image_check *c, const struct map_record *r)
{
	struct map_record found;

	if (c->has_sum)
		return bad(c, "records after the checksum");
	c->records++;
	if (map_image_find(&c->image, r->key, r->keylen, &found) != MAP_IMAGE_FOUND ||
		found.position != r->position)
		return bad(c, "a record that its key doesn't find");
	if (map_sum_is_key(r->key, r->keylen)) {
		c->has_sum = true;
		return sum_is_right(c, r) ? MAP_CHECK_MORE : bad(c, "wrong checksum");
	}
	if (!is_entry(c, r))
		return bad(c, "a record that is no map entry");
	map_sum_add(&c->sum, r->key, r->keylen, r->len);
	return MAP_CHECK_MORE;
}

/* Each record has been found by a slot of its own. */
static enum map_check_status
check_slots(struct map_image_check *c)
{
	const unsigned char *end = c->image.data + c->image.size;
	uint64_t used = 0;

	for (const unsigned char *p = c->image.data + records_end(&c->image); p < end;
		p += SLOT) {
		if (unpack(p + 4) != 0)
			used++;
		else if (unpack(p) != 0)
			return bad(c, "a slot of a hash table that is neither empty nor "
				      "in use");
	}
	return used == c->records ? MAP_CHECK_GOOD
				  : bad(c, "a slot of a hash table without a record");
}

enum map_check_status
map_image_check_more(struct map_image_check *c, unsigned records)
{
	struct map_record r;

	if (c->wrong != NULL)
		return MAP_CHECK_BAD;
	for (; records > 0; records--) {
		switch (map_image_next(&c->image, &c->next, &r)) {
		case MAP_IMAGE_MISSING:
			return check_slots(c);
		case MAP_IMAGE_DAMAGED:
			return bad(c, "a record that goes beyond the records' end");
		case MAP_IMAGE_FOUND:
			break;
		}
		if (check_record(c, &r) == MAP_CHECK_BAD)
			return MAP_CHECK_BAD;
	}
	return MAP_CHECK_MORE;
}
