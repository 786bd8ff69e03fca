#include "lookup_log.h"

#include <stdio.h>
#include <string.h>

#include "net/log.h"

static void
print_target(char *out, size_t size, const struct target *t)
{
	int n = snprintf(
		out, size, "%.*s:%u", (int)t->hostlen, t->host, (unsigned)t->port);

	if (t->ipv4 != 0 && n >= 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, " (%u.%u.%u.%u)", t->ipv4 >> 24,
			t->ipv4 >> 16 & 0xff, t->ipv4 >> 8 & 0xff, t->ipv4 & 0xff);
}

/* What doesn't fit in a line of the log is cut off. */
static void
log_route(const struct domain *d, const struct target_set *r)
{
	char text[800] = "", target[DOMAIN_MAX + 32];

	for (uint8_t i = 0; i < r->n; i++) {
		size_t used = strlen(text);

		print_target(target, sizeof(target), &r->target[i]);
		snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? ", " : "",
			target);
	}
	log_debug("%s: route %s", d->text, text);
}

void
lookup_log(const struct domain *d, const struct answer *a)
{
	switch (a->outcome) {
	case OUTCOME_ROUTE:
		log_route(d, &a->route);
		break;
	case OUTCOME_NONE:
		log_debug("%s: none", d->text);
		break;
	case OUTCOME_TEMP:
		log_debug("%s: temporary: %s", d->text, answer_reason_text(a->reason));
		break;
	case OUTCOME_FAIL:
		log_debug("%s: failure: %s", d->text, answer_reason_text(a->reason));
		break;
	}
}
