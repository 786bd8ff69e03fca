/* DNS messages byte by byte, good and bad. */
#ifndef WIRE_H
#define WIRE_H

#include <arpa/nameser.h>

#include "core/dnsmsg.h"
#include "unit.h"

/* The name asked for, and the usual flags of an answer: QR, RD, RA. */
#define Q "_onion-mx._tcp.example.org"
#define ANSWER 0x8180
#define NO_NAME 0x8183
#define V2 "expyuzz4wqqyqhjn.onion"

struct wire {
	size_t len;
	uint8_t at[16384];
};

/* A resource record; what "number" and "name" are depends on the type. */
struct rr {
	char section; /* 'a'nswer, 'n'ameserver, e'x'tra; 0: the end of a list */
	const char *owner;
	uint16_t type;
	uint16_t class;
	uint32_t ttl;
	uint32_t number[3];
	const char *name;
	size_t rawlen; /* not 0: name is the whole rdata */
};

/* The versions of clang-format differ in what they make of a list in a macro. */
/* clang-format off */
#define SRV(owner, ttl, priority, weight, port, target) \
	{'a', owner, ns_t_srv, ns_c_in, ttl, {priority, weight, port}, target, 0}
#define MX(owner, ttl, preference, target) \
	{'a', owner, ns_t_mx, ns_c_in, ttl, {preference}, target, 0}
#define A(owner, ttl, ip) {'a', owner, ns_t_a, ns_c_in, ttl, {ip}, NULL, 0}
#define CNAME(owner, ttl, target) \
	{'a', owner, ns_t_cname, ns_c_in, ttl, {0}, target, 0}
#define DNAME(owner, ttl, target) \
	{'a', owner, ns_t_dname, ns_c_in, ttl, {0}, target, 0}
#define SOA_IN(section, owner, ttl, minimum) \
	{section, owner, ns_t_soa, ns_c_in, ttl, {minimum}, "ns.example.org", 0}
#define SOA(owner, ttl, minimum) SOA_IN('n', owner, ttl, minimum)
#define NS(owner) {'n', owner, ns_t_ns, ns_c_in, 3600, {0}, "ns.example.org", 0}
#define OPT_IN(section, upper_rcode) \
	{section, "", ns_t_opt, 1232, (uint32_t)(upper_rcode) << 24, {0}, NULL, 0}
#define OPT OPT_IN('x', 0)
#define RAW(section, owner, type, bytes) \
	{section, owner, type, ns_c_in, 300, {0}, bytes, sizeof(bytes) - 1}
/* clang-format on */

static inline void
wire_8(struct wire *w, unsigned v)
{
	assert_true(w->len < sizeof(w->at));
	w->at[w->len++] = (uint8_t)v;
}

static inline void
wire_16(struct wire *w, unsigned v)
{
	wire_8(w, v >> 8);
	wire_8(w, v);
}

static inline void
wire_32(struct wire *w, uint32_t v)
{
	wire_16(w, v >> 16);
	wire_16(w, v);
}

static inline void
wire_bytes(struct wire *w, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		wire_8(w, (unsigned char)bytes[i]);
}

/* A label "@12" is a pointer to offset 12 and ends the name. */
static inline void
wire_name(struct wire *w, const char *name)
{
	while (*name != '\0') {
		size_t label = strcspn(name, ".");

		if (*name == '@') {
			wire_16(w, 0xc000 | (unsigned)strtoul(name + 1, NULL, 10));
			return;
		}
		wire_8(w, (unsigned)label);
		wire_bytes(w, name, label);
		name += label + (name[label] == '.');
	}
	wire_8(w, 0);
}

static inline void
wire_question(struct wire *w, const char *name, unsigned type, unsigned class)
{
	wire_name(w, name);
	wire_16(w, type);
	wire_16(w, class);
}

static inline void
wire_rdata(struct wire *w, const struct rr *rr)
{
	if (rr->rawlen > 0) {
		wire_bytes(w, rr->name, rr->rawlen);
		return;
	}
	if (rr->type == ns_t_a)
		wire_32(w, rr->number[0]);
	for (unsigned i = 0; rr->type == ns_t_srv && i < 3; i++)
		wire_16(w, rr->number[i]);
	if (rr->type == ns_t_mx)
		wire_16(w, rr->number[0]);
	if (rr->name != NULL)
		wire_name(w, rr->name);
	if (rr->type != ns_t_soa)
		return;
	wire_name(w, "hostmaster");
	for (uint32_t i = 1; i < 5; i++)
		wire_32(w, i * 100000);
	wire_32(w, rr->number[0]);
}

static inline void
wire_rr(struct wire *w, const struct rr *rr)
{
	size_t rdlen;

	wire_name(w, rr->owner);
	wire_16(w, rr->type);
	wire_16(w, rr->class);
	wire_32(w, rr->ttl);
	rdlen = w->len;
	wire_16(w, 0);
	wire_rdata(w, rr);
	w->at[rdlen] = (uint8_t)((w->len - rdlen - 2) >> 8);
	w->at[rdlen + 1] = (uint8_t)(w->len - rdlen - 2);
}

