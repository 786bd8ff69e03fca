#include "core/bridge_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/onion.h"
#include "core/target_text.h"

void
bridge_line_make_plain(struct bridge_line *l)
{
	struct target_set *r = &l->route;
	const uint8_t n = r->n;

	r->n = 0;
	for (uint8_t i = 0; i < n; i++) {
		struct target t = r->target[i];

		t.host += t.hostlen - ONION_LEN;
		t.hostlen = ONION_LEN;
		if (target_set_find(r, &t) == NULL)
			r->target[r->n++] = t;
	}
	if (domain_is_onion(&l->domain) && l->domain.len > ONION_LEN) {
		memmove(l->domain.text, l->domain.text + l->domain.len - ONION_LEN,
			ONION_LEN + 1);
		l->domain.len = ONION_LEN;
	}
}

/* Writing */

static const char *const quotas[QUOTAS] = {
	[QUOTA_DNS] = "dns",
	[QUOTA_ONION] = "onion",
	[QUOTA_MAP] = "map",
};

static size_t
write_ipv4(char *out, size_t size, const char *kind, uint32_t ipv4, uint32_t day)
{
	return (size_t)snprintf(out, size, "%s %u.%u.%u.%u %" PRIu32, kind, ipv4 >> 24,
		ipv4 >> 16 & 0xff, ipv4 >> 8 & 0xff, ipv4 & 0xff, day);
}

size_t
bridge_line_write(char out[BRIDGE_LINE_MAX], const struct bridge_line *l)
{
	char tls[TLS_POLICY_MAX] = "-";
	size_t n = write_ipv4(out, BRIDGE_LINE_MAX, "address", l->ipv4, l->day);

	if (l->tls.level != TLS_UNSET)
		tls_policy_write(&l->tls, tls);
	n += (size_t)snprintf(out + n, BRIDGE_LINE_MAX - n, " %s", quotas[l->quota]);
	if (l->quota == QUOTA_DNS)
		n += (size_t)snprintf(out + n, BRIDGE_LINE_MAX - n,
			":%016" PRIx64 ":%016" PRIx64, l->parents.two, l->parents.three);
	n += (size_t)snprintf(out + n, BRIDGE_LINE_MAX - n, " %s %s",
		l->domain.len > 0 ? l->domain.text : "-", tls);
	for (uint8_t i = 0; i < l->route.n; i++) {
		const struct target *t = &l->route.target[i];

		n += (size_t)snprintf(out + n, BRIDGE_LINE_MAX - n, " %.*s:%u",
			(int)t->hostlen, t->host, (unsigned)t->port);
	}
	return line_checksum_add(out, n);
}

size_t
bridge_line_write_used(char out[BRIDGE_LINE_USED_MAX], uint32_t ipv4, uint32_t day)
{
	return line_checksum_add(
		out, write_ipv4(out, BRIDGE_LINE_USED_MAX, "used", ipv4, day));
}

size_t
bridge_line_write_all_used(char out[BRIDGE_LINE_USED_MAX], uint32_t day)
{
	return line_checksum_add(out,
		(size_t)snprintf(out, BRIDGE_LINE_USED_MAX, "all-used %" PRIu32, day));
}

/* Reading */

static bool
read_ipv4(struct cursor word, uint32_t *ipv4)
{
	char text[16], again[16];
	unsigned a, b, c, d;

	if (cursor_len(word) >= sizeof(text))
		return false;
	memcpy(text, word.p, cursor_len(word));
	text[cursor_len(word)] = '\0';
	if (sscanf(text, "%u.%u.%u.%u", &a, &b, &c, &d) != 4 || (a | b | c | d) > 255)
		return false;
	/* In no other way of writing. */
	snprintf(again, sizeof(again), "%u.%u.%u.%u", a & 255, b & 255, c & 255, d & 255);
	*ipv4 = a << 24 | b << 16 | c << 8 | d;
	return strcmp(text, again) == 0;
}

static bool
read_domain(struct cursor word, struct domain *d)
{
	*d = (struct domain){0};
	if (cursor_is(word, "-"))
		return true;
	if (!domain_is_canonical(word.p, cursor_len(word)))
		return false;
	d->len = (uint8_t)cursor_len(word);
	memcpy(d->text, word.p, d->len);
	return true;
}

static bool
read_tls(struct cursor word, struct tls_policy *tls)
{
	*tls = (struct tls_policy){0};
	return cursor_is(word, "-") ||
	       tls_policy_parse(word.p, cursor_len(word), tls) == NULL;
}

