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

static const struct {
	const char *name;
	const char *(*take)(struct policy *, const char *value, size_t len);
} options[] = {
	{"on_failure", take_on_failure},
	{"dnssec", take_dnssec},
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
	return "expected a comma, the end of the line, or on_failure= or dnssec=";
}

const char *
policy_parse(struct cursor *c, struct policy *p)
{
	*p = (struct policy){0};
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
	return (size_t)(end - out);
}
