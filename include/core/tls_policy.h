/* What a mail server is to do about TLS on its way through the bridge, with the words of
 * Postfix's smtp_tls_policy_maps. */
#ifndef CORE_TLS_POLICY_H
#define CORE_TLS_POLICY_H

#include <stddef.h>

#include "core/domain.h"

enum tls_level {
	TLS_UNSET, /* no policy */
	TLS_NONE,
	TLS_MAY,
	TLS_ENCRYPT,
	TLS_SECURE, /* with a certificate for the name */
};

struct tls_policy {
	enum tls_level level;
	struct domain name; /* only for TLS_SECURE, else empty */
};

/* Reads "none", "may", "encrypt" or "secure:NAME". Returns NULL, or what is wrong: static
 * text. */
const char *tls_policy_parse(const char *text, size_t len, struct tls_policy *policy);

/* Writes the same, of a policy that isn't TLS_UNSET, with a NUL. Returns the length
 * without it. */
#define TLS_POLICY_MAX (sizeof("secure:") + DOMAIN_MAX)
size_t tls_policy_write(const struct tls_policy *policy, char out[TLS_POLICY_MAX]);

#endif
