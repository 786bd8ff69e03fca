/* Domain names as this program uses them: lower case, A-labels, no trailing dot.
 * A struct domain exists only if it is valid. */
#ifndef CORE_DOMAIN_H
#define CORE_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DOMAIN_MAX 253 /* bytes in text form, RFC 1035 2.3.4 */

struct domain {
	uint8_t len;
	char text[DOMAIN_MAX + 1]; /* NUL-terminated */
};

enum domain_status {
	DOMAIN_OK,
	DOMAIN_UNUSABLE, /* names no domain: certain, for ever */
	DOMAIN_ONION,    /* ends in .onion, but is no valid name; of keys only */
	DOMAIN_UNKNOWN,  /* has a character that this system's Unicode doesn't know */
	DOMAIN_NOMEM,    /* not known now */
};

/* The domain of a lookup key: an address (the part after its last @) or a bare
 * domain. Accepts one trailing dot, any case, and UTF-8 (see core/idna.h). Labels of
 * letters, digits, hyphens (RFC 1123 section 2.1) and underscores, which mail servers let
 * through; lengths by RFC 1035 section 2.3.4; a name whose last label is all digits is an
 * address, not a domain. */
enum domain_status domain_from_key(struct domain *, const char *key, size_t len);

/* The same for a name that must be a bare domain (no @). */
enum domain_status domain_from_name(struct domain *, const char *name, size_t len);

/* Is this "onion" or a name below it (RFC 7686)? */
bool domain_is_onion(const struct domain *);

/* True if text (not NUL-terminated) already is a domain in canonical form. */
bool domain_is_canonical(const char *text, size_t len);

#endif
