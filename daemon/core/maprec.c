#include "core/maprec.h"

#include "core/onion.h"
#include "core/targetlist.h"

enum maprec_status
maprec_parse(const char *value, size_t len, struct route *route)
{
	struct cursor c = {value, value + len};
	bool more = true;

	route->n = 0;
	if (len == 1 && value[0] == '-')
		return MAPREC_NONE;
	while (more) {
		struct targetlist_item item;

		if (route->n == ROUTE_MAX || targetlist_next(&c, &item, &more) != NULL)
			return MAPREC_BAD;
		if (item.hostlen > DOMAIN_MAX ||
			onion_check(item.host, item.hostlen) != ONION_OK)
			return MAPREC_BAD;
		route->target[route->n++] = (struct target){.host = item.host,
			.hostlen = (uint8_t)item.hostlen,
			.port = item.port};
	}
	return MAPREC_ROUTE;
}
