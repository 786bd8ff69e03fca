#include "unit.h"

#define KEY_A "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd"

static const struct {
	const char *name;
	size_t len;
	enum onion_status want;
} rows[] = {
	/* names in real use */
	{BYTES("duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion"),
		ONION_OK},
	{BYTES("2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"),
		ONION_OK},
	{BYTES("w5ejy7xyv4dw7jul7bycfnltircxddt7vqprcxe6uggnezlwwic72qqd.onion"),
		ONION_OK},
	{BYTES(ONION_A), ONION_OK},
	{BYTES("mail." ONION_A), ONION_OK},
	{BYTES("a.b-c.9." ONION_A), ONION_OK},
	{BYTES(LONG_PREFIX ONION_A), ONION_OK},

	{BYTES(""), ONION_SUFFIX},
	{BYTES("onion"), ONION_SUFFIX},
	{BYTES(".onion"), ONION_SUFFIX},
	{BYTES(KEY_A), ONION_SUFFIX},
	{BYTES(KEY_A ".onio"), ONION_SUFFIX},
	{BYTES(KEY_A ".onions"), ONION_SUFFIX},
	{BYTES(KEY_A "-onion"), ONION_SUFFIX},
	{BYTES(KEY_A "onion"), ONION_SUFFIX},
	{BYTES(KEY_A ".onion."), ONION_SUFFIX},
	{BYTES(KEY_A ".onion\0"), ONION_SUFFIX},
	{BYTES(KEY_A ".ONION"), ONION_SUFFIX},
	{BYTES(KEY_A ".onion.example.org"), ONION_SUFFIX},

	{BYTES("expyuzz4wqqyqhjn.onion"), ONION_V2},
	{BYTES("mail.expyuzz4wqqyqhjn.onion"), ONION_V2},

	{BYTES("x.onion"), ONION_LENGTH},
	{BYTES("mail..onion"), ONION_LENGTH},
	{BYTES("mail.onion"), ONION_LENGTH},
	{BYTES("a" KEY_A ".onion"), ONION_LENGTH},
	{BYTES("ebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_LENGTH},
	{BYTES(ONION_A ".onion"), ONION_LENGTH},
	{BYTES(KEY_A ".mail.onion"), ONION_LENGTH},

	/* 0, 1, 8, 9, a hyphen, upper case, NUL and UTF-8 aren't base32 */
	{BYTES("0ebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_ALPHABET},
	{BYTES("1ebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_ALPHABET},
	{BYTES("8ebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_ALPHABET},
	{BYTES("aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeq9.onion"),
		ONION_ALPHABET},
	{BYTES("-ebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_ALPHABET},
	{BYTES("Aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_ALPHABET},
	{BYTES("\0ebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_ALPHABET},
	{BYTES("\xc3\xa4"
	       "bagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_ALPHABET},

	/* the same key with a checksum for version 2, 3 and 4 */
	{BYTES("aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qipzqc.onion"),
		ONION_VERSION},
	{BYTES("aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqe.onion"),
		ONION_VERSION},
	{BYTES("aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqa.onion"),
		ONION_VERSION},

	/* one bit of either byte of the checksum, one of the key, two swapped digits */
	{BYTES("aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcoeqd.onion"),
		ONION_CHECKSUM},
	{BYTES("aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmgqd.onion"),
		ONION_CHECKSUM},
	{BYTES("bebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_CHECKSUM},
	{BYTES("eabagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_CHECKSUM},
	{BYTES("mail.bebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"),
		ONION_CHECKSUM},

	{BYTES("." ONION_A), ONION_SUBDOMAIN},
	{BYTES("a.." ONION_A), ONION_SUBDOMAIN},
	{BYTES("-a." ONION_A), ONION_SUBDOMAIN},
	{BYTES("a-." ONION_A), ONION_SUBDOMAIN},
	{BYTES("a_b." ONION_A), ONION_OK},
	{BYTES("a b." ONION_A), ONION_SUBDOMAIN},
	{BYTES("a]:25, [b." ONION_A), ONION_SUBDOMAIN},
	{BYTES("${run{x}}." ONION_A), ONION_SUBDOMAIN},
	{BYTES("Mail." ONION_A), ONION_SUBDOMAIN},
	{BYTES("a\0b." ONION_A), ONION_SUBDOMAIN},
	{BYTES(L63 "x." ONION_A), ONION_SUBDOMAIN},
	{BYTES("a" LONG_PREFIX ONION_A), ONION_SUBDOMAIN},
	{BYTES("a." LONG_PREFIX ONION_A), ONION_SUBDOMAIN},
};

static void
test_check(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* A copy without a NUL: a sanitizer sees a read beyond the name. */
		char *name = malloc(rows[i].len + 1);

		assert_non_null(name);
		memcpy(name + 1, rows[i].name, rows[i].len);
		row_assert(rows[i].name,
			onion_check(name + 1, rows[i].len, NULL) == rows[i].want);
		free(name);
	}
}

/* A change to any one of the 56 characters is noticed. */
static void
test_mistyped(void **state)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	char name[] = ONION_A;
	unsigned accepted = 0;

	(void)state;
	for (size_t i = 0; i < ONION_LABEL_LEN; i++) {
		char was = name[i];

		for (const char *d = digits; *d != '\0'; d++) {
			name[i] = *d;
			accepted += onion_check(name, ONION_LEN, NULL) == ONION_OK;
		}
		name[i] = was;
	}
	/* The name itself, once for each place; a 16-bit checksum misses few others. */
	assert_in_range(accepted, ONION_LABEL_LEN, ONION_LABEL_LEN + 1);
}

static void
test_made_names(void **state)
{
	char name[ONION_LEN + 1];

	(void)state;
	for (unsigned seed = 0; seed < 256; seed++) {
		unit_onion(name, seed);
		assert_int_equal(strlen(name), ONION_LEN);
		assert_int_equal(onion_check(name, ONION_LEN, NULL), ONION_OK);
	}
	unit_onion(name, 1);
	assert_string_equal(name, ONION_A);
	unit_onion(name, 2);
	assert_string_equal(name, ONION_B);
	unit_onion(name, 3);
	assert_string_equal(name, ONION_C);
}

/* What it takes for known is what was found valid before, to the last character. */
static void
test_memo(void **state)
{
	static struct onion_memo memo, empty;
	static const char nothing[ONION_LABEL_LEN] = {0};
	char name[] = "mail." ONION_A, *label = name + 5, zeros[ONION_LEN + 1];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(onion_check(label, ONION_LEN, &memo), ONION_OK);
		assert_int_equal(onion_check(name, ONION_LEN + 5, &memo), ONION_OK);
	}
	assert_memory_not_equal(&memo, &empty, sizeof(memo));
	for (size_t i = 0; i < ONION_LABEL_LEN; i++) {
		char was = label[i];

		label[i] = was == 'a' ? 'b' : 'a';
		assert_int_not_equal(onion_check(label, ONION_LEN, &memo), ONION_OK);
		label[i] = was;
		assert_int_equal(onion_check(label, ONION_LEN, &memo), ONION_OK);
	}
	name[0] = '*';
	assert_int_equal(onion_check(name, ONION_LEN + 5, &memo), ONION_SUBDOMAIN);
	memcpy(zeros, nothing, ONION_LABEL_LEN);
	memcpy(zeros + ONION_LABEL_LEN, ".onion", 7);
	assert_int_equal(onion_check(zeros, ONION_LEN, &empty), ONION_ALPHABET);
	for (unsigned seed = 0; seed < 2 * ONION_MEMO_SETS * ONION_MEMO_WAYS; seed++) {
		char other[ONION_LEN + 1];

		unit_onion(other, seed);
		assert_int_equal(onion_check(other, ONION_LEN, &memo), ONION_OK);
		assert_int_equal(onion_check(other, ONION_LEN, &memo), ONION_OK);
	}
}

static void
test_reasons(void **state)
{
	(void)state;
	for (enum onion_status st = ONION_OK; st <= ONION_SUBDOMAIN; st++)
		for (enum onion_status other = ONION_OK; other < st; other++)
			assert_string_not_equal(onion_reason(st), onion_reason(other));
}

/* The edges of the networks that a virtual address can be in. */
static void
test_virtual_addresses(void **state)
{
	static const struct {
		uint32_t first, last;
	} nets[] = {
		{0x0a000000, 0x0affffff}, /* 10/8 */
		{0x64400000, 0x647fffff}, /* 100.64/10 */
		{0x7f000000, 0x7fffffff}, /* 127/8 */
		{0xa9fe0000, 0xa9feffff}, /* 169.254/16 */
		{0xac100000, 0xac1fffff}, /* 172.16/12 */
		{0xc0a80000, 0xc0a8ffff}, /* 192.168/16 */
		{0xc6120000, 0xc613ffff}, /* 198.18/15 */
	};
	static const uint32_t public[] = {0, 0x08080808, 0xe0000001, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < COUNT(nets); i++) {
		assert_true(onion_is_virtual(nets[i].first));
		assert_true(onion_is_virtual(nets[i].last));
		assert_false(onion_is_virtual(nets[i].first - 1));
		assert_false(onion_is_virtual(nets[i].last + 1));
	}
	for (size_t i = 0; i < COUNT(public); i++)
		assert_false(onion_is_virtual(public[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_mistyped),
		cmocka_unit_test(test_made_names),
		cmocka_unit_test(test_memo),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_virtual_addresses),
	};

	return cmocka_run_group_tests_name("onion", tests, NULL, NULL);
}
