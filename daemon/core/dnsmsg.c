#include "core/dnsmsg.h"

#include <arpa/nameser.h>
#include <string.h>
#include <strings.h>

#include "dnsrecord.h"

#define CNAME_CHAIN_MAX 8
#define TTL_MAX 0x7fffffff /* RFC 2181 section 8: more counts as zero */

struct message {
	ns_msg handle;
	char owner[NS_MAXDNAME]; /* the name asked for, or the end of its CNAMEs */
	uint32_t ttl;            /* the least so far */
	int rcode;               /* with the upper bits that EDNS adds */
	int steps;               /* CNAMEs that led to owner */
	struct onion_memo *memo;
};

static uint8_t *
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

size_t
dnsmsg_query(uint8_t out[DNS_QUERY_MAX], uint16_t id, const char *name,
	enum dns_type type, bool ad)
{
	const unsigned flag_rd = 0x0100, flag_ad = 0x0020;
	uint8_t *p = out;

	if (strlen(name) > DOMAIN_MAX)
		return 0;
	p = put16(p, id);
	p = put16(p, ad ? flag_rd | flag_ad : flag_rd);
	p = put16(p, 1);
	memset(p, 0, 6);
	p += 6;
	while (*name != '\0') {
		size_t label = strcspn(name, ".");

		*p++ = (uint8_t)label;
		memcpy(p, name, label);
		p += label;
		name += label + (name[label] == '.');
	}
	*p++ = 0;
	p = put16(p, (unsigned)dnsrecord_wire_type(type));
	p = put16(p, ns_c_in);
	return (size_t)(p - out);
}

bool
dnsmsg_is_truncated(const uint8_t *msg, size_t len)
{
	const uint8_t qr = 0x80, tc = 0x02;

	return len >= NS_HFIXEDSZ && (msg[2] & (qr | tc)) == (qr | tc);
}

void
dnsmsg_answer_fail(struct dns_answer *a, enum reason reason)
{
	a->status = DNS_FAILED;
	a->reason = reason;
	a->bare = DNS_BARE_NO;
	a->from = NULL;
	a->ttl = 0;
	a->ad = false;
	a->dropped = a->over = 0;
	a->ipv4 = 0;
	a->srv.n = 0;
}

static void
note_ttl(struct message *m, uint32_t ttl)
{
	if (ttl > TTL_MAX)
		ttl = 0;
	if (ttl < m->ttl)
		m->ttl = ttl;
}

/* Is this message a whole answer to our question? */
static bool
open_message(
	struct message *m, const uint8_t *msg, size_t len, const char *name, ns_type type)
{
	ns_rr question;

	if (len > NS_MAXMSG || ns_initparse(msg, (int)len, &m->handle) < 0)
		return false;
	if (!ns_msg_getflag(m->handle, ns_f_qr) || ns_msg_getflag(m->handle, ns_f_tc) ||
		ns_msg_getflag(m->handle, ns_f_opcode) != ns_o_query)
		return false;
	if (ns_msg_count(m->handle, ns_s_qd) != 1 ||
		ns_parserr(&m->handle, ns_s_qd, 0, &question) < 0)
		return false;
	if (ns_rr_type(question) != type || ns_rr_class(question) != ns_c_in ||
		strcasecmp(ns_rr_name(question), *name == '\0' ? "." : name) != 0)
		return false;
	strcpy(m->owner, ns_rr_name(question));
	m->ttl = TTL_MAX;
	m->steps = 0;
	return true;
}

/* Reads every record once, and the response code, whose upper eight bits are in an OPT
 * record (RFC 6891 section 6.1.3). Our questions have none, but an answer may. A message
 * has one OPT at most, among the additional records (section 6.1.1): with any other the
 * response code isn't known. False: malformed. */
static bool
read_rcode(struct message *m)
{
	int opts = 0;

	m->rcode = (int)ns_msg_getflag(m->handle, ns_f_rcode);
	for (int section = ns_s_an; section <= ns_s_ar; section++)
		for (int i = 0; i < ns_msg_count(m->handle, section); i++) {
			ns_rr rr;

			if (ns_parserr(&m->handle, (ns_sect)section, i, &rr) < 0)
				return false;
			if (ns_rr_type(rr) != ns_t_opt)
				continue;
			if (section != ns_s_ar || opts++ > 0)
				return false;
			m->rcode |= (int)(ns_rr_ttl(rr) >> 24) << 4;
		}
	return true;
}

