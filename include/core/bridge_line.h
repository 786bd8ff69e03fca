/* An address of the bridge, what it stands for, and its line in the file that keeps it.
 */
#ifndef CORE_BRIDGE_LINE_H
#define CORE_BRIDGE_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"
#include "core/line_checksum.h"
#include "core/parents.h"
#include "core/quotas.h"
#include "core/target.h"
#include "core/tls_policy.h"

/* What an address stands for. Days count from 1970 on; 0: not known. */
struct bridge_line {
	uint32_t ipv4;          /* host byte order */
	uint32_t day;           /* of its last use */
	enum quota quota;       /* that it takes a place of */
	struct parents parents; /* of the domain that asked first, for QUOTA_DNS */
	struct domain domain;   /* it is only for this one; len 0: for all */
	struct tls_policy tls;
	struct target_set
		route; /* in the order in which to try the targets; no addresses */
};

/* Reduces each name to its onion, NAME.onion, and removes targets that are there twice.
 */
void bridge_line_make_plain(struct bridge_line *);

/* Lines of text. An address, the day and quota, the parents of QUOTA_DNS, the domain or
 * "-", the TLS policy or "-", and the targets; that an address was used; that all were:
 *
 *	address 127.42.3.4 20785 dns:0123456789abcdef:0 - - NAME.onion:25 N2.onion:26 SEAL
 *	used 127.42.3.4 20786 SEAL
 *	all-used 20786 SEAL
 *
 * An address without day and quota, as older versions wrote it, can be read:
 *
 *	bridge 127.42.3.4 - - NAME.onion:25 SEAL
 *
 * The writers return the length, with the newline and without the NUL behind it. */
#define BRIDGE_LINE_MAX                                                                  \
	(128 + DOMAIN_MAX + TLS_POLICY_MAX +                                             \
		TARGETS_MAX * (DOMAIN_MAX + sizeof(" :65535")) + LINE_CHECKSUM_LEN)
size_t bridge_line_write(char out[BRIDGE_LINE_MAX], const struct bridge_line *);

#define BRIDGE_LINE_USED_MAX (64 + LINE_CHECKSUM_LEN)
size_t bridge_line_write_used(
	char out[BRIDGE_LINE_USED_MAX], uint32_t ipv4, uint32_t day);
size_t bridge_line_write_all_used(char out[BRIDGE_LINE_USED_MAX], uint32_t day);

enum bridge_line_kind {
	BRIDGE_LINE_DAMAGED, /* or no such line */
	BRIDGE_LINE_ADDRESS,
	BRIDGE_LINE_OLD,      /* an address; its day is 0 */
	BRIDGE_LINE_USED,     /* only ipv4 and day are set */
	BRIDGE_LINE_ALL_USED, /* only day */
};

/* A line without its newline. The names are views. */
enum bridge_line_kind bridge_line_read(
	const char *line, size_t len, struct bridge_line *);

#endif
