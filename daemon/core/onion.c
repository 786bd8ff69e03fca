#include "core/onion.h"

#include <nettle/sha3.h>
#include <stdint.h>
#include <string.h>

#include "core/domain.h"

#define KEY_LEN 32
#define CHECKSUM_LEN 2
#define BINARY_LEN (KEY_LEN + CHECKSUM_LEN + 1)
#define V2_LABEL_LEN 16

/* The value of a base32 digit (RFC 4648 section 6, lower case), or -1. */
static int
base32_digit(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	return -1;
}

/* 56 digits are 280 bits: exactly 35 bytes, nothing left over. */
static bool
base32_decode(uint8_t out[BINARY_LEN], const char *label)
{
	uint32_t bits = 0;
	int have = 0;

	for (int i = 0; i < ONION_LABEL_LEN; i++) {
		int v = base32_digit(label[i]);

		if (v < 0)
			return false;
		bits = bits << 5 | (uint32_t)v;
		have += 5;
		if (have >= 8) {
			have -= 8;
			*out++ = (uint8_t)(bits >> have);
		}
	}
	return true;
}

/* CHECKSUM = SHA3-256(".onion checksum" | PUBKEY | VERSION)[:2] */
static bool
checksum_valid(const uint8_t binary[BINARY_LEN])
{
	static const uint8_t prefix[] = ".onion checksum";
	uint8_t digest[SHA3_256_DIGEST_SIZE];
	struct sha3_256_ctx ctx;

	sha3_256_init(&ctx);
	sha3_256_update(&ctx, sizeof(prefix) - 1, prefix);
	sha3_256_update(&ctx, KEY_LEN, binary);
	sha3_256_update(&ctx, 1, binary + KEY_LEN + CHECKSUM_LEN);
	sha3_256_digest(&ctx, sizeof(digest), digest);
	return memcmp(digest, binary + KEY_LEN, CHECKSUM_LEN) == 0;
}

static struct onion_label *
memo_set(struct onion_memo *memo, const char *label)
{
	uint64_t word;

	memcpy(&word, label, sizeof(word));
	return memo->set[word * 0x9e3779b97f4a7c15 >> (64 - ONION_MEMO_BITS)];
}

static bool
in_memo(struct onion_memo *memo, const char *label)
{
	struct onion_label *set = memo_set(memo, label);

	for (int i = 0; i < ONION_MEMO_WAYS; i++)
		if (set[i].text[0] != '\0' &&
			memcmp(set[i].text, label, ONION_LABEL_LEN) == 0)
			return true;
	return false;
}

/* The oldest one of the set is forgotten. */
static void
put_in_memo(struct onion_memo *memo, const char *label)
{
	struct onion_label *set = memo_set(memo, label);

	memmove(&set[1], &set[0], (ONION_MEMO_WAYS - 1) * sizeof(set[0]));
	memcpy(set[0].text, label, ONION_LABEL_LEN);
}

static enum onion_status
label_check(const char *label, size_t len, struct onion_memo *memo)
{
	uint8_t binary[BINARY_LEN];

	if (len == V2_LABEL_LEN)
		return ONION_V2;
	if (len != ONION_LABEL_LEN)
		return ONION_LENGTH;
	if (memo != NULL && in_memo(memo, label))
		return ONION_OK;
	if (!base32_decode(binary, label))
		return ONION_ALPHABET;
	if (binary[BINARY_LEN - 1] != 3)
		return ONION_VERSION;
	if (!checksum_valid(binary))
		return ONION_CHECKSUM;
	if (memo != NULL)
		put_in_memo(memo, label);
	return ONION_OK;
}

enum onion_status
onion_check(const char *name, size_t len, struct onion_memo *memo)
{
	static const char suffix[] = ".onion";
	const size_t n = sizeof(suffix) - 1;
	const char *dot;
	enum onion_status st;
	size_t label;

	if (len <= n || memcmp(name + len - n, suffix, n) != 0)
		return ONION_SUFFIX;
	if (len == ONION_LEN && memo != NULL && in_memo(memo, name))
		return ONION_OK;
	dot = memrchr(name, '.', len - n);
	label = dot == NULL ? len - n : (size_t)(name + len - n - (dot + 1));
	if ((st = label_check(name + len - n - label, label, memo)) != ONION_OK)
		return st;
	return domain_is_canonical(name, len) ? ONION_OK : ONION_SUBDOMAIN;
}

const char *
onion_reason(enum onion_status st)
{
	static const char *const text[] = {
		[ONION_OK] = "valid",
		[ONION_SUFFIX] = "not a .onion name",
		[ONION_V2] = "a version 2 onion name, which tor no longer supports",
		[ONION_LENGTH] = "an onion name has 56 characters before .onion",
		[ONION_ALPHABET] = "an onion name has only the characters a-z and 2-7",
		[ONION_VERSION] = "not a version 3 onion name",
		[ONION_CHECKSUM] = "wrong checksum: mistyped or made up",
		[ONION_SUBDOMAIN] = "not a host name",
	};

	return text[st];
}

bool
onion_is_virtual(uint32_t ip)
{
	static const struct {
		uint32_t net, mask;
	} nets[] = {
		{0x0a000000, 0xff000000}, /* 10/8, 172.16/12, 192.168/16: RFC 1918 */
		{0xac100000, 0xfff00000}, {0xc0a80000, 0xffff0000},
		{0x7f000000, 0xff000000}, /* 127/8, tor's default range is in it */
		{0x64400000, 0xffc00000}, /* 100.64/10, RFC 6598 */
		{0xa9fe0000, 0xffff0000}, /* 169.254/16, RFC 3927 */
		{0xc6120000, 0xfffe0000}, /* 198.18/15, RFC 2544 */
	};

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++)
		if ((ip & nets[i].mask) == nets[i].net)
			return true;
	return false;
}
