#include "core/map_options.h"

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
map_options_on_failure(const char *name, size_t len)
{
	if (is(name, len, on_failures[ON_FAILURE_DEFER]))
		return ON_FAILURE_DEFER;
	if (is(name, len, on_failures[ON_FAILURE_CLEARNET]))
		return ON_FAILURE_CLEARNET;
	return ON_FAILURE_UNSET;
}

static const char *
parse_on_failure(struct map_options *o, const char *value, size_t len)
{
	if (o->on_failure != ON_FAILURE_UNSET)
		return "the same option twice";
	o->on_failure = map_options_on_failure(value, len);
	return o->on_failure != ON_FAILURE_UNSET
		       ? NULL
		       : "on_failure is either defer or clearnet";
}

static const char *
parse_dnssec(struct map_options *o, const char *value, size_t len)
{
	if (o->dnssec_require)
		return "the same option twice";
	o->dnssec_require = is(value, len, "require");
	return o->dnssec_require ? NULL : "dnssec can only be require here";
}

static const char *
parse_tls(struct map_options *o, const char *value, size_t len)
{
	if (o->tls.level != TLS_UNSET)
		return "the same option twice";
	return tls_policy_parse(value, len, &o->tls);
}

static const struct {
	const char *name;
	const char *(*parse)(struct map_options *, const char *value, size_t len);
} options[] = {
	{"on_failure", parse_on_failure},
	{"dnssec", parse_dnssec},
	{"tls", parse_tls},
};

static const char *
parse_option(struct map_options *o, struct cursor word)
{
	const char *equals = memchr(word.p, '=', (size_t)(word.end - word.p));

	for (size_t i = 0; equals != NULL && i < sizeof(options) / sizeof(options[0]);
		i++)
		if (is(word.p, (size_t)(equals - word.p), options[i].name))
			return options[i].parse(
				o, equals + 1, (size_t)(word.end - equals - 1));
	return "expected a comma, the end of the line, or on_failure=, dnssec= or tls=";
}

const char *
map_options_parse(struct cursor *c, struct map_options *o)
{
	map_options_clear(o);
	for (cursor_skip_blanks(c); c->p < c->end; cursor_skip_blanks(c)) {
		struct cursor rest = *c, word = cursor_word(&rest);
		const char *wrong = parse_option(o, word);

		if (wrong != NULL)
			return wrong;
		*c = rest;
	}
	return NULL;
}

size_t
map_options_write(const struct map_options *o, char out[MAP_OPTIONS_MAX])
{
	char *end = out;

	if (o->on_failure != ON_FAILURE_UNSET)
		end = stpcpy(stpcpy(end, " on_failure="), on_failures[o->on_failure]);
	if (o->dnssec_require)
		end = stpcpy(end, " dnssec=require");
	if (o->tls.level != TLS_UNSET) {
		end = stpcpy(end, " tls=");
		end += tls_policy_write(&o->tls, end);
	}
	return (size_t)(end - out);
}
