/* A way as a line of text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/addressbook.h"
#include "core/onion.h"
#include "core/sealed.h"
#include "core/targetlist.h"

size_t
way_write(char out[WAY_LINE_MAX], const struct way *w)
{
	char tls[TLS_POLICY_MAX] = "-";
	size_t n;

	if (w->tls.level != TLS_UNSET)
		tls_policy_write(&w->tls, tls);
	n = (size_t)snprintf(out, WAY_LINE_MAX, "bridge %u.%u.%u.%u %s %s", w->ipv4 >> 24,
		w->ipv4 >> 16 & 0xff, w->ipv4 >> 8 & 0xff, w->ipv4 & 0xff,
		w->domain.len > 0 ? w->domain.text : "-", tls);
	for (uint8_t i = 0; i < w->route.n; i++) {
		const struct target *t = &w->route.target[i];

		n += (size_t)snprintf(out + n, WAY_LINE_MAX - n, " %.*s:%u",
			(int)t->hostlen, t->host, (unsigned)t->port);
	}
	return seal_line(out, n);
}

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

bool
way_read(const char *line, size_t len, struct way *w)
{
	struct cursor c = {line, line};

	if (!sealed_line(line, &len))
		return false;
	c.end = line + len;
	if (!cursor_is(cursor_next_word(&c), "bridge") ||
		!take_ipv4(cursor_next_word(&c), &w->ipv4) ||
		!take_domain(cursor_next_word(&c), &w->domain) ||
		!take_tls(cursor_next_word(&c), &w->tls))
		return false;
	w->route.n = 0;
	while (c.p < c.end)
		if (!take_target(cursor_next_word(&c), &w->route))
			return false;
	return w->route.n > 0;
}
