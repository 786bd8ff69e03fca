#include "core/proto.h"

#include <stdio.h>

const char *
proto_refusal_text(enum refusal r)
{
	static const char *const text[] = {
		[REFUSE_UNKNOWN] = "unknown request",
		[REFUSE_MALFORMED] = "malformed request",
		[REFUSE_BUSY] = "too many clients",
	};

	return text[r];
}

void
proto_transport_value(
	struct rendered *r, const struct answer *a, const struct render *how)
{
	if (a->outcome == OUTCOME_ROUTE) {
		render_nexthop(r, &a->route, how);
		return;
	}
	/* error(8) bounces, retry(8) defers with this status and text. */
	r->len = (size_t)snprintf(r->text, sizeof(r->text), "%s%s",
		a->outcome == OUTCOME_TEMP ? "retry:4.4.3 onion route: " : "error:5.4.4 ",
		answer_reason_text(a->reason));
	r->left_out = 0;
}
