#include "dnsrecord.h"

#include <stdio.h>
#include <string.h>

#include "core/onion.h"

#define STS_VERSION "v=STSv1"

static const struct {
	ns_type wire;
	const char *name;
} types[DNS_TYPES] = {
	[DNS_TYPE_A] = {ns_t_a, "A"},
	[DNS_TYPE_SRV] = {ns_t_srv, "SRV"},
	[DNS_TYPE_MX] = {ns_t_mx, "MX"},
	[DNS_TYPE_TXT] = {ns_t_txt, "TXT"},
	[DNS_TYPE_TLSA] = {(ns_type)52, "TLSA"}, /* ns_t_tlsa isn't everywhere */
};

ns_type
dnsrecord_wire_type(enum dns_type type)
{
	return types[type].wire;
}

const char *
dnsrecord_type_name(enum dns_type type)
{
	return types[type].name;
}

bool
dnsrecord_name(
	const ns_msg *m, const uint8_t *p, const uint8_t *end, char out[NS_MAXDNAME])
{
	int n = ns_name_uncompress(ns_msg_base(*m), ns_msg_end(*m), p, out, NS_MAXDNAME);

	return n >= 0 && p + n == end;
}

static void
lower_case(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

/* Targets, of SRV and MX */

static enum dnsrecord_status
drop(struct dns_answer *a, const struct target *rr, const char *host, const char *why)
{
	if (a->dropped < TARGETS_MAX) {
		struct dns_dropped *d = &a->drop[a->dropped];

		d->why = why;
		d->port = rr->port;
		snprintf(d->host, sizeof(d->host), "%s", host);
	}
	a->dropped++;
	return DNSRECORD_USELESS;
}

/* Keeps a copy of the name in the slot of names[] that belongs to the record. */
static enum dnsrecord_status
keep(struct dns_answer *a, const struct target *rr, const char *host)
{
	struct target candidate = *rr, *place;
	char *name;

	candidate.host = host;
	candidate.hostlen = (uint8_t)strlen(host);
	if (a->srv.n == TARGETS_MAX)
		a->over++;
	if ((place = srv_place(&a->srv, &candidate)) == NULL)
		return DNSRECORD_USED;
	name = a->names[place - a->srv.target];
	memcpy(name, host, candidate.hostlen);
	*place = candidate;
	place->host = name;
	return DNSRECORD_USED;
}

static enum dnsrecord_status
read_srv(const ns_msg *m, const ns_rr *rr, struct dns_answer *a, struct onion_memo *memo)
{
	const uint8_t *p = ns_rr_rdata(*rr), *end = p + ns_rr_rdlen(*rr);
	struct target srv;
	char host[NS_MAXDNAME];
	enum onion_status onion;

	if (end - p < 7 || !dnsrecord_name(m, p + 6, end, host))
		return DNSRECORD_BAD;
	lower_case(host);
	srv = (struct target){.priority = (uint16_t)ns_get16(p),
		.weight = (uint16_t)ns_get16(p + 2),
		.port = (uint16_t)ns_get16(p + 4)};
	if (strcmp(host, ".") == 0)
		return drop(a, &srv, host, "the domain says that it has none");
	if (strlen(host) > DOMAIN_MAX)
		return drop(a, &srv, host, onion_reason(ONION_LENGTH));
	if ((onion = onion_check(host, strlen(host), memo)) != ONION_OK)
		return drop(a, &srv, host, onion_reason(onion));
	if (srv.port == 0)
		return drop(a, &srv, host, "port 0");
	return keep(a, &srv, host);
}

static enum dnsrecord_status
read_mx(const ns_msg *m, const ns_rr *rr, struct dns_answer *a, struct onion_memo *memo)
{
	const uint8_t *p = ns_rr_rdata(*rr), *end = p + ns_rr_rdlen(*rr);
	struct target mx;
	char host[NS_MAXDNAME];

	(void)memo;
	if (end - p < 3 || !dnsrecord_name(m, p + 2, end, host))
		return DNSRECORD_BAD;
	lower_case(host);
	mx = (struct target){.priority = (uint16_t)ns_get16(p), .port = SMTP_PORT};
	if (strcmp(host, ".") == 0)
		return drop(a, &mx, host, "a null MX: no mail at all");
	if (!domain_is_canonical(host, strlen(host)))
		return drop(a, &mx, host, "not a valid host name");
	return keep(a, &mx, host);
}

/* Presence, of TXT and TLSA */

/* The first of its strings begins like a record of MTA-STS. */
static enum dnsrecord_status
read_txt(const ns_msg *m, const ns_rr *rr, struct dns_answer *a, struct onion_memo *memo)
{
	const uint8_t *p = ns_rr_rdata(*rr);
	const size_t version = strlen(STS_VERSION), len = ns_rr_rdlen(*rr);

	(void)m;
	(void)a;
	(void)memo;
	if (len < 1 || len < (size_t)1 + p[0])
		return DNSRECORD_BAD;
	return p[0] >= version && memcmp(p + 1, STS_VERSION, version) == 0
		       ? DNSRECORD_USED
		       : DNSRECORD_USELESS;
}

static enum dnsrecord_status
read_tlsa(const ns_msg *m, const ns_rr *rr, struct dns_answer *a, struct onion_memo *memo)
{
	(void)m;
	(void)memo;
	(void)a;
	return ns_rr_rdlen(*rr) > 3 ? DNSRECORD_USED : DNSRECORD_BAD;
}

/* Addresses */

static enum dnsrecord_status
read_a(const ns_msg *m, const ns_rr *rr, struct dns_answer *a, struct onion_memo *memo)
{
	(void)m;
	(void)memo;
	if (ns_rr_rdlen(*rr) != 4)
		return DNSRECORD_BAD;
	a->ipv4 = (uint32_t)ns_get32(ns_rr_rdata(*rr));
	return DNSRECORD_USED;
}

enum dnsrecord_status
dnsrecord_read(enum dns_type type, const ns_msg *m, const ns_rr *rr, struct dns_answer *a,
	struct onion_memo *memo)
{
	static enum dnsrecord_status (*const readers[DNS_TYPES])(const ns_msg *,
		const ns_rr *, struct dns_answer *, struct onion_memo *) = {
		[DNS_TYPE_A] = read_a,
		[DNS_TYPE_SRV] = read_srv,
		[DNS_TYPE_MX] = read_mx,
		[DNS_TYPE_TXT] = read_txt,
		[DNS_TYPE_TLSA] = read_tlsa,
	};

	return readers[type](m, rr, a, memo);
}
