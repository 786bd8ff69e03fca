/* A way as a line of text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/addressbook.h"
#include "core/onion.h"
#include "core/targetlist.h"

static bool
is_repeated(const struct route *r, const struct target *t)
{
	for (uint8_t i = 0; i < r->n; i++)
		if (r->target[i].port == t->port &&
			memcmp(r->target[i].host, t->host, ONION_LEN) == 0)
			return true;
	return false;
}

void
way_make_plain(struct way *w)
{
	struct route *r = &w->route;
	const uint8_t n = r->n;

	r->n = 0;
	for (uint8_t i = 0; i < n; i++) {
		struct target t = r->target[i];

		t.host += t.hostlen - ONION_LEN;
		t.hostlen = ONION_LEN;
		if (!is_repeated(r, &t))
			r->target[r->n++] = t;
	}
	if (domain_is_onion(&w->domain) && w->domain.len > ONION_LEN) {
		memmove(w->domain.text, w->domain.text + w->domain.len - ONION_LEN,
			ONION_LEN + 1);
		w->domain.len = ONION_LEN;
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
way_write(char out[WAY_LINE_MAX], const struct way *w)
{
	char tls[TLS_POLICY_MAX] = "-";
	size_t n = write_ipv4(out, WAY_LINE_MAX, "address", w->ipv4, w->day);

	if (w->tls.level != TLS_UNSET)
		tls_policy_write(&w->tls, tls);
	n += (size_t)snprintf(out + n, WAY_LINE_MAX - n, " %s", quotas[w->quota]);
	if (w->quota == QUOTA_DNS)
		n += (size_t)snprintf(out + n, WAY_LINE_MAX - n,
			":%016" PRIx64 ":%016" PRIx64, w->parents.two, w->parents.three);
	n += (size_t)snprintf(out + n, WAY_LINE_MAX - n, " %s %s",
		w->domain.len > 0 ? w->domain.text : "-", tls);
	for (uint8_t i = 0; i < w->route.n; i++) {
		const struct target *t = &w->route.target[i];

		n += (size_t)snprintf(out + n, WAY_LINE_MAX - n, " %.*s:%u",
			(int)t->hostlen, t->host, (unsigned)t->port);
	}
	return seal_line(out, n);
}

size_t
way_write_used(char out[WAY_USED_MAX], uint32_t ipv4, uint32_t day)
{
	return seal_line(out, write_ipv4(out, WAY_USED_MAX, "used", ipv4, day));
}

size_t
way_write_all_used(char out[WAY_USED_MAX], uint32_t day)
{
	return seal_line(
		out, (size_t)snprintf(out, WAY_USED_MAX, "all-used %" PRIu32, day));
}

/* Reading */

static bool
take_ipv4(struct cursor word, uint32_t *ipv4)
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
take_domain(struct cursor word, struct domain *d)
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
take_tls(struct cursor word, struct tls_policy *tls)
{
	*tls = (struct tls_policy){0};
	return cursor_is(word, "-") ||
	       tls_policy_parse(word.p, cursor_len(word), tls) == NULL;
}

static bool
take_target(struct cursor word, struct route *r)
{
	struct targetlist_item item;
	bool more;

	if (r->n == ROUTE_MAX || targetlist_next(&word, &item, &more) != NULL || more ||
		word.p != word.end || item.hostlen > DOMAIN_MAX ||
		onion_check(item.host, item.hostlen, NULL) != ONION_OK)
		return false;
	r->target[r->n++] = (struct target){
		.host = item.host, .hostlen = (uint8_t)item.hostlen, .port = item.port};
	return true;
}

/* In no other way of writing. */
static bool
take_day(struct cursor word, uint32_t *day)
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
take_parents(struct cursor word, struct parents *p)
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
take_quota(struct cursor word, struct way *w)
{
	static const size_t dns = 3; /* its length */

	w->parents = (struct parents){0};
	for (w->quota = QUOTA_ONION; w->quota < QUOTAS; w->quota++)
		if (cursor_is(word, quotas[w->quota]))
			return true;
	w->quota = QUOTA_DNS;
	if (cursor_len(word) < dns || memcmp(word.p, quotas[QUOTA_DNS], dns) != 0)
		return false;
	word.p += dns;
	return take_parents(word, &w->parents);
}

static bool
take_way(struct cursor *c, struct way *w)
{
	if (!take_domain(cursor_next_word(c), &w->domain) ||
		!take_tls(cursor_next_word(c), &w->tls))
		return false;
	w->route.n = 0;
	while (c->p < c->end)
		if (!take_target(cursor_next_word(c), &w->route))
			return false;
	return w->route.n > 0;
}

static enum way_line
take_kind(struct cursor word)
{
	static const char *const kinds[] = {
		[WAY_ADDRESS] = "address",
		[WAY_OLD] = "bridge",
		[WAY_USED] = "used",
		[WAY_ALL_USED] = "all-used",
	};

	for (enum way_line kind = WAY_ADDRESS; kind <= WAY_ALL_USED; kind++)
		if (cursor_is(word, kinds[kind]))
			return kind;
	return WAY_DAMAGED;
}

enum way_line
way_read(const char *line, size_t len, struct way *w)
{
	struct cursor c = {line, line};
	enum way_line kind;
	bool good;

	if (!sealed_line(line, &len))
		return WAY_DAMAGED;
	c.end = line + len;
	kind = take_kind(cursor_next_word(&c));
	good = kind == WAY_ALL_USED || take_ipv4(cursor_next_word(&c), &w->ipv4);
	if (kind == WAY_OLD) {
		w->day = 0;
		w->quota = QUOTA_DNS;
		w->parents = (struct parents){0};
	} else {
		good = good && take_day(cursor_next_word(&c), &w->day);
	}
	if (kind == WAY_ADDRESS)
		good = good && take_quota(cursor_next_word(&c), w);
	if (kind == WAY_ADDRESS || kind == WAY_OLD)
		good = good && take_way(&c, w);
	return good && c.p == c.end ? kind : WAY_DAMAGED;
}
