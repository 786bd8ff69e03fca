#include "core/idna.h"

#include <idn2.h>
#include <string.h>

#include "core/punycode.h"

/* Longer ones don't fit into a label, whatever becomes of them. */
#define MAPPED_MAX 1024

/* A label in UTF-8, being mapped. */
struct mapped {
	char text[MAPPED_MAX];
	size_t len;
	bool full;
};

size_t
idna_dot(const char *text, const char *end)
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

bool
idna_is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

static enum domain_status
append(struct idna_name *a, const char *text, size_t len)
{
	if (len > sizeof(a->text) - a->len)
		return DOMAIN_UNUSABLE;
	memcpy(a->text + a->len, text, len);
	a->len += len;
	return DOMAIN_OK;
}

/* libidn2's conversion of a name that stands behind a prefix in ASCII. */
static enum domain_status
convert(const char *prefix, const char *name, size_t len, int flags, char **ascii)
{
	uint8_t utf8[MAPPED_MAX + 8], *out = NULL;
	const size_t start = strlen(prefix);
	int rc;

	if (start + len >= sizeof(utf8) || memchr(name, '\0', len) != NULL)
		return DOMAIN_UNUSABLE;
	memcpy(utf8, prefix, start);
	memcpy(utf8 + start, name, len);
	utf8[start + len] = '\0';
	rc = idn2_lookup_u8(utf8, &out, flags | IDN2_NFC_INPUT);
	*ascii = (char *)out;
	if (rc == IDN2_MALLOC)
		return DOMAIN_NOMEM;
	return rc == IDN2_OK ? DOMAIN_OK : DOMAIN_UNUSABLE;
}

/* Labels that IDNA2008 forbids */

static enum domain_status
put(struct mapped *m, const char *text, size_t len)
{
	m->full |= len > sizeof(m->text) - m->len;
	if (m->full)
		return DOMAIN_UNUSABLE;
	memcpy(m->text + m->len, text, len);
	m->len += len;
	return DOMAIN_OK;
}

/* Appends what UTS 46 maps a part of a label to. libidn2 maps what it then forbids only
 * in its transitional mode, as an A-label, which is read back. What isn't the beginning
 * of the label gets a letter in front that combines with nothing, so that no rule about
 * beginnings applies. */
static enum domain_status
map_part(struct mapped *m, const char *part, size_t len, int flags)
{
	const char *const prefix = m->len > 0 ? "q" : "";
	char *alabel = NULL, *utf8 = NULL;
	enum domain_status st = convert(prefix, part, len, flags, &alabel);
	int rc;

	if (st != DOMAIN_OK)
		return st;
	rc = idn2_to_unicode_8z8z(alabel, &utf8, 0);
	idn2_free(alabel);
	if (rc != IDN2_OK)
		return rc == IDN2_MALLOC ? DOMAIN_NOMEM : DOMAIN_UNUSABLE;
	st = put(m, utf8 + strlen(prefix), strlen(utf8) - strlen(prefix));
	idn2_free(utf8);
	return st;
}

static size_t
utf8_len(const char *text, const char *end)
{
	size_t len = 1;

	while (text + len < end && ((unsigned char)text[len] & 0xc0) == 0x80)
		len++;
	return len;
}

/* Pictographs, U+1F300 to U+1FAFF: none of them is ever mapped to another character. */
static bool
is_pictograph(const char *text, size_t len)
{
	static const char first[] = "\xf0\x9f\x8c\x80", last[] = "\xf0\x9f\xab\xbf";

	return len == 4 && memcmp(text, first, len) >= 0 && memcmp(text, last, len) <= 0;
}

/* The mail server's Unicode may be newer than libidn2's. What that doesn't know stays as
 * it is if it is a pictograph; of anything else it isn't known what the mail server makes
 * of it. */
static enum domain_status
map_each(struct mapped *m, const char *p, const char *end)
{
	for (size_t len; p < end; p += len) {
		enum domain_status st;

		len = utf8_len(p, end);
		st = len == 1 ? put(m, p, 1) : map_part(m, p, len, IDN2_TRANSITIONAL);
		if (st == DOMAIN_UNUSABLE && len > 1 && !m->full)
			st = is_pictograph(p, len) ? put(m, p, len) : DOMAIN_UNKNOWN;
		if (st != DOMAIN_OK)
			return st;
	}
	return DOMAIN_OK;
}

