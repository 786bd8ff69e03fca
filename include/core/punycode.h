/* Punycode (RFC 3492) of a label, without any of IDNA's rules. */
#ifndef CORE_PUNYCODE_H
#define CORE_PUNYCODE_H

#include <stdbool.h>
#include <stddef.h>

#define PUNYCODE_MAX 63 /* bytes of a DNS label */

bool punycode_is_utf8(const char *text, size_t len);

/* Encodes a label of UTF-8 as "xn--...", ASCII in lower case. Returns its length, or 0 if
 * it isn't UTF-8 or gets too long. Writes no NUL. */
size_t punycode_label(char out[PUNYCODE_MAX], const char *utf8, size_t len);

#endif
