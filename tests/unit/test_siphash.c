#include "unit.h"

#include "core/siphash.h"

static const struct siphash_key counting = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
static const struct siphash_key zero = {0, 0};

/* Hashes of the bytes 00, 01, 02, ... under the reference key 00..0f and under zeros. */
static const struct {
	size_t len;
	uint64_t counting, zero;
} vectors[] = {
	{0, 0xabac0158050fc4dc, 0xd1fba762150c532c},
	{1, 0xc9f49bf37d57ca93, 0x68a914128e01e473},
	{2, 0x82cb9b024dc7d44d, 0x010bac45c41e3669},
	{3, 0x8bf80ab8e7ddf7fb, 0x4d4c9a4a8ef6e0ad},
	{4, 0xcf75576088d38328, 0x7cc43f98813e4dbd},
	{5, 0xdef9d52f49533b67, 0x5abe2169dff36275},
	{6, 0xc50d2b50c59f22a7, 0xe3c25f87624f1cdb},
	{7, 0xd3927d989bb11140, 0x2f098ab0c751325a},
	{8, 0x369095118d299a8e, 0xead411e67ebe2eea},
	{9, 0x25a48eb36c063de4, 0x75927f9d95124362},
	{15, 0xd320d86d2a519956, 0xf30eb725bb91c9ea},
	{16, 0xcc4fdd1a7d908b66, 0x8972188433a5c5b7},
	{17, 0x9cf2689063dbd80c, 0x4883c49a2c009c1d},
	{63, 0x9d199062b7bbb3a8, 0x385d3e39e5f37359},
};

static void
test_vectors(void **state)
{
	uint8_t data[65];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		assert_int_equal(
			siphash13(&counting, data, vectors[i].len), vectors[i].counting);
		assert_int_equal(siphash13(&zero, data, vectors[i].len), vectors[i].zero);
	}
	/* The alignment of the data doesn't matter. */
	memmove(data + 1, data, sizeof(data) - 1);
	for (size_t i = 0; i < COUNT(vectors); i++)
		assert_int_equal(siphash13(&counting, data + 1, vectors[i].len),
			vectors[i].counting);
}

/* Every bit of a domain's name and of the key tells. */
static void
test_every_bit_counts(void **state)
{
	char name[] = "mail.example.org";
	const size_t len = sizeof(name) - 1;
	uint64_t was = siphash13(&counting, name, len);

	(void)state;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		name[bit / 8] = (char)(name[bit / 8] ^ 1 << bit % 8);
		assert_int_not_equal(siphash13(&counting, name, len), was);
		name[bit / 8] = (char)(name[bit / 8] ^ 1 << bit % 8);
	}
	for (int bit = 0; bit < 64; bit++) {
		struct siphash_key k0 = counting, k1 = counting;

		k0.k0 ^= 1ULL << bit;
		k1.k1 ^= 1ULL << bit;
		assert_int_not_equal(siphash13(&k0, name, len), was);
		assert_int_not_equal(siphash13(&k1, name, len), was);
	}
	assert_int_equal(siphash13(&counting, name, len), was);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_bit_counts),
	};

	return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
