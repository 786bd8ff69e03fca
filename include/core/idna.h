/* Host names in UTF-8, and their form in ASCII: the mapping of UTS 46 (non-transitional)
 * and A-labels (RFC 5890). Labels that IDNA2008 forbids, such as those with emoji, are in
 * use all the same and known to mail servers: they are mapped and encoded, too. */
#ifndef CORE_IDNA_H
#define CORE_IDNA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/domain.h"

/* A name on its way: lower-case A-labels and whatever ASCII there was, not checked as a
 * host name. Not NUL-terminated. */
struct idna_name {
	size_t len;
	char text[DOMAIN_MAX + 2]; /* with a dot at its end */
};

/* DOMAIN_UNUSABLE: not UTF-8, or too long, or no name by UTS 46. */
enum domain_status idna_to_ascii(struct idna_name *out, const char *name, size_t len);

bool idna_is_ascii(const char *text, size_t len);

/* The length in bytes of the dot that text begins with: that of ASCII, or one of the
 * three that UTS 46 maps to it (U+3002, U+FF0E, U+FF61). 0: none. */
size_t idna_dot(const char *text, const char *end);

#endif
