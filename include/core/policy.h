/* What holds for one domain, beside where its mail goes: the options of a map entry,
 * "on_failure=clearnet dnssec=require tls=secure:mx.example.org". */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/domain.h"
#include "core/targetlist.h"

/* In place of targets: what DNS says. */
#define MAP_WORD_SRV "srv"

enum on_failure {
	ON_FAILURE_UNSET, /* as the configuration has it */
	ON_FAILURE_DEFER,
	ON_FAILURE_CLEARNET, /* TEMP becomes NONE: delivery before secrecy */
};

/* What the mail server is to do about TLS on its way through the bridge. */
enum tls_level {
	TLS_UNSET,
	TLS_NONE,
	TLS_MAY,
	TLS_ENCRYPT,
	TLS_SECURE, /* with a certificate for a name */
};

struct tls_policy {
	enum tls_level level;
	struct domain name; /* for TLS_SECURE */
};

/* All zeros: nothing that isn't in the configuration. */
struct policy {
	enum on_failure on_failure;
	bool dnssec_require; /* what DNS says counts only if it is validated */
	struct tls_policy tls;
};

/* The rest of the room for a name, which is most of it, stays as it is. */
static inline void
policy_clear(struct policy *p)
{
	p->on_failure = ON_FAILURE_UNSET;
	p->dnssec_require = false;
	p->tls.level = TLS_UNSET;
	p->tls.name.len = 0;
	p->tls.name.text[0] = '\0';
}

/* Takes options up to the end. Returns NULL, or what is wrong; the cursor then stands
 * where it is wrong. */
const char *policy_parse(struct cursor *, struct policy *);

/* Writes them with a blank before each, and a NUL; returns the length. */
#define POLICY_MAX                                                                       \
	(sizeof(" on_failure=clearnet dnssec=require tls=secure:") + DOMAIN_MAX)
size_t policy_write(const struct policy *, char out[POLICY_MAX]);

/* "none", "may", "encrypt" or "secure:NAME". Returns NULL, or what is wrong. */
#define TLS_POLICY_MAX (sizeof("secure:") + DOMAIN_MAX)
const char *tls_policy_parse(const char *text, size_t len, struct tls_policy *);
size_t tls_policy_write(const struct tls_policy *, char out[TLS_POLICY_MAX]);

/* ON_FAILURE_UNSET if it is neither "defer" nor "clearnet". */
enum on_failure on_failure_by_name(const char *, size_t len);

#endif
