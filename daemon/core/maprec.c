#include "core/maprec.h"

#include <string.h>

#include "core/target_text.h"

/* How onion names are checked. */
struct trust {
	bool checked; /* they have been */
	struct onion_memo *memo;
};

static bool
is_onion(const char *name, size_t len, const struct trust *trust)
{
	return len <= DOMAIN_MAX &&
	       (trust->checked || onion_check(name, len, trust->memo) == ONION_OK);
}

/* Nothing but a name: a shorter value has no onion, and in one of this length nothing
 * else has room beside it. */
static bool
is_only_target(const char *value, size_t len, const struct trust *trust)
{
	const char dot_onion[] = ".onion";
	const size_t n = sizeof(dot_onion) - 1;

	if (len != ONION_LEN)
		return false;
	return trust->checked ? memcmp(value + len - n, dot_onion, n) == 0 &&
					memcmp(value, MAP_WORD_SRV, 3) != 0
			      : onion_check(value, len, trust->memo) == ONION_OK;
}

static enum maprec_status
parse_targets(struct cursor *c, struct target_set *route, const struct trust *trust)
{
	bool more = true;

	while (more) {
		struct cursor host;
		uint16_t port;

		if (route->n == TARGETS_MAX ||
			target_text_next(c, &host, &port, &more) != NULL)
			return MAPREC_BAD;
		if (!is_onion(host.p, cursor_len(host), trust))
			return MAPREC_BAD;
		route->target[route->n++] = (struct target){.host = host.p,
			.hostlen = (uint8_t)cursor_len(host),
			.port = port};
	}
	return MAPREC_ROUTE;
}

static enum maprec_status
parse(const char *value, size_t len, struct target_set *route,
	struct map_options *options, const struct trust *trust)
{
	struct cursor c = {value, value + len};
	enum maprec_status st;

	route->n = 0;
	map_options_clear(options);
	/* Most are a name, and nothing else. */
	if (is_only_target(value, len, trust)) {
		route->target[route->n++] = (struct target){
			.host = value, .hostlen = ONION_LEN, .port = SMTP_PORT};
		return MAPREC_ROUTE;
	}
	if (len == 1 && value[0] == '-')
		return MAPREC_NONE;
	if (cursor_skip_word(&c, MAP_WORD_SRV))
		st = MAPREC_SRV;
	else
		st = parse_targets(&c, route, trust);
	if (st == MAPREC_BAD || map_options_parse(&c, options) != NULL)
		return MAPREC_BAD;
	return st;
}

enum maprec_status
maprec_parse(const char *value, size_t len, struct target_set *route,
	struct map_options *options, struct onion_memo *memo)
{
	const struct trust trust = {.memo = memo};

	return parse(value, len, route, options, &trust);
}

enum maprec_status
maprec_parse_checked(const char *value, size_t len, struct target_set *route,
	struct map_options *options)
{
	const struct trust trust = {.checked = true};

	return parse(value, len, route, options, &trust);
}
