#include "core/domain.h"

#include <idn2.h>
#include <string.h>

#include "core/punycode.h"

#define LABEL_MAX 63

/* Letter, digit or hyphen in lower case; 0 for what no host name holds. Any byte
 * at or above 0x80 is dealt with before. */
static char
ldh(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
		return (char)c;
	return 0;
}

/* The end of the first label of text: at its dot, or at end. NULL if it is empty,
 * too long, or begins or ends with a hyphen. */
static const char *
label_end(const char *text, const char *end)
{
	const char *dot = memchr(text, '.', (size_t)(end - text));

	if (dot == NULL)
		dot = end;
	if (dot == text || dot - text > LABEL_MAX || text[0] == '-' || dot[-1] == '-')
		return NULL;
	return dot;
}

static bool
all_digits(const char *text, const char *end)
{
	while (text < end && *text >= '0' && *text <= '9')
		text++;
	return text == end;
}

/* The rules for labels and the whole; text is made of LDH and dots. */
static bool
labels_valid(const char *text, size_t len)
{
	const char *end = text + len, *dot;

	if (len == 0 || len > DOMAIN_MAX)
		return false;
	for (;; text = dot + 1) {
		if ((dot = label_end(text, end)) == NULL)
			return false;
		if (dot == end)
			return !all_digits(text, end);
	}
}

/* Lower-cases into d. False if a byte isn't LDH or a dot. */
static bool
copy_ldh(struct domain *d, const char *name, size_t len)
{
	if (len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i] == '.' ? '.' : ldh((unsigned char)name[i]);

		if (c == 0)
			return false;
		d->text[i] = c;
	}
	d->text[len] = '\0';
	d->len = (uint8_t)len;
	return true;
}

static enum domain_status
from_ascii(struct domain *d, const char *name, size_t len)
{
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (!copy_ldh(d, name, len) || !labels_valid(d->text, len))
		return DOMAIN_UNUSABLE;
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

/* Names that IDNA2008 forbids, such as those with emoji, are in use all the same, and
 * some mail servers know them: each label's plain encoding. */
static enum domain_status
from_forbidden(struct domain *d, const char *name, size_t len)
{
	char text[DOMAIN_MAX + 2];
	const char *end = name + len;
	size_t n = 0;

	for (;;) {
		const char *dot = memchr(name, '.', (size_t)(end - name));
		size_t label = (size_t)((dot == NULL ? end : dot) - name);
		char encoded[PUNYCODE_MAX];
		const char *from = name;

		if (!is_ascii(name, label)) {
			if (name[0] == '-' || name[label - 1] == '-')
				return DOMAIN_UNUSABLE;
			if ((label = punycode_label(encoded, name, label)) == 0)
				return DOMAIN_UNUSABLE;
			from = encoded;
		}
		if (n + label + 1 > sizeof(text))
			return DOMAIN_UNUSABLE;
		memcpy(text + n, from, label);
		n += label;
		if (dot == NULL)
			return from_ascii(d, text, n);
		text[n++] = '.';
		name = dot + 1;
	}
}

static enum domain_status
from_utf8(struct domain *d, const char *name, size_t len)
{
	uint8_t utf8[4 * DOMAIN_MAX + 1], *alabels;
	enum domain_status st;
	int rc;

	if (len >= sizeof(utf8) || memchr(name, '\0', len) != NULL)
		return DOMAIN_UNUSABLE;
	memcpy(utf8, name, len);
	utf8[len] = '\0';
	rc = idn2_lookup_u8(utf8, &alabels, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
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
	return is_ascii(name, len) ? from_ascii(d, name, len) : from_utf8(d, name, len);
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
	for (size_t i = 0; i < len; i++)
		if (text[i] != '.' &&
			(text[i] == '\0' || ldh((unsigned char)text[i]) != text[i]))
			return false;
	return labels_valid(text, len);
}
