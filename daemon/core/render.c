#include "core/render.h"

#include <string.h>

#include "core/text.h"

/* One target at most: separator, brackets, name, colons, port. */
#define PART_MAX (DOMAIN_MAX + sizeof(", []::65535"))

/* False, and the part left out, if there is no room. */
static bool
append(struct rendered *r, const char *part, size_t len)
{
	if (len > RENDER_MAX - r->len)
		return false;
	memcpy(r->text + r->len, part, len);
	r->len += len;
	return true;
}

void
render_hostlist(struct rendered *r, const struct route *route)
{
	r->len = 0;
	r->left_out = 0;
	for (uint8_t i = 0; i < route->n; i++) {
		const struct target *t = &route->target[i];
		char part[PART_MAX], *end = part;

		if (i > 0)
			*end++ = ':';
		end = text_put_ipv4(end, t->ipv4);
		if (t->port != SMTP_PORT) {
			*end++ = ':';
			*end++ = ':';
			end = text_put_number(end, t->port);
		}
		append(r, part, (size_t)(end - part));
	}
}

static size_t
nexthop_part(char part[PART_MAX], const struct target *t, enum answer_style style)
{
	char *end = part;

	*end++ = '[';
	if (style != STYLE_ONION)
		end = text_put_ipv4(end, t->ipv4);
	else
		end = text_put(end, t->host, t->hostlen);
	*end++ = ']';
	*end++ = ':';
	end = text_put_number(end, t->port);
	return (size_t)(end - part);
}

void
render_nexthop(struct rendered *r, const struct route *route, const struct render *how)
{
	char part[PART_MAX];

	r->len = 0;
	r->left_out = 0;
	append(r, how->transport, strlen(how->transport));
	for (uint8_t i = 0; i < route->n; i++) {
		size_t before = r->len;
		size_t n = nexthop_part(part, &route->target[i], how->style);
		bool fits = i == 0 ? append(r, ":", 1) : append(r, ", ", 2);

		if (fits && append(r, part, n))
			continue;
		/* The order is a preference: nothing after the first that is left out. */
		r->len = before;
		r->left_out = (unsigned)(route->n - i);
		break;
	}
}

bool
transport_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789-_");

	return n > 0 && n <= TRANSPORT_MAX && name[n] == '\0';
}
