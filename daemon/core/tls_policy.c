#include "core/tls_policy.h"

#include <string.h>

static const char *const levels[] = {
	[TLS_NONE] = "none",
	[TLS_MAY] = "may",
	[TLS_ENCRYPT] = "encrypt",
	[TLS_SECURE] = "secure:",
};

static const char *
parse_name(struct tls_policy *p, const char *name, size_t len)
{
	switch (domain_from_name(&p->name, name, len)) {
	case DOMAIN_OK:
		return NULL;
	case DOMAIN_NOMEM:
		return "out of memory";
	default:
		return "tls=secure: needs a valid host name";
	}
}

const char *
tls_policy_parse(const char *text, size_t len, struct tls_policy *p)
{
	const size_t secure = strlen(levels[TLS_SECURE]);

	for (enum tls_level level = TLS_NONE; level <= TLS_ENCRYPT; level++)
		if (strlen(levels[level]) == len &&
			memcmp(text, levels[level], len) == 0) {
			p->level = level;
			return NULL;
		}
	if (len < secure || memcmp(text, levels[TLS_SECURE], secure) != 0)
		return "tls is none, may, encrypt or secure:NAME";
	p->level = TLS_SECURE;
	return parse_name(p, text + secure, len - secure);
}

size_t
tls_policy_write(const struct tls_policy *p, char out[TLS_POLICY_MAX])
{
	char *end = stpcpy(out, levels[p->level]);

	if (p->level == TLS_SECURE)
		end = stpcpy(end, p->name.text);
	return (size_t)(end - out);
}
