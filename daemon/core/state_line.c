#include "core/state_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/cursor.h"
#include "core/line_checksum.h"
#include "core/onion.h"

static const char *const kinds[] = {
	[STATE_LINE_CACHE] = "cache",
	[STATE_LINE_PIN] = "pin",
	[STATE_LINE_HELD] = "held",
};

size_t
state_line_write(char out[STATE_LINE_MAX], const struct state_line *s)
{
	const struct target_set *set = &s->fact.set;
	size_t n = (size_t)snprintf(out, STATE_LINE_MAX,
		"%s %s %.*s%s %" PRId64 " %" PRIu32 " %c %c %u", kinds[s->kind],
		dnsmsg_type_name(s->type), (int)s->prefixlen, s->prefix ? s->prefix : "",
		s->domain.text, s->when, s->ttl,
		s->fact.status == DNS_RECORDS ? '+' : '-',
		s->ad_unasked ? '?'
		: s->fact.ad  ? 'a'
			      : '-',
		(unsigned)s->fact.dropped);

	for (uint8_t i = 0; i < set->n; i++) {
		const struct target *rr = &set->target[i];

		n += (size_t)snprintf(out + n, STATE_LINE_MAX - n, " %u %u %u %.*s",
			(unsigned)rr->priority, (unsigned)rr->weight, (unsigned)rr->port,
			(int)rr->hostlen, rr->host);
	}
	return line_checksum_add(out, n);
}

/* Reading */

static bool
take_number(struct cursor *c, uint64_t max, uint64_t *value)
{
	struct cursor word = cursor_next_word(c);

	*value = 0;
	if (word.p == word.end || word.end - word.p > 19)
		return false;
	for (; word.p < word.end; word.p++) {
		if (*word.p < '0' || *word.p > '9')
			return false;
		*value = *value * 10 + (uint64_t)(*word.p - '0');
	}
	return *value <= max;
}

static bool
take_kind(struct cursor *c, struct state_line *s)
{
	struct cursor word = cursor_next_word(c);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (cursor_is(word, kinds[i])) {
			s->kind = (enum state_line_kind)i;
			return true;
		}
	return false;
}

static bool
take_type(struct cursor *c, struct state_line *s)
{
	struct cursor word = cursor_next_word(c);

	for (enum dns_type t = DNS_TYPE_A; t < DNS_TYPES; t++)
		if (cursor_is(word, dnsmsg_type_name(t))) {
			s->type = t;
			return true;
		}
	return false;
}

/* Labels that begin with an underscore, and then a domain. */
static bool
take_domain(struct cursor *c, struct state_line *s)
{
	struct cursor word = cursor_next_word(c);
	size_t len;

	s->prefix = word.p;
	while (word.p < word.end && *word.p == '_') {
		word.p++;
		while (word.p < word.end &&
			((*word.p >= 'a' && *word.p <= 'z') ||
				(*word.p >= '0' && *word.p <= '9') || *word.p == '-'))
			word.p++;
		if (word.p == word.end || *word.p != '.')
			return false;
		word.p++;
	}
	s->prefixlen = (size_t)(word.p - s->prefix);
	len = (size_t)(word.end - word.p);
	if (s->prefixlen > STATE_LINE_PREFIX_MAX || !domain_is_canonical(word.p, len))
		return false;
	s->domain = (struct domain){.len = (uint8_t)len};
	memcpy(s->domain.text, word.p, len);
	return true;
}

static bool
take_head(struct cursor *c, struct state_line *s)
{
	uint64_t when, ttl, dropped;
	struct cursor status, ad;

	if (!take_kind(c, s) || !take_type(c, s) || !take_domain(c, s) ||
		!take_number(c, INT64_MAX, &when) || !take_number(c, UINT32_MAX, &ttl))
		return false;
	status = cursor_next_word(c);
	ad = cursor_next_word(c);
	if (!(cursor_is(status, "+") || cursor_is(status, "-")) ||
		!(cursor_is(ad, "a") || cursor_is(ad, "-") || cursor_is(ad, "?")) ||
		!take_number(c, UINT16_MAX, &dropped))
		return false;
	s->when = (int64_t)when;
	s->ttl = (uint32_t)ttl;
	s->ad_unasked = *ad.p == '?';
	s->fact = (struct dns_fact){.status = *status.p == '+' ? DNS_RECORDS : DNS_NONE,
		.ad = *ad.p == 'a',
		.dropped = (uint16_t)dropped};
	return true;
}

static bool
take_record(struct cursor *c, struct state_line *s)
{
	struct target_set *set = &s->fact.set;
	struct target *rr;
	uint64_t priority, weight, port;
	struct cursor host;
	size_t len;

	if (set->n == TARGETS_MAX || !take_number(c, UINT16_MAX, &priority) ||
		!take_number(c, UINT16_MAX, &weight) ||
		!take_number(c, UINT16_MAX, &port) || port == 0)
		return false;
	host = cursor_next_word(c);
	len = (size_t)(host.end - host.p);
	if (len > DOMAIN_MAX ||
		!(s->type == DNS_TYPE_SRV ? onion_check(host.p, len, NULL) == ONION_OK
					  : domain_is_canonical(host.p, len)))
		return false;
	rr = &set->target[set->n++];
	*rr = (struct target){.priority = (uint16_t)priority,
		.weight = (uint16_t)weight,
		.port = (uint16_t)port,
		.hostlen = (uint8_t)len,
		.host = host.p};
	return true;
}

/* Do the records go with the type, and with what is said of them? */
static bool
makes_sense(const struct state_line *s)
{
	bool has_targets = s->type == DNS_TYPE_SRV || s->type == DNS_TYPE_MX;

	if (s->kind != STATE_LINE_CACHE && s->type != DNS_TYPE_SRV)
		return false;
	return (s->fact.set.n > 0) == (has_targets && s->fact.status == DNS_RECORDS);
}

bool
state_line_read(const char *line, size_t len, struct state_line *s)
{
	struct cursor c = {line, line};

	if (!line_checksum_check(line, &len))
		return false;
	c.end = line + len;
	if (!take_head(&c, s))
		return false;
	while (c.p < c.end)
		if (!take_record(&c, s))
			return false;
	return makes_sense(s);
}
