/* Tor v3 onion service names (rend-spec-v3 section 6, [ONIONADDRESS]). Tor itself
 * checks nothing when it maps a name, so nothing may reach it unchecked. */
#ifndef CORE_ONION_H
#define CORE_ONION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ONION_LABEL_LEN 56 /* base32 of key (32), checksum (2) and version (1) */
#define ONION_LEN (ONION_LABEL_LEN + 6)

enum onion_status {
	ONION_OK,
	ONION_SUFFIX,    /* doesn't end in .onion */
	ONION_V2,        /* 16 characters: version 2, gone since tor 0.4.6 */
	ONION_LENGTH,    /* neither 16 nor 56 characters */
	ONION_ALPHABET,  /* not base32 */
	ONION_VERSION,   /* a version other than 3 */
	ONION_CHECKSUM,  /* mistyped */
	ONION_SUBDOMAIN, /* what stands before the onion isn't LDH labels */
};

/* Names that were found valid, so that for most the checksum, which takes longer than all
 * the rest of a lookup, is computed once. Belongs to whoever checks many. All zeros:
 * none.
 */
#define ONION_MEMO_BITS 9
#define ONION_MEMO_SETS (1 << ONION_MEMO_BITS)
#define ONION_MEMO_WAYS 8
struct onion_memo {
	struct onion_label {
		char text[ONION_LABEL_LEN];
	} set[ONION_MEMO_SETS][ONION_MEMO_WAYS];
};

/* Checks a lower-case name, subdomains of the service included ("mail.NAME.onion").
 * Not NUL-terminated; no trailing dot. memo may be NULL. */
enum onion_status onion_check(const char *name, size_t len, struct onion_memo *memo);

/* Can tor have this IPv4 address, in host byte order, stand for an onion
 * (VirtualAddrNetworkIPv4)? Only if it isn't one of the public Internet. */
bool onion_is_virtual(uint32_t ip);

/* What is wrong, in words that fit after "NAME: ". */
const char *onion_reason(enum onion_status);

#endif
