#include "core/punycode.h"

#include <stdbool.h>
#include <stdint.h>

/* RFC 3492 section 5 */
#define BASE 36
#define TMIN 1
#define TMAX 26
#define SKEW 38
#define DAMP 700
#define INITIAL_BIAS 72
#define INITIAL_N 128

struct output {
	char *text;
	size_t len;
	bool full;
};

static void
put(struct output *o, char c)
{
	if (o->len == PUNYCODE_MAX)
		o->full = true;
	else
		o->text[o->len++] = c;
}

/* Takes one code point; false if the bytes aren't UTF-8 (RFC 3629). */
static bool
decode(const unsigned char **p, const unsigned char *end, uint32_t *cp)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	unsigned char first = *(*p)++;
	int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

	if (first >= 0xf8 || (first >= 0x80 && first < 0xc0) || end - *p < more)
		return false;
	*cp = more == 0 ? first : first & (0x3fU >> more);
	for (int i = 0; i < more; i++, (*p)++) {
		if ((**p & 0xc0) != 0x80)
			return false;
		*cp = *cp << 6 | (**p & 0x3fU);
	}
	return *cp >= least[more] && *cp <= 0x10ffff && (*cp < 0xd800 || *cp > 0xdfff);
}

/* RFC 3492 section 6.1 */
static uint32_t
adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static char
digit(uint32_t v)
{
	return (char)(v < 26 ? 'a' + v : '0' + v - 26);
}

/* A generalized variable-length integer, section 3.3. */
static void
put_integer(struct output *o, uint32_t q, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;

		if (q < t)
			break;
		put(o, digit(t + (q - t) % (BASE - t)));
		q = (q - t) / (BASE - t);
	}
	put(o, digit(q));
}

/* The least code point from n on. There is one. */
static uint32_t
least_from(const uint32_t *cp, size_t count, uint32_t n)
{
	uint32_t least = UINT32_MAX;

	for (size_t i = 0; i < count; i++)
		if (cp[i] >= n && cp[i] < least)
			least = cp[i];
	return least;
}

/* Section 6.3. With 63 code points at most, delta doesn't overflow. */
static void
encode(struct output *o, const uint32_t *cp, uint32_t count)
{
	uint32_t n = INITIAL_N, delta = 0, bias = INITIAL_BIAS, basic = 0, handled;

	for (uint32_t i = 0; i < count; i++)
		if (cp[i] < INITIAL_N) {
			put(o, (char)cp[i]);
			basic++;
		}
	if (basic > 0)
		put(o, '-');
	for (handled = basic; handled < count; delta++, n++) {
		uint32_t next = least_from(cp, count, n);

		delta += (next - n) * (handled + 1);
		n = next;
		for (uint32_t i = 0; i < count; i++) {
			delta += cp[i] < n;
			if (cp[i] != n)
				continue;
			put_integer(o, delta, bias);
			bias = adapt(delta, handled + 1, handled == basic);
			delta = 0;
			handled++;
		}
	}
}

bool
punycode_is_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text, *end = p + len;
	uint32_t cp;

	while (p < end)
		if (!decode(&p, end, &cp))
			return false;
	return true;
}

size_t
punycode_label(char out[PUNYCODE_MAX], const char *utf8, size_t len)
{
	const unsigned char *p = (const unsigned char *)utf8, *end = p + len;
	uint32_t cp[PUNYCODE_MAX], count = 0;
	struct output o = {.text = out};

	while (p < end) {
		if (count == PUNYCODE_MAX || !decode(&p, end, &cp[count]))
			return 0;
		if (cp[count] >= 'A' && cp[count] <= 'Z')
			cp[count] += 'a' - 'A';
		count++;
	}
	for (const char *prefix = "xn--"; *prefix != '\0'; prefix++)
		put(&o, *prefix);
	encode(&o, cp, count);
	return o.full ? 0 : o.len;
}
