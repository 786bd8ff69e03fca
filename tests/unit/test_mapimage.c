#include "unit.h"

#include "cdb.h"
#include "core/mapimage.h"
#include "core/mapsum.h"
#include "core/maptext.h"

#define ENTRIES 40

static struct map_image_check check;

/* NULL, or what is wrong. */
static const char *
checked(const unsigned char *data, size_t size, unsigned portion)
{
	const struct map_image image = {data, size};
	enum map_check_status st;

	map_image_check_start(&check, &image);
	while ((st = map_image_check_more(&check, portion)) == MAP_CHECK_MORE)
		;
	assert_true((st == MAP_CHECK_GOOD) == (check.wrong == NULL));
	return check.wrong;
}

static const char *
check_image(const struct cdb_image *c)
{
	return checked(c->data, c->size, 1000);
}

static void
add_entries(struct cdb_image *c, const char *onion)
{
	char key[20];

	for (unsigned i = 0; i < ENTRIES; i++) {
		sprintf(key, "%sd%u.example", i % 4 == 0 ? "." : "", i);
		cdb_add_text(c, key, onion);
	}
	cdb_add_text(c, "mx:mx.example", "-");
	cdb_add_text(c, "mx:.example", ONION_A ", " ONION_B ":2525 dnssec=require");
	cdb_add_text(c, "srv.example", "srv on_failure=clearnet");
}

static void
make_map(struct cdb_image *c, bool with_sum, const char *onion)
{
	cdb_begin(c);
	add_entries(c, onion);
	if (with_sum)
		cdb_add_sum(c);
	cdb_finish(c);
}

static void
test_good(void **state)
{
	static struct cdb_image c;

	(void)state;
	for (int with_sum = 0; with_sum < 2; with_sum++) {
		make_map(&c, with_sum, ONION_A);
		for (unsigned portion = 1; portion < 50; portion++)
			assert_null(checked(c.data, c.size, portion));
		assert_int_equal(check.has_sum, with_sum);
		assert_int_equal(check.sum.entries, ENTRIES + 3);
		free(c.data);
	}
	cdb_begin(&c);
	cdb_finish(&c);
	assert_null(check_image(&c));
	free(c.data);
}

static void
test_find_and_next(void **state)
{
	struct map_record r, found;
	uint32_t next = MAP_IMAGE_EMPTY;
	static struct cdb_image c;
	unsigned n = 0;

	(void)state;
	make_map(&c, true, ONION_A);
	const struct map_image m = {c.data, c.size};

	while (map_image_next(&m, &next, &r) == MAP_IMAGE_FOUND) {
		assert_int_equal(r.position, c.position[n++]);
		assert_int_equal(
			map_image_find(&m, r.key, r.keylen, &found), MAP_IMAGE_FOUND);
		assert_int_equal(found.position, r.position);
		assert_int_equal(map_image_find(&m, r.key, r.keylen - 1, &found),
			MAP_IMAGE_MISSING);
	}
	assert_int_equal(n, c.n);
	assert_int_equal(
		map_image_find(&m, BYTES("d1.example"), &found), MAP_IMAGE_FOUND);
	assert_int_equal(found.len, ONION_LEN);
	assert_memory_equal(found.value, ONION_A, ONION_LEN);
	assert_int_equal(map_image_find(&m, "", 0, &found), MAP_IMAGE_MISSING);
	free(c.data);
}

/* Entries that onionmap wouldn't write. */
static void
test_no_entries(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {
		{"", "-"},
		{".", "-"},
		{"..a", "-"},
		{"A.example", "-"},
		{"a b", "-"},
		{"mx:", "-"},
		{"mx:mx:a", "-"},
		{"mx:a.example", "srv"},
		{"a.1", "-"},
		{"a.example", ""},
		{"a.example", MISTYPED},
		{"a.example", "--"},
		{"onionmap:checksum", "-"},
		{MAP_SUM_KEY "X", "-"},
	};
	static struct cdb_image c;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cdb_begin(&c);
		add_entries(&c, ONION_A);
		cdb_add_text(&c, rows[i].key, rows[i].value);
		cdb_finish(&c);
		row_assert(rows[i].key, check_image(&c) != NULL);
		free(c.data);
	}
}

/* Longer than what a lookup has room for, though it would be a value. */
static void
test_long_value(void **state)
{
	char value[MAP_VALUE_MAX + 2];
	static struct cdb_image c;

	(void)state;
	for (size_t len = MAP_VALUE_MAX; len <= MAP_VALUE_MAX + 1; len++) {
		memset(value, ' ', sizeof(value));
		memcpy(value, ONION_A, ONION_LEN);
		cdb_begin(&c);
		cdb_add(&c, BYTES("a.example"), value, len);
		cdb_finish(&c);
		assert_true((check_image(&c) == NULL) == (len == MAP_VALUE_MAX));
		free(c.data);
	}
}