/* One step along a chain of CNAMEs: 1 if owner moved on, 0 at its end, -1 if the
 * message is malformed. */
static int
follow_cname(struct message *m)
{
	for (int i = 0; i < ns_msg_count(m->handle, ns_s_an); i++) {
		ns_rr rr;

		if (ns_parserr(&m->handle, ns_s_an, i, &rr) < 0)
			return -1;
		if (ns_rr_type(rr) != ns_t_cname || ns_rr_class(rr) != ns_c_in ||
			strcasecmp(ns_rr_name(rr), m->owner) != 0)
			continue;
		if (!dnsrecord_name(&m->handle, ns_rr_rdata(rr),
			    ns_rr_rdata(rr) + ns_rr_rdlen(rr), m->owner))
			return -1;
		/* No name that we know of has bytes that must be escaped, and text with
		 * escapes can't be compared label by label. */
		if (strchr(m->owner, '\\') != NULL)
			return -1;
		note_ttl(m, ns_rr_ttl(rr));
		m->steps++;
		return 1;
	}
	return 0;
}

static bool
follow_cnames(struct message *m)
{
	int moved = 1;

	for (int i = 0; moved == 1; i++) {
		if (i > CNAME_CHAIN_MAX)
			return false;
		moved = follow_cname(m);
	}
	return moved == 0;
}

/* How many records of our type stand at the end of the CNAMEs; -1: malformed. *used:
 * those of them that we can use. */
static int
read_records(struct message *m, enum dns_type type, struct dns_answer *a, int *used)
{
	int found = 0;

	for (int i = 0; i < ns_msg_count(m->handle, ns_s_an); i++) {
		enum dnsrecord_status st;
		ns_rr rr;

		if (ns_parserr(&m->handle, ns_s_an, i, &rr) < 0)
			return -1;
		if (ns_rr_type(rr) != dnsrecord_wire_type(type) ||
			ns_rr_class(rr) != ns_c_in ||
			strcasecmp(ns_rr_name(rr), m->owner) != 0)
			continue;
		if ((st = dnsrecord_read(type, &m->handle, &rr, a, m->memo)) ==
			DNSRECORD_BAD)
			return -1;
		note_ttl(m, ns_rr_ttl(rr));
		*used += st == DNSRECORD_USED;
		found++;
	}
	return found;
}

/* Is zone the name itself or above it? */
static bool
encloses(const char *zone, const char *name)
{
	size_t z = strlen(zone), n = strlen(name);

	if (strcmp(zone, ".") == 0)
		return true;
	if (z > n || strcasecmp(name + n - z, zone) != 0)
		return false;
	return z == n || name[n - z - 1] == '.';
}

/* A DNAME above the name sends it elsewhere, and the CNAME that says where is missing:
 * then the message is about the new name, whatever it says (RFC 6672 section 3.1). */
static bool
redirected(struct message *m)
{
	for (int i = 0; i < ns_msg_count(m->handle, ns_s_an); i++) {
		ns_rr rr;

		if (ns_parserr(&m->handle, ns_s_an, i, &rr) < 0)
			return true;
		if (ns_rr_type(rr) == ns_t_dname && ns_rr_class(rr) == ns_c_in &&
			encloses(ns_rr_name(rr), m->owner) &&
			strcasecmp(ns_rr_name(rr), m->owner) != 0)
			return true;
	}
	return false;
}

/* RFC 2308 section 5: the lesser of the SOA's TTL and its MINIMUM field. */
static bool
soa_ttl(struct message *m, const ns_rr *rr)
{
	const uint8_t *p = ns_rr_rdata(*rr), *end = p + ns_rr_rdlen(*rr);
	const uint8_t *last = ns_msg_end(m->handle);

	if (ns_name_skip(&p, last) < 0 || ns_name_skip(&p, last) < 0 || end - p != 20)
		return false;
	note_ttl(m, ns_rr_ttl(*rr));
	note_ttl(m, (uint32_t)ns_get32(p + 16));
	return true;
}

/* Is there nothing in the answer section but the way to owner? A record of another name
 * or type is no part of an absence: the server has answered something else. */
