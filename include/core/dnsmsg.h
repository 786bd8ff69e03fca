/* DNS messages on the wire (RFC 1035): the two questions that we ask, and what an
 * answer to them proves. Takes TTL and SOA from the raw message with glibc's
 * ns_parserr(); the record API of c-ares 1.28 could replace the inside. */
#ifndef CORE_DNSMSG_H
#define CORE_DNSMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/answer.h"
#include "core/srv.h"

enum dns_type {
	DNS_TYPE_A,
	DNS_TYPE_SRV,
};

enum dns_status {
	DNS_RECORDS, /* srv or ipv4 below */
	DNS_NONE,    /* certain: no such record (RFC 2308), or none that we can use */
	DNS_FAILED,  /* reason below: proves nothing */
};

struct dns_answer {
	enum dns_status status;
	enum reason reason;
	uint32_t ttl;       /* seconds; for DNS_NONE by RFC 2308 section 5 */
	uint16_t dropped;   /* SRV targets that aren't valid onion names, or port 0 */
	uint16_t over;      /* SRV records beyond ROUTE_MAX */
	uint32_t ipv4;      /* host byte order */
	struct srv_set srv; /* its names point into names[] */
	char names[ROUTE_MAX][DOMAIN_MAX + 1];
};

#define DNS_QUERY_MAX (12 + 255 + 4)

/* Writes a query with RD set; name is in canonical form, without a trailing dot, and
 * may have labels that begin with an underscore. Returns its length, or 0 if the name
 * is too long for DNS. The message is never shorter than a header (12 bytes): a
 * shorter datagram kills tor. */
size_t dnsmsg_query(
	uint8_t out[DNS_QUERY_MAX], uint16_t id, const char *name, enum dns_type type);

/* What a message proves about name. Anything that isn't a whole, matching answer is
 * DNS_FAILED. A name's absence needs its SOA record. */
void dnsmsg_parse(const uint8_t *msg, size_t len, const char *name, enum dns_type type,
	struct dns_answer *out);

/* A failure that came without a message. */
void dns_answer_fail(struct dns_answer *, enum reason);

#endif