static void
test_the_same_key_twice(void **state)
{
	static struct cdb_image c;

	(void)state;
	cdb_begin(&c);
	cdb_add_text(&c, "a.example", ONION_A);
	cdb_add_text(&c, "a.example", ONION_B);
	cdb_finish(&c);
	assert_string_equal(check_image(&c), "a record that its key doesn't find");
	free(c.data);
}

/* Each bit of a map with a checksum; and without, each that isn't of a record, where a
 * port for example can be another one. */
static void
test_each_bit(void **state)
{
	static struct cdb_image c;

	(void)state;
	make_map(&c, true, ONION_A);
	for (size_t i = 0; i < c.size; i++)
		for (int bit = 0; bit < 8; bit++) {
			c.data[i] ^= (unsigned char)(1 << bit);
			assert_non_null(check_image(&c));
			c.data[i] ^= (unsigned char)(1 << bit);
		}
	assert_null(check_image(&c));
	free(c.data);
	make_map(&c, false, ONION_A);
	for (size_t i = 0; i < c.size; i++)
		for (int bit = 0; bit < 8; bit++) {
			if (i >= 2048 && i < c.end)
				continue;
			c.data[i] ^= (unsigned char)(1 << bit);
			assert_non_null(check_image(&c));
			c.data[i] ^= (unsigned char)(1 << bit);
		}
	free(c.data);
}

static void
test_cut_off(void **state)
{
	static struct cdb_image c;

	(void)state;
	for (int with_sum = 0; with_sum < 2; with_sum++) {
		make_map(&c, with_sum, ONION_A);
		for (size_t size = 0; size < c.size; size++) {
			unsigned char *part = malloc(size > 0 ? size : 1);

			assert_non_null(part);
			memcpy(part, c.data, size);
			assert_non_null(checked(part, size, 1000));
			free(part);
		}
		cdb_grow(&c, 1);
		assert_non_null(check_image(&c));
		free(c.data);
	}
}

/* Two maps of the same shape, whose every record is good: where they are cut doesn't
 * matter. */
static void
test_half_of_another_map(void **state)
{
	static struct cdb_image a, b;
	size_t first;

	(void)state;
	make_map(&a, true, ONION_A);
	make_map(&b, true, ONION_B);
	assert_int_equal(a.size, b.size);
	for (first = 0; a.data[first] == b.data[first]; first++)
		;
	for (size_t i = 0; i < a.size; i++) {
		bool differs;

		b.data[i] = a.data[i];
		differs = i >= first && memcmp(a.data, b.data, a.size) != 0;
		assert_true((check_image(&b) != NULL) == differs);
	}
	free(a.data);
	free(b.data);
}

/* Of 2 MiB. */
static void
make_large_map(struct cdb_image *c, const char *onion)
{
	char key[20];

	cdb_begin(c);
	for (unsigned i = 0; i < 21500; i++) {
		sprintf(key, "d%05u.example", i);
		cdb_add_text(c, key, onion);
	}
	cdb_add_sum(c);
	cdb_finish(c);
}

#define PAGE 4096

static void
test_large(void **state)
{
	static struct cdb_image a, b;
	uint32_t random = 1;

	(void)state;
	make_large_map(&a, ONION_A);
	make_large_map(&b, ONION_B);
	assert_true(a.size > 2 << 20);
	assert_null(check_image(&a));
	for (int i = 0; i < 2000; i++) {
		const size_t at = (random = random * 1664525 + 1013904223) % a.size;
		const unsigned char bit = (unsigned char)(1 << (random >> 29));

		a.data[at] ^= bit;
		assert_non_null(check_image(&a));
		a.data[at] ^= bit;
	}
	for (size_t at = 0; at + PAGE < a.size; at += PAGE) {
		unsigned char save[PAGE];

		assert_non_null(checked(a.data, at, 1000));
		if (at / PAGE % 8 != 0)
			continue;
		memcpy(save, a.data + at, PAGE);
		memset(a.data + at, 0, PAGE);
		assert_non_null(check_image(&a));
		memcpy(a.data + at, save, PAGE);
	}
	assert_null(check_image(&a));
	memcpy(a.data, b.data, b.position[b.n / 2]);
	assert_string_equal(check_image(&a), "wrong checksum");
	free(a.data);
	free(b.data);
}

static void
expect_bad(struct cdb_image *c, const char *what)
{
	row_assert(what, check_image(c) != NULL);
	free(c->data);
	make_map(c, false, ONION_A);
}