/* The records of a section, from a list that an empty one or its size ends. */
static inline void
wire_section(struct wire *w, char section, const struct rr *rr, size_t size)
{
	const size_t place = section == 'a' ? 6 : section == 'n' ? 8 : 10;
	unsigned n = 0;

	for (size_t i = 0; i < size && rr[i].section != 0; i++)
		if (rr[i].section == section) {
			wire_rr(w, &rr[i]);
			n++;
		}
	w->at[place] = (uint8_t)(n >> 8);
	w->at[place + 1] = (uint8_t)n;
}

static inline void
wire_begin(struct wire *w, unsigned flags, unsigned questions)
{
	w->len = 0;
	wire_16(w, 0x1234);
	wire_16(w, flags);
	wire_16(w, questions);
	for (unsigned i = 0; i < 3; i++)
		wire_16(w, 0);
}

static inline void
wire_records(struct wire *w, const struct rr *rr, size_t size)
{
	wire_section(w, 'a', rr, size);
	wire_section(w, 'n', rr, size);
	wire_section(w, 'x', rr, size);
}

/* What a message must mean. */
struct wire_want {
	enum dns_status status;
	enum reason reason;
	uint32_t ttl;
	uint8_t n;
	uint16_t dropped;
	enum dns_bare bare;
};

/* clang-format off */
#define RECORDS(ttl, n, dropped) \
	{DNS_RECORDS, REASON_NONE, ttl, n, dropped, DNS_BARE_NO}
#define NONE(ttl, dropped) {DNS_NONE, REASON_NONE, ttl, 0, dropped, DNS_BARE_NO}
#define BARE(kind) {DNS_NONE, REASON_NONE, 0, 0, 0, DNS_BARE_##kind}
#define FAILURE(reason) {DNS_FAILED, reason, 0, 0, 0, DNS_BARE_NO}
#define BAD FAILURE(REASON_DNS_BAD)
#define FAILED FAILURE(REASON_DNS_FAILED)
#define UNPROVEN FAILURE(REASON_DNS_UNPROVEN)
/* clang-format on */

/* A message with the question Q. */
struct wire_row {
	const char *what;
	unsigned flags;
	struct wire_want want;
	struct rr rr[5];
};

/* A failure says why and promises nothing; anything else says nothing of a reason. */
static inline void
wire_check_whole(const char *what, const struct dns_answer *a, enum dns_type type)
{
	const char *first = (const char *)a->names, *last = first + sizeof(a->names);

	row_assert(what, a->status <= DNS_FAILED && a->reason < REASON_COUNT);
	row_assert(what, (a->status == DNS_FAILED) == (a->reason != REASON_NONE));
	row_assert(what, a->status != DNS_FAILED || (a->ttl == 0 && !a->ad));
	row_assert(
		what, a->bare == DNS_BARE_NO ||
			      (a->status == DNS_NONE && a->ttl == 0 && a->dropped == 0));
	if (a->status != DNS_RECORDS || type != DNS_TYPE_SRV)
		return;
	row_assert(what, a->srv.n >= 1 && a->srv.n <= TARGETS_MAX);
	for (uint8_t i = 0; i < a->srv.n; i++) {
		const struct target *rr = &a->srv.target[i];

		row_assert(what, rr->host >= first && rr->host + rr->hostlen <= last);
		row_assert(what, onion_check(rr->host, rr->hostlen, NULL) == ONION_OK);
		row_assert(what, rr->port != 0);
	}
}

/* Parses a copy without room behind it, so that a sanitizer sees a read beyond. */
static inline void
wire_parse(
	const char *what, const struct wire *w, enum dns_type type, struct dns_answer *a)
{
	uint8_t *copy = malloc(w->len > 0 ? w->len : 1);

	assert_non_null(copy);
	memcpy(copy, w->at, w->len);
	memset(a, 0xee, sizeof(*a));
	dnsmsg_parse(copy, w->len, &(struct dns_question){Q, type}, a, NULL);
	free(copy);
	wire_check_whole(what, a, type);
}

static inline uint16_t
wire_type(enum dns_type type)
{
	static const uint16_t types[DNS_TYPES] = {
		ns_t_a, ns_t_srv, ns_t_mx, ns_t_txt, 52};

	return types[type];
}

static inline void
wire_check(const struct wire_row *rows, size_t n, enum dns_type type)
{
	static struct dns_answer a;
	static struct wire w;

	for (size_t i = 0; i < n; i++) {
		const struct wire_row *r = &rows[i];

		wire_begin(&w, r->flags, 1);
		wire_question(&w, Q, wire_type(type), ns_c_in);
		wire_records(&w, r->rr, COUNT(r->rr));
		wire_parse(r->what, &w, type, &a);
		row_assert(r->what, a.status == r->want.status);
		row_assert(r->what, a.reason == r->want.reason);
		row_assert(r->what, a.ttl == r->want.ttl);
		row_assert(r->what, a.bare == r->want.bare);
		if (type != DNS_TYPE_A && a.status != DNS_FAILED) {
			row_assert(r->what, a.srv.n == r->want.n);
			row_assert(r->what, a.dropped == r->want.dropped);
			row_assert(r->what, a.over == 0);
		}
	}
}

#endif
