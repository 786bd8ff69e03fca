#include "core/domain.h"

#include <idn2.h>
#include <string.h>

#include "core/punycode.h"

#define LABEL_MAX 63

/* Letter, digit, hyphen or dot in lower case; 0 for what no host name holds. */
static const char canonical_byte[256] = {
	['-'] = '-',
	['.'] = '.',
	['0'] = '0',
	['1'] = '1',
	['2'] = '2',
	['3'] = '3',
	['4'] = '4',
	['5'] = '5',
	['6'] = '6',
	['7'] = '7',
	['8'] = '8',
	['9'] = '9',
	['a'] = 'a',
	['A'] = 'a',
	['b'] = 'b',
	['B'] = 'b',
	['c'] = 'c',
	['C'] = 'c',
	['d'] = 'd',
	['D'] = 'd',
	['e'] = 'e',
	['E'] = 'e',
	['f'] = 'f',
	['F'] = 'f',
	['g'] = 'g',
	['G'] = 'g',
	['h'] = 'h',
	['H'] = 'h',
	['i'] = 'i',
	['I'] = 'i',
	['j'] = 'j',
	['J'] = 'j',
	['k'] = 'k',
	['K'] = 'k',
	['l'] = 'l',
	['L'] = 'l',
	['m'] = 'm',
	['M'] = 'm',
	['n'] = 'n',
	['N'] = 'n',
	['o'] = 'o',
	['O'] = 'o',
	['p'] = 'p',
	['P'] = 'p',
	['q'] = 'q',
	['Q'] = 'q',
	['r'] = 'r',
	['R'] = 'r',
	['s'] = 's',
	['S'] = 's',
	['t'] = 't',
	['T'] = 't',
	['u'] = 'u',
	['U'] = 'u',
	['v'] = 'v',
	['V'] = 'v',
	['w'] = 'w',
	['W'] = 'w',
	['x'] = 'x',
	['X'] = 'x',
	['y'] = 'y',
	['Y'] = 'y',
	['z'] = 'z',
	['Z'] = 'z',
};

static char
canonical(char c)
{
	return canonical_byte[(unsigned char)c];
}

static bool
label_valid(const char *label, size_t len)
{
	return len > 0 && len <= LABEL_MAX && label[0] != '-' && label[len - 1] != '-';
}

static bool
all_digits(const char *text, const char *end)
{
	while (text < end && *text >= '0' && *text <= '9')
		text++;
	return text == end;
}

/* LDH labels with dots between them; the last isn't a number. */
static enum domain_status
from_ascii(struct domain *d, const char *name, size_t len)
{
	char *const text = d->text;
	size_t label = 0;

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len > DOMAIN_MAX)
		return DOMAIN_UNUSABLE;
	for (size_t i = 0; i < len; i++) {
		const char c = canonical(name[i]);

		text[i] = c;
		if (c > '.') /* most are: a letter or a digit */
			continue;
		if (c == 0)
			return DOMAIN_UNUSABLE;
		if (c != '.')
			continue;
		if (!label_valid(text + label, i - label))
			return DOMAIN_UNUSABLE;
		label = i + 1;
	}
	if (!label_valid(text + label, len - label) ||
		all_digits(text + label, text + len))
		return DOMAIN_UNUSABLE;
	text[len] = '\0';
	d->len = (uint8_t)len;
	return DOMAIN_OK;
}

static bool
is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* The length of the dot that text begins with: that of ASCII, or one of the three that
 * UTS 46 maps to it (U+3002, U+FF0E, U+FF61). 0: none. */
static size_t
dot_len(const char *text, const char *end)
{
	static const char *const dots[] = {
		".", "\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbd\xa1"};

	for (size_t i = 0; i < sizeof(dots) / sizeof(dots[0]); i++) {
		size_t len = strlen(dots[i]);

		if ((size_t)(end - text) >= len && memcmp(text, dots[i], len) == 0)
			return len;
	}
	return 0;
}

/* A name in ASCII on its way. */
struct ascii {
	char text[DOMAIN_MAX + 2]; /* with a dot at its end */
	size_t len;
};