static enum domain_status
map_run(struct mapped *m, const char *run, const char *end)
{
	enum domain_status st;

	if (run == end)
		return DOMAIN_OK;
	st = map_part(m, run, (size_t)(end - run), IDN2_TRANSITIONAL);
	return st == DOMAIN_UNUSABLE ? map_each(m, run, end) : st;
}

/* The length of one of the characters that only the transitional mapping changes: sharp
 * s, final sigma, the two joiners; and of capital sharp s, whose mapping differs between
 * versions of Unicode. 0: it is none. */
static size_t
deviation_len(const char *text, const char *end)
{
	static const char *const deviations[] = {
		"\xc3\x9f", "\xcf\x82", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe1\xba\x9e"};

	for (size_t i = 0; i < sizeof(deviations) / sizeof(deviations[0]); i++) {
		size_t len = strlen(deviations[i]);

		if ((size_t)(end - text) >= len && memcmp(text, deviations[i], len) == 0)
			return len;
	}
	return 0;
}

static enum domain_status
map_label(struct mapped *m, const char *label, size_t len)
{
	const char *const end = label + len;
	const char *run = label;

	for (const char *p = label; p < end;) {
		size_t deviation = deviation_len(p, end);
		enum domain_status st;

		if (deviation == 0) {
			p++;
			continue;
		}
		if ((st = map_run(m, run, p)) != DOMAIN_OK)
			return st;
		st = map_part(m, p, deviation, IDN2_NONTRANSITIONAL);
		if (st == DOMAIN_UNUSABLE) /* a joiner, which has rules of its own */
			st = put(m, p, deviation);
		if (st != DOMAIN_OK)
			return st;
		run = p += deviation;
	}
	return map_run(m, run, end);
}

static enum domain_status
append_forbidden(struct idna_name *a, const char *label, size_t len)
{
	struct mapped m = {.len = 0};
	char encoded[PUNYCODE_MAX];
	enum domain_status st;

	if (!punycode_is_utf8(label, len))
		return DOMAIN_UNUSABLE;
	if ((st = map_label(&m, label, len)) != DOMAIN_OK)
		return st;
	if (m.len == 0 || m.text[0] == '-' || m.text[m.len - 1] == '-' ||
		(m.len >= 4 && memcmp(m.text, "xn--", 4) == 0))
		return DOMAIN_UNUSABLE;
	if (idna_is_ascii(m.text, m.len))
		return append(a, m.text, m.len);
	len = punycode_label(encoded, m.text, m.len);
	return len == 0 ? DOMAIN_UNUSABLE : append(a, encoded, len);
}

/* Names */

static enum domain_status
append_converted(struct idna_name *a, const char *name, size_t len)
{
	char *ascii = NULL;
	enum domain_status st = convert("", name, len, IDN2_NONTRANSITIONAL, &ascii);

	if (st == DOMAIN_OK) {
		st = append(a, ascii, strlen(ascii));
		idn2_free(ascii);
	}
	return st;
}

static enum domain_status
append_label(struct idna_name *a, const char *label, size_t len)
{
	enum domain_status st;

	if (idna_is_ascii(label, len))
		return append(a, label, len);
	st = append_converted(a, label, len);
	return st == DOMAIN_UNUSABLE ? append_forbidden(a, label, len) : st;
}

static enum domain_status
append_labels(struct idna_name *a, const char *name, size_t len)
{
	const char *end = name + len;

	for (const char *p = name;;) {
		size_t dot = 0;
		enum domain_status st;

		while (p < end && (dot = idna_dot(p, end)) == 0)
			p++;
		if ((st = append_label(a, name, (size_t)(p - name))) != DOMAIN_OK ||
			p == end)
			return st;
		if ((st = append(a, ".", 1)) != DOMAIN_OK)
			return st;
		p += dot;
		name = p;
	}
}

enum domain_status
idna_to_ascii(struct idna_name *a, const char *name, size_t len)
{
	enum domain_status st;

	a->len = 0;
	st = append_converted(a, name, len);
	if (st == DOMAIN_UNUSABLE) {
		a->len = 0;
		st = append_labels(a, name, len);
	}
	return st;
}
