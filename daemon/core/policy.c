#include "core/policy.h"

#include <string.h>

static const char *const on_failures[] = {
	[ON_FAILURE_DEFER] = "defer",
	[ON_FAILURE_CLEARNET] = "clearnet",
};

static bool
is(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(text, word, len) == 0;
}

enum on_failure
on_failure_by_name(const char *name, size_t len)
{
	if (is(name, len, on_failures[ON_FAILURE_DEFER]))
		return ON_FAILURE_DEFER;
	if (is(name, len, on_failures[ON_FAILURE_CLEARNET]))
		return ON_FAILURE_CLEARNET;
	return ON_FAILURE_UNSET;
}

static const char *
take_on_failure(struct policy *p, const char *value, size_t len)
{
	if (p->on_failure != ON_FAILURE_UNSET)
		return "the same option twice";
	p->on_failure = on_failure_by_name(value, len);
	return p->on_failure != ON_FAILURE_UNSET
		       ? NULL
		       : "on_failure is either defer or clearnet";
}

static const char *
take_dnssec(struct policy *p, const char *value, size_t len)
{
	if (p->dnssec_require)
		return "the same option twice";
	p->dnssec_require = is(value, len, "require");
	return p->dnssec_require ? NULL : "dnssec can only be require here";
}

static const char *const tls_levels[] = {
	[TLS_NONE] = "none",
	[TLS_MAY] = "may",
	[TLS_ENCRYPT] = "encrypt",
	[TLS_SECURE] = "secure:",
};

static const char *
take_tls_name(struct tls_policy *p, const char *name, size_t len)
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
	const size_t secure = strlen(tls_levels[TLS_SECURE]);

	for (enum tls_level level = TLS_NONE; level <= TLS_ENCRYPT; level++)
		if (is(text, len, tls_levels[level])) {
			p->level = level;
			return NULL;
		}
	if (len < secure || memcmp(text, tls_levels[TLS_SECURE], secure) != 0)
		return "tls is none, may, encrypt or secure:NAME";
	p->level = TLS_SECURE;
	return take_tls_name(p, text + secure, len - secure);
}

size_t
tls_policy_write(const struct tls_policy *p, char out[TLS_POLICY_MAX])
{
	char *end = stpcpy(out, tls_levels[p->level]);

	if (p->level == TLS_SECURE)
		end = stpcpy(end, p->name.text);
	return (size_t)(end - out);
}

static const char *
take_tls(struct policy *p, const char *value, size_t len)
{
	if (p->tls.level != TLS_UNSET)
		return "the same option twice";
	return tls_policy_parse(value, len, &p->tls);
}

static const struct {
	const char *name;
	const char *(*take)(struct policy *, const char *value, size_t len);
} options[] = {
	{"on_failure", take_on_failure},
	{"dnssec", take_dnssec},
	{"tls", take_tls},
};

static const char *
take(struct policy *p, struct cursor word)
{
	const char *equals = memchr(word.p, '=', (size_t)(word.end - word.p));

	for (size_t i = 0; equals != NULL && i < sizeof(options) / sizeof(options[0]);
		i++)
		if (is(word.p, (size_t)(equals - word.p), options[i].name))
			return options[i].take(
				p, equals + 1, (size_t)(word.end - equals - 1));
	return "expected a comma, the end of the line, or on_failure=, dnssec= or tls=";
}

const char *
policy_parse(struct cursor *c, struct policy *p)
{
	policy_clear(p);
	for (cursor_skip_blanks(c); c->p < c->end; cursor_skip_blanks(c)) {
		struct cursor rest = *c, word = cursor_word(&rest);
		const char *wrong = take(p, word);

		if (wrong != NULL)
			return wrong;
		*c = rest;
	}
	return NULL;
}

size_t
policy_write(const struct policy *p, char out[POLICY_MAX])
{
	char *end = out;

	if (p->on_failure != ON_FAILURE_UNSET)
		end = stpcpy(stpcpy(end, " on_failure="), on_failures[p->on_failure]);
	if (p->dnssec_require)
		end = stpcpy(end, " dnssec=require");
	if (p->tls.level != TLS_UNSET) {
		end = stpcpy(end, " tls=");
		end += tls_policy_write(&p->tls, end);
	}
	return (size_t)(end - out);
}
