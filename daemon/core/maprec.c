#include "core/maprec.h"

#include <string.h>

#include "core/targetlist.h"

static enum maprec_status
parse_targets(struct cursor *c, struct route *route, struct onion_memo *memo)
{
	bool more = true;

	while (more) {
		struct targetlist_item item;

		if (route->n == ROUTE_MAX || targetlist_next(c, &item, &more) != NULL)
			return MAPREC_BAD;
		if (item.hostlen > DOMAIN_MAX ||
			onion_check(item.host, item.hostlen, memo) != ONION_OK)
			return MAPREC_BAD;
		route->target[route->n++] = (struct target){.host = item.host,
			.hostlen = (uint8_t)item.hostlen,
			.port = item.port};
	}
	return MAPREC_ROUTE;
}

enum maprec_status
maprec_parse(const char *value, size_t len, struct route *route, struct policy *policy,
	struct onion_memo *memo)
{
	struct cursor c = {value, value + len};
	enum maprec_status st;

	route->n = 0;
	policy_clear(policy);
	/* Most are a name, and nothing else. */
	if (len == ONION_LEN && onion_check(value, len, memo) == ONION_OK) {
		route->target[route->n++] = (struct target){
			.host = value, .hostlen = ONION_LEN, .port = SMTP_PORT};
		return MAPREC_ROUTE;
	}
	if (len == 1 && value[0] == '-')
		return MAPREC_NONE;
	if (cursor_take_word(&c, MAP_WORD_SRV))
		st = MAPREC_SRV;
	else
		st = parse_targets(&c, route, memo);
	if (st == MAPREC_BAD || policy_parse(&c, policy) != NULL)
		return MAPREC_BAD;
	return st;
}