static enum domain_status
append(struct ascii *a, const char *text, size_t len)
{
	if (len > sizeof(a->text) - a->len)
		return DOMAIN_UNUSABLE;
	memcpy(a->text + a->len, text, len);
	a->len += len;
	return DOMAIN_OK;
}

/* By IDNA2008 and UTS 46; IDN2_OK, or libidn2's error. */
static int
idna(const char *name, size_t len, uint8_t **alabels)
{
	uint8_t utf8[4 * DOMAIN_MAX + 1];

	if (len >= sizeof(utf8))
		return IDN2_TOO_BIG_DOMAIN;
	if (memchr(name, '\0', len) != NULL)
		return IDN2_DISALLOWED;
	memcpy(utf8, name, len);
	utf8[len] = '\0';
	return idn2_lookup_u8(utf8, alabels, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
}

static enum domain_status
append_label(struct ascii *a, const char *label, size_t len)
{
	char encoded[PUNYCODE_MAX];
	uint8_t *alabel;
	enum domain_status st;
	int rc;

	if (is_ascii(label, len))
		return append(a, label, len);
	if ((rc = idna(label, len, &alabel)) == IDN2_OK) {
		st = append(a, (char *)alabel, strlen((char *)alabel));
		idn2_free(alabel);
		return st;
	}
	if (rc == IDN2_MALLOC)
		return DOMAIN_NOMEM;
	if (label[0] == '-' || label[len - 1] == '-')
		return DOMAIN_UNUSABLE;
	len = punycode_label(encoded, label, len);
	return len == 0 ? DOMAIN_UNUSABLE : append(a, encoded, len);
}

/* Names that IDNA2008 forbids, such as those with emoji, are in use all the same, and
 * some mail servers know them. The labels that are forbidden are encoded as they are. */
static enum domain_status
from_forbidden(struct domain *d, const char *name, size_t len)
{
	struct ascii a = {.len = 0};
	const char *end = name + len;

	for (const char *p = name;;) {
		size_t dot = 0;
		enum domain_status st;

		while (p < end && (dot = dot_len(p, end)) == 0)
			p++;
		if ((st = append_label(&a, name, (size_t)(p - name))) != DOMAIN_OK)
			return st;
		if (p == end)
			return from_ascii(d, a.text, a.len);
		if ((st = append(&a, ".", 1)) != DOMAIN_OK)
			return st;
		p += dot;
		name = p;
	}
}

static enum domain_status
from_utf8(struct domain *d, const char *name, size_t len)
{
	uint8_t *alabels;
	enum domain_status st;
	int rc = idna(name, len, &alabels);

	if (rc == IDN2_MALLOC)
		return DOMAIN_NOMEM;
	if (rc != IDN2_OK)
		return from_forbidden(d, name, len);
	st = from_ascii(d, (char *)alabels, strlen((char *)alabels));
	idn2_free(alabels);
	return st;
}

enum domain_status
domain_from_name(struct domain *d, const char *name, size_t len)
{
	enum domain_status st = from_ascii(d, name, len);

	return st == DOMAIN_OK || is_ascii(name, len) ? st : from_utf8(d, name, len);
}

enum domain_status
domain_from_key(struct domain *d, const char *key, size_t len)
{
	/* "After the last @ outside quotes" is after the last @ at all: neither an
	 * @ nor a quote can be in a domain, so what follows an @ inside a quoted
	 * local part holds the closing quote and is no domain. This is right for
	 * unquoted (internal) forms with a stray quote in them, too. */
	const char *at = memrchr(key, '@', len);

	if (at != NULL) {
		len -= (size_t)(at + 1 - key);
		key = at + 1;
	}
	return domain_from_name(d, key, len);
}

bool
domain_is_onion(const struct domain *d)
{
	static const char onion[] = ".onion";
	const size_t n = sizeof(onion) - 1;

	if (d->len == n - 1)
		return memcmp(d->text, onion + 1, n - 1) == 0;
	return d->len > n && memcmp(d->text + d->len - n, onion, n) == 0;
}

bool
domain_is_canonical(const char *text, size_t len)
{
	struct domain d;

	return from_ascii(&d, text, len) == DOMAIN_OK && d.len == len &&
	       memcmp(d.text, text, len) == 0;
}