static bool
only_leads_here(struct message *m)
{
	int steps = 0;

	for (int i = 0; i < ns_msg_count(m->handle, ns_s_an); i++) {
		ns_rr rr;

		if (ns_parserr(&m->handle, ns_s_an, i, &rr) < 0 ||
			ns_rr_class(rr) != ns_c_in)
			return false;
		switch ((int)ns_rr_type(rr)) {
		case ns_t_cname:
			steps++;
			break;
		case ns_t_dname:
		case ns_t_rrsig:
			break;
		default:
			return false;
		}
	}
	return steps == m->steps;
}

/* How much an absence is worth: the SOA of the name's own zone, or of one above it,
 * proves it. Without that SOA it is bare (RFC 2308 section 2, types 3 and 4), but for
 * NOERROR with NS records, which is a referral, or with the SOA of elsewhere. */
static enum reason
read_absence(struct message *m, struct dns_answer *a)
{
	bool elsewhere = false;

	if (redirected(m))
		return REASON_DNS_UNPROVEN;
	for (int i = 0; i < ns_msg_count(m->handle, ns_s_ns); i++) {
		ns_rr rr;

		if (ns_parserr(&m->handle, ns_s_ns, i, &rr) < 0)
			return REASON_DNS_BAD;
		if (ns_rr_type(rr) == ns_t_soa && ns_rr_class(rr) == ns_c_in &&
			encloses(ns_rr_name(rr), m->owner))
			return soa_ttl(m, &rr) ? REASON_NONE : REASON_DNS_BAD;
		elsewhere |= ns_rr_type(rr) == ns_t_soa || ns_rr_type(rr) == ns_t_ns;
	}
	if (m->rcode == ns_r_nxdomain)
		a->bare = DNS_BARE_NXDOMAIN;
	else if (!elsewhere && only_leads_here(m))
		a->bare = DNS_BARE_NODATA;
	else
		return REASON_DNS_UNPROVEN;
	m->ttl = 0;
	return REASON_NONE;
}

/* REASON_NONE, and the answer is set but for its status; else it proves nothing. */
static enum reason
read_message(struct message *m, enum dns_type type, struct dns_answer *a, int *used)
{
	enum reason reason;
	int found;

	if (!read_rcode(m))
		return REASON_DNS_BAD;
	if (m->rcode != ns_r_noerror && m->rcode != ns_r_nxdomain)
		return REASON_DNS_FAILED;
	if (!follow_cnames(m) || (found = read_records(m, type, a, used)) < 0)
		return REASON_DNS_BAD;
	if (found > 0 && m->rcode == ns_r_nxdomain)
		return REASON_DNS_BAD;
	if (found == 0 && (reason = read_absence(m, a)) != REASON_NONE)
		return reason;
	a->ttl = m->ttl;
	a->ad = ns_msg_getflag(m->handle, ns_f_ad) != 0;
	return REASON_NONE;
}

void
dnsmsg_parse(const uint8_t *msg, size_t len, const struct dns_question *q,
	struct dns_answer *a, struct onion_memo *memo)
{
	enum reason reason = REASON_DNS_BAD;
	struct message m;
	int used = 0;

	dnsmsg_answer_fail(a, reason);
	m.memo = memo;
	if (open_message(&m, msg, len, q->name, dnsrecord_wire_type(q->type)))
		reason = read_message(&m, q->type, a, &used);
	if (reason != REASON_NONE) {
		dnsmsg_answer_fail(a, reason);
		return;
	}
	a->reason = REASON_NONE;
	a->status = used > 0 ? DNS_RECORDS : DNS_NONE;
}

bool
dnsmsg_answer_counts(
	const struct dns_answer *a, enum bare_negative setting, bool knows_type)
{
	switch (a->bare) {
	case DNS_BARE_NO:
		break;
	case DNS_BARE_NXDOMAIN:
		return setting != BARE_NEGATIVE_NONE;
	case DNS_BARE_NODATA:
		return setting == BARE_NEGATIVE_ANY ||
		       (setting == BARE_NEGATIVE_KNOWN && knows_type);
	}
	return true;
}

const char *
dnsmsg_type_name(enum dns_type type)
{
	return dnsrecord_type_name(type);
}
