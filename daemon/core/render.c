#include "core/render.h"

#include <string.h>

#include "core/text.h"

void
render_hostlist(struct rendered *r, const struct target_set *route)
{
	char *end = r->text;

	r->left_out = 0;
	for (uint8_t i = 0; i < route->n; i++) {
		const struct target *t = &route->target[i];

		if (i > 0)
			*end++ = ':';
		end = text_put_ipv4(end, t->ipv4);
		if (t->port != SMTP_PORT) {
			*end++ = ':';
			*end++ = ':';
			end = text_put_number(end, t->port);
		}
	}
	r->len = (size_t)(end - r->text);
}

static char *
put_nexthop(char *to, const struct target *t, enum answer_style style)
{
	*to++ = '[';
	if (style != STYLE_ONION)
		to = text_put_ipv4(to, t->ipv4);
	else
		to = text_put(to, t->host, t->hostlen);
	*to++ = ']';
	*to++ = ':';
	return text_put_number(to, t->port);
}

void
render_nexthop(
	struct rendered *r, const struct target_set *route, const struct render *how)
{
	char *end = text_put_word(r->text, how->transport);

	r->left_out = 0;
	for (uint8_t i = 0; i < route->n; i++) {
		r->len = (size_t)(end - r->text);
		*end++ = i == 0 ? ':' : ',';
		if (i > 0)
			*end++ = ' ';
		end = put_nexthop(end, &route->target[i], how->style);
		if (end - r->text <= RENDER_MAX)
			continue;
		/* The order is a preference: nothing after the first that is left out. */
		r->left_out = (unsigned)(route->n - i);
		return;
	}
	r->len = (size_t)(end - r->text);
}

bool
render_transport_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789-_");

	return n > 0 && n <= TRANSPORT_MAX && name[n] == '\0';
}
