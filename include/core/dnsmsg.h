/* DNS messages on the wire (RFC 1035): the questions that we ask, and what an answer to
 * them proves. Takes TTL and SOA from the raw message with glibc's ns_parserr(); the
 * record API of c-ares 1.28 could replace the inside. */
#ifndef CORE_DNSMSG_H
#define CORE_DNSMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/onion.h"
#include "core/srv.h"

enum dns_type {
	DNS_TYPE_A, /* of an MX host, and of an onion if tor is asked */
	DNS_TYPE_SRV,
	DNS_TYPE_MX,
	DNS_TYPE_TXT,  /* of MTA-STS (RFC 8461 section 3.1); others don't count */
	DNS_TYPE_TLSA, /* RFC 6698 */
	DNS_TYPES,
};

enum dns_status {
	DNS_RECORDS, /* srv or ipv4 below; for TXT and TLSA nothing more */
	DNS_NONE,    /* certain: no such record (RFC 2308), or none that we can use */
	DNS_FAILED,  /* reason below: proves nothing */
};

/* A negative answer without the SOA record that proves it, as some resolvers give it
 * (RFC 2308 section 2). Whether it counts is for dnsmsg_answer_counts(). */
enum dns_bare {
	DNS_BARE_NO,       /* it has that SOA, or isn't negative */
	DNS_BARE_NXDOMAIN, /* the name isn't there, if the resolver is to be believed */
	DNS_BARE_NODATA, /* the name has no such record, or the resolver doesn't know the
			    type; not a referral, which is DNS_FAILED */
};

/* A record that was there and can't be used. */
struct dns_dropped {
	const char *why; /* static */
	uint16_t port;
	char host[DOMAIN_MAX + 1]; /* printable ASCII; cut off if it is longer */
};

struct dns_answer {
	enum dns_status status;
	enum reason reason;
	enum dns_bare bare; /* only of DNS_NONE */
	uint32_t ttl;       /* seconds; for DNS_NONE by RFC 2308 section 5; 0 if bare */
	bool ad;            /* the resolver says that it has validated this (RFC 4035) */
	const char *from; /* the server that gave it; NULL: none. Its source sets this */
	uint16_t dropped; /* targets that aren't valid names, or port 0 */
	uint16_t over;    /* records beyond TARGETS_MAX */
	uint32_t ipv4;    /* host byte order; of several, the last */
	struct target_set srv; /* its names point into names[]; MX: the preference is the
			       priority, and the port is SMTP_PORT */
	char names[TARGETS_MAX][DOMAIN_MAX + 1];
	struct dns_dropped drop[TARGETS_MAX]; /* the first of those dropped */
};

#define DNS_QUERY_MAX (12 + 255 + 4)

/* Writes a query with RD set; name is in canonical form, without a trailing dot, and
 * may have labels that begin with an underscore; "" is the root. ad asks for the AD bit
 * (RFC 6840 section 5.7). Returns its length, or 0 if the name is too long for DNS. The
 * message is never shorter than a header (12 bytes): a shorter datagram kills tor. */
size_t dnsmsg_query(uint8_t out[DNS_QUERY_MAX], uint16_t id, const char *name,
	enum dns_type type, bool ad);

struct dns_question {
	const char *name;
	enum dns_type type;
};

/* What a message says about the name, or about the end of its CNAMEs. Anything that isn't
 * a whole, matching answer is DNS_FAILED. An absence whose SOA record is missing is
 * DNS_NONE, with bare set, and isn't judged yet. The memo may be NULL. */
void dnsmsg_parse(const uint8_t *msg, size_t len, const struct dns_question *,
	struct dns_answer *out, struct onion_memo *);

/* Which bare answers count. */
enum bare_negative {
	BARE_NEGATIVE_KNOWN, /* NXDOMAIN; NODATA of a resolver that knows the type */
	BARE_NEGATIVE_ANY,
	BARE_NEGATIVE_NONE,
};

/* Does an answer that was read count as what it says? One that isn't bare always does, a
 * failure as a failure. knows_type: the resolver that gave it has answered a question for
 * that type of record before with a record, or with an SOA. One for which it is false is
 * to become a failure, REASON_DNS_UNPROVEN. */
bool dnsmsg_answer_counts(
	const struct dns_answer *, enum bare_negative setting, bool knows_type);

/* Does this answer (QR) say of itself that it is truncated (TC)? Then the question is to
 * be asked again by TCP. False for what is shorter than a header; the rest isn't looked
 * at. */
bool dnsmsg_is_truncated(const uint8_t *msg, size_t len);

/* A failure that came without a message. */
void dnsmsg_answer_fail(struct dns_answer *, enum reason);

/* "SRV" and the like. */
const char *dnsmsg_type_name(enum dns_type);

#endif
