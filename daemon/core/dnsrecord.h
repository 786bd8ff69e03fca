/* The records that answer our questions, as dnsmsg.c finds them in a message. */
#ifndef CORE_DNSRECORD_H
#define CORE_DNSRECORD_H

#include <arpa/nameser.h>

#include "core/dnsmsg.h"

const char *dnsrecord_type_name(enum dns_type type);
ns_type dnsrecord_wire_type(enum dns_type);

/* The name that begins at p and must end exactly at end, in text form. */
bool dnsrecord_name(
	const ns_msg *, const uint8_t *p, const uint8_t *end, char out[NS_MAXDNAME]);

enum dnsrecord_status {
	DNSRECORD_BAD,     /* malformed */
	DNSRECORD_USELESS, /* counted as dropped, or passed over */
	DNSRECORD_USED,
};

/* Adds a record of this type to the answer. */
enum dnsrecord_status dnsrecord_read(enum dns_type, const ns_msg *, const ns_rr *,
	struct dns_answer *, struct onion_memo *);

#endif