static bool
read_target(struct cursor word, struct target_set *r)
{
	struct cursor host;
	uint16_t port;
	bool more;

	if (r->n == TARGETS_MAX || target_text_next(&word, &host, &port, &more) != NULL ||
		more || word.p != word.end || cursor_len(host) > DOMAIN_MAX ||
		onion_check(host.p, cursor_len(host), NULL) != ONION_OK)
		return false;
	r->target[r->n++] = (struct target){
		.host = host.p, .hostlen = (uint8_t)cursor_len(host), .port = port};
	return true;
}

/* In no other way of writing. */
static bool
read_day(struct cursor word, uint32_t *day)
{
	char text[12], again[12];

	if (cursor_len(word) >= sizeof(text))
		return false;
	memcpy(text, word.p, cursor_len(word));
	text[cursor_len(word)] = '\0';
	if (sscanf(text, "%" SCNu32, day) != 1)
		return false;
	snprintf(again, sizeof(again), "%" PRIu32, *day);
	return strcmp(text, again) == 0;
}

/* ":0123456789abcdef:0123456789abcdef" */
static bool
read_parents(struct cursor word, struct parents *p)
{
	char text[35], again[35];

	if (cursor_len(word) != sizeof(text) - 1)
		return false;
	memcpy(text, word.p, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	if (sscanf(text, ":%16" SCNx64 ":%16" SCNx64, &p->two, &p->three) != 2)
		return false;
	snprintf(again, sizeof(again), ":%016" PRIx64 ":%016" PRIx64, p->two, p->three);
	return strcmp(text, again) == 0;
}

static bool
read_quota(struct cursor word, struct bridge_line *l)
{
	static const size_t dns = 3; /* its length */

	l->parents = (struct parents){0};
	for (l->quota = QUOTA_ONION; l->quota < QUOTAS; l->quota++)
		if (cursor_is(word, quotas[l->quota]))
			return true;
	l->quota = QUOTA_DNS;
	if (cursor_len(word) < dns || memcmp(word.p, quotas[QUOTA_DNS], dns) != 0)
		return false;
	word.p += dns;
	return read_parents(word, &l->parents);
}

static bool
read_address_line(struct cursor *c, struct bridge_line *l)
{
	if (!read_domain(cursor_next_word(c), &l->domain) ||
		!read_tls(cursor_next_word(c), &l->tls))
		return false;
	l->route.n = 0;
	while (c->p < c->end)
		if (!read_target(cursor_next_word(c), &l->route))
			return false;
	return l->route.n > 0;
}

static enum bridge_line_kind
read_kind(struct cursor word)
{
	static const char *const kinds[] = {
		[BRIDGE_LINE_ADDRESS] = "address",
		[BRIDGE_LINE_OLD] = "bridge",
		[BRIDGE_LINE_USED] = "used",
		[BRIDGE_LINE_ALL_USED] = "all-used",
	};

	for (enum bridge_line_kind kind = BRIDGE_LINE_ADDRESS;
		kind <= BRIDGE_LINE_ALL_USED; kind++)
		if (cursor_is(word, kinds[kind]))
			return kind;
	return BRIDGE_LINE_DAMAGED;
}

enum bridge_line_kind
bridge_line_read(const char *line, size_t len, struct bridge_line *l)
{
	struct cursor c = {line, line};
	enum bridge_line_kind kind;
	bool good;

	if (!line_checksum_check(line, &len))
		return BRIDGE_LINE_DAMAGED;
	c.end = line + len;
	kind = read_kind(cursor_next_word(&c));
	good = kind == BRIDGE_LINE_ALL_USED || read_ipv4(cursor_next_word(&c), &l->ipv4);
	if (kind == BRIDGE_LINE_OLD) {
		l->day = 0;
		l->quota = QUOTA_DNS;
		l->parents = (struct parents){0};
	} else {
		good = good && read_day(cursor_next_word(&c), &l->day);
	}
	if (kind == BRIDGE_LINE_ADDRESS)
		good = good && read_quota(cursor_next_word(&c), l);
	if (kind == BRIDGE_LINE_ADDRESS || kind == BRIDGE_LINE_OLD)
		good = good && read_address_line(&c, l);
	return good && c.p == c.end ? kind : BRIDGE_LINE_DAMAGED;
}
