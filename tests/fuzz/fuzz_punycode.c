/* Whatever is encoded is read back by a decoder after RFC 3492 section 6.2. */
#include "fuzz.h"

#include "core/punycode.h"

static uint32_t
adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / 700 : delta / 2;
	delta += delta / points;
	while (delta > 455) {
		delta /= 35;
		k += 36;
	}
	return k + 36 * delta / (delta + 38);
}

/* One number; *p moves behind it. */
static uint32_t
take_number(const char **p, const char *end, uint32_t bias)
{
	uint32_t v = 0, w = 1;

	for (uint32_t k = 36;; k += 36) {
		uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias, digit;

		require(*p < end);
		require((**p >= 'a' && **p <= 'z') || (**p >= '0' && **p <= '9'));
		digit = (uint32_t)(**p >= 'a' ? **p - 'a' : **p - '0' + 26);
		(*p)++;
		v += digit * w;
		if (digit < t)
			return v;
		w *= 36 - t;
	}
}

/* Returns the number of code points. */
static uint32_t
decode(const char *text, size_t len, uint32_t out[PUNYCODE_MAX])
{
	const char *end = text + len, *hyphen = memrchr(text, '-', len), *p = text;
	uint32_t n = 128, at = 0, bias = 72, count = 0, basic;

	while (hyphen != NULL && p < hyphen)
		out[count++] = (unsigned char)*p++;
	p += hyphen != NULL;
	for (basic = count; p < end; at++) {
		uint32_t before = at;

		require(count < PUNYCODE_MAX);
		at += take_number(&p, end, bias);
		bias = adapt(at - before, count + 1, count == basic);
		n += at / (count + 1);
		at %= count + 1;
		memmove(&out[at + 1], &out[at], (count - at) * sizeof(out[0]));
		out[at] = n;
		count++;
	}
	return count;
}

/* UTF-8 of a code point, upper-case ASCII being lower. */
static size_t
put_utf8(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

/* The text must be the label, but for upper-case ASCII. */
static void
check(const char *text, size_t len, const uint8_t *label, size_t size)
{
	uint32_t cp[PUNYCODE_MAX], n = decode(text, len, cp);
	uint8_t utf8[4];
	size_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		size_t bytes = put_utf8(utf8, cp[i]);

		require(cp[i] <= 0x10ffff && (cp[i] < 0xd800 || cp[i] > 0xdfff));
		require(bytes <= size - at);
		for (size_t k = 0; k < bytes; k++, at++)
			require(label[at] == utf8[k] ||
				(label[at] >= 'A' && label[at] <= 'Z' &&
					label[at] + 32 == utf8[k]));
	}
	require(at == size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *out = fuzz_alloc(PUNYCODE_MAX), *copy = fuzz_alloc(size);
	size_t len;

	memcpy(copy, data, size);
	len = punycode_label(out, copy, size);
	require(len <= PUNYCODE_MAX);
	if (len > 0) {
		require(len >= 4 && memcmp(out, "xn--", 4) == 0);
		check(out + 4, len - 4, data, size);
	}
	free(copy);
	free(out);
	return 0;
}
