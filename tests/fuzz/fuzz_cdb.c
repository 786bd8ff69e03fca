#include "fuzz.h"

#include "../unit/cdb.h"
#include "core/mapimage.h"
#include "core/maprec.h"
#include "core/maptext.h"

static struct map_image_check check;

static bool
is_good(const struct map_image *m)
{
	enum map_check_status st;

	map_image_check_start(&check, m);
	while ((st = map_image_check_more(&check, 7)) == MAP_CHECK_MORE)
		;
	require((st == MAP_CHECK_GOOD) == (check.wrong == NULL));
	return st == MAP_CHECK_GOOD;
}

static void
require_entry(const struct map_record *r)
{
	struct map_options options;
	struct target_set route;

	require(map_key_valid(r->key, r->keylen));
	require(r->len <= MAP_VALUE_MAX);
	require(maprec_parse(r->value, r->len, &route, &options, NULL) != MAPREC_BAD);
}

/* Whatever is asked for, and in the whole image: the sanitizer sees what is read. */
static void
read_all(const struct map_image *m, bool good)
{
	struct map_record r, found;
	uint32_t next = MAP_IMAGE_EMPTY;
	enum map_image_status st;
	uint64_t n = 0;

	while ((st = map_image_next(m, &next, &r)) == MAP_IMAGE_FOUND) {
		enum map_image_status by_key = map_image_find(m, r.key, r.keylen, &found);

		require((const unsigned char *)r.key >= m->data + MAP_IMAGE_EMPTY);
		require((const unsigned char *)r.value + r.len <= m->data + m->size);
		if (!good)
			continue;
		require(by_key == MAP_IMAGE_FOUND && found.position == r.position);
		if (!map_sum_is_key(r.key, r.keylen))
			require_entry(&r);
		n++;
	}
	require(!good || st == MAP_IMAGE_MISSING);
	require(!good || n == check.records);
	map_image_find(m, "", 0, &found);
	map_image_find(m, "a.example", 9, &found);
}

static void
any_bytes(const uint8_t *data, size_t size)
{
	unsigned char *copy = fuzz_alloc(size);
	const struct map_image m = {copy, size};

	memcpy(copy, data, size);
	if (is_good(&m))
		read_all(&m, true);
	else if (map_image_is_whole(&m))
		read_all(&m, false);
	free(copy);
}

/* Nearly a map: records of the input, then bytes of the file which are other than they
 * should be. The input: the number of records, the lengths and bytes of each, and then
 * positions with what is changed there. */
static size_t
add_records(struct cdb_image *c, const uint8_t *data, size_t size)
{
	size_t at = 1;

	for (unsigned n = data[0] % 16; n > 0 && size - at >= 2; n--) {
		size_t keylen = data[at], len = data[at + 1];

		if (keylen + len > size - at - 2)
			break;
		cdb_add(c, data + at + 2, keylen, data + at + 2 + keylen, len);
		at += 2 + keylen + len;
	}
	return at;
}

static void
changed_map(const uint8_t *data, size_t size)
{
	const bool with_sum = data[0] & 0x10;
	static struct cdb_image c;
	unsigned char *before;
	bool was_good;
	size_t at;

	cdb_begin(&c);
	at = add_records(&c, data, size);
	if (with_sum)
		cdb_add_sum(&c);
	cdb_finish(&c);
	const struct map_image m = {c.data, c.size};

	was_good = is_good(&m);
	read_all(&m, was_good);
	before = fuzz_alloc(c.size);
	memcpy(before, c.data, c.size);
	for (; size - at >= 3; at += 3)
		c.data[(data[at] | (size_t)data[at + 1] << 8) % c.size] ^= data[at + 2];
	if (memcmp(before, c.data, c.size) != 0 && with_sum && was_good)
		require(!is_good(&m) || !check.has_sum);
	if (map_image_is_whole(&m))
		read_all(&m, is_good(&m));
	free(before);
	free(c.data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	any_bytes(data, size);
	if (size > 0)
		changed_map(data, size);
	return 0;
}
