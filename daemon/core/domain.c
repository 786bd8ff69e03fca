#include "core/domain.h"

#include <string.h>
#include <strings.h>

#include "core/idna.h"

#define LABEL_MAX 63

/* Letter, digit, hyphen, underscore or dot in lower case; 0 for what no name of a host or
 * of a mail domain holds. */
static const char canonical_byte[256] = {
	['-'] = '-',
	['.'] = '.',
	['_'] = '_',
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

/* Labels with dots between them; the last isn't a number. */
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

static enum domain_status
from_utf8(struct domain *d, const char *name, size_t len)
{
	struct idna_name ascii;
	enum domain_status st = idna_to_ascii(&ascii, name, len);

	return st == DOMAIN_OK ? from_ascii(d, ascii.text, ascii.len) : st;
}

enum domain_status
domain_from_name(struct domain *d, const char *name, size_t len)
{
	enum domain_status st = from_ascii(d, name, len);

	return st == DOMAIN_OK || idna_is_ascii(name, len) ? st : from_utf8(d, name, len);
}

/* Whatever ends in .onion, dots and a port behind it or not, is meant for tor, and never
 * for DNS or clearnet (RFC 7686), even if it is no valid name. */

static const char onion_label[] = "onion";

static size_t
without_port(const char *name, size_t len)
{
	size_t n = len;

	while (n > 0 && name[n - 1] >= '0' && name[n - 1] <= '9')
		n--;
	return n > 0 && name[n - 1] == ':' ? n - 1 : len;
}

static size_t
without_end(const char *name, size_t len)
{
	while (len > 0 && (name[len - 1] == '.' || name[len - 1] == ']'))
		len--;
	return len;
}

static bool
is_onion_label(const char *label, size_t len)
{
	struct idna_name ascii;

	if (len == 0 || idna_to_ascii(&ascii, label, len) != DOMAIN_OK)
		return false;
	return ascii.len == strlen(onion_label) &&
	       strncasecmp(ascii.text, onion_label, ascii.len) == 0;
}

static bool
ends_in_onion(const char *name, size_t len)
{
	const char *end, *last = name;

	len = without_end(name, without_port(name, without_end(name, len)));
	end = name + len;
	for (const char *p = name; p < end;) {
		size_t dot = idna_dot(p, end);

		p += dot > 0 ? dot : 1;
		if (dot > 0 && p < end)
			last = p;
		else if (dot > 0)
			len = (size_t)(p - dot - name); /* a dot of another script */
	}
	return is_onion_label(last, (size_t)(name + len - last));
}

enum domain_status
domain_from_key(struct domain *d, const char *key, size_t len)
{
	/* "After the last @ outside quotes" is after the last @ at all: neither an
	 * @ nor a quote can be in a domain, so what follows an @ inside a quoted
	 * local part holds the closing quote and is no domain. This is right for
	 * unquoted (internal) forms with a stray quote in them, too. */
	const char *at = memrchr(key, '@', len);
	enum domain_status st;

	if (at != NULL) {
		len -= (size_t)(at + 1 - key);
		key = at + 1;
	}
	st = domain_from_name(d, key, len);
	return st == DOMAIN_UNUSABLE && ends_in_onion(key, len) ? DOMAIN_ONION : st;
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