/* Without a checksum: nothing but the structure tells. */
static void
test_structure(void **state)
{
	unsigned char *slot, *other, save[8];
	static struct cdb_image c;

	(void)state;
	make_map(&c, false, ONION_A);
	slot = cdb_slot(&c, c.position[5]);
	memset(slot, 0, 8);
	expect_bad(&c, "a slot is missing");

	slot = cdb_slot(&c, c.position[5]);
	cdb_put(slot, cdb_number(slot) + 0x100);
	expect_bad(&c, "a slot has another hash");

	slot = cdb_slot(&c, c.position[5]);
	other = cdb_slot(&c, c.position[6]);
	memcpy(save, slot, 8);
	memcpy(slot, other, 8);
	memcpy(other, save, 8);
	expect_bad(&c, "slots of each other's tables");

	cdb_put(cdb_slot(&c, c.position[5]) + 4, c.position[6]);
	expect_bad(&c, "a slot of another record");

	cdb_put(cdb_slot(&c, c.position[5]) + 4, c.position[5] + 1);
	expect_bad(&c, "a slot that points into a record");

	cdb_put(cdb_slot(&c, c.position[5]) + 4, c.end);
	expect_bad(&c, "a slot that points to the tables");

	cdb_put(cdb_slot(&c, c.position[5]) + 4, 5);
	expect_bad(&c, "a slot that points to the header");

	cdb_put(c.data + c.position[5] + 4, ONION_LEN + 8);
	expect_bad(&c, "a record that overlaps with the next");

	cdb_put(c.data + c.position[c.n - 1] + 4, 1000);
	expect_bad(&c, "a record that goes into the tables");

	cdb_put(c.data + c.position[c.n - 1], UINT32_MAX);
	expect_bad(&c, "a key without end");

	cdb_put(c.data + 3 * 8, c.position[3]);
	expect_bad(&c, "a table that begins in a record");

	cdb_put(c.data + 3 * 8 + 4, UINT32_MAX);
	expect_bad(&c, "a table without end");
	free(c.data);
}

/* A free slot of the right table, used for a record once more. */
static void
test_two_slots_for_a_record(void **state)
{
	unsigned char *slot;
	static struct cdb_image c;

	(void)state;
	cdb_begin(&c);
	cdb_add_text(&c, "a.example", ONION_A);
	cdb_finish(&c);
	slot = cdb_slot(&c, c.position[0]);
	assert_null(check_image(&c));
	memcpy(c.data + c.end + (slot == c.data + c.end ? 8 : 0), slot, 8);
	assert_non_null(check_image(&c));
	free(c.data);
}

static void
test_bytes_that_belong_to_nothing(void **state)
{
	static struct cdb_image c;

	(void)state;
	cdb_begin(&c);
	add_entries(&c, ONION_A);
	cdb_grow(&c, 3);
	cdb_finish(&c);
	assert_non_null(check_image(&c));
	free(c.data);
	cdb_begin(&c);
	cdb_grow(&c, 8); /* like a record with an empty key */
	add_entries(&c, ONION_A);
	cdb_finish(&c);
	assert_non_null(check_image(&c));
	free(c.data);
}

static void
test_the_checksum(void **state)
{
	static struct cdb_image c;

	(void)state;
	cdb_begin(&c);
	cdb_add_sum(&c);
	cdb_finish(&c);
	assert_null(check_image(&c));
	assert_true(check.has_sum);
	free(c.data);

	cdb_begin(&c);
	add_entries(&c, ONION_A);
	cdb_add_sum(&c);
	cdb_add_text(&c, "more.example", ONION_A);
	cdb_finish(&c);
	assert_string_equal(check_image(&c), "records after the checksum");
	free(c.data);

	cdb_begin(&c);
	add_entries(&c, ONION_A);
	c.sum.entries++;
	cdb_add_sum(&c);
	cdb_finish(&c);
	assert_string_equal(check_image(&c), "wrong checksum");
	free(c.data);

	cdb_begin(&c);
	add_entries(&c, ONION_A);
	cdb_add_text(&c, MAP_SUM_KEY, "");
	cdb_finish(&c);
	assert_string_equal(check_image(&c), "wrong checksum");
	free(c.data);
}

/* As it stands in files: it may not change. */
static void
test_the_value(void **state)
{
	static const char first[] = "a.example-", second[] = ".b.example" ONION_A;
	char value[MAP_SUM_VALUE_MAX + 1];
	struct map_sum sum = {0};

	(void)state;
	assert_int_equal(map_sum_value(&sum, value), 18);
	assert_string_equal(value, "0 0000000000000000");
	map_sum_add(&sum, first, 9, 1);
	map_sum_add(&sum, second, 10, ONION_LEN);
	map_sum_value(&sum, value);
	assert_string_equal(value, "2 1e5d0f65843a882d");
	sum = (struct map_sum){UINT64_MAX, UINT64_MAX};
	assert_int_equal(map_sum_value(&sum, value), MAP_SUM_VALUE_MAX);
	assert_true(map_sum_is_key(BYTES(MAP_SUM_KEY)));
	assert_false(map_sum_is_key(BYTES("onionmap:checksum")));
	assert_false(map_sum_is_key("", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_find_and_next),
		cmocka_unit_test(test_no_entries),
		cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_the_same_key_twice),
		cmocka_unit_test(test_each_bit),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_half_of_another_map),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_two_slots_for_a_record),
		cmocka_unit_test(test_bytes_that_belong_to_nothing),
		cmocka_unit_test(test_the_checksum),
		cmocka_unit_test(test_the_value),
	};

	return cmocka_run_group_tests_name("mapimage", tests, NULL, NULL);
}
