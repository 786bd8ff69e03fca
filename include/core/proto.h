/* The protocols of the mail servers. One protocol is one file and one row of the
 * table in protocols.c: it turns bytes into a question and an answer into bytes, and
 * keeps no state between calls. */
#ifndef CORE_PROTO_H
#define CORE_PROTO_H

#include <stdbool.h>
#include <stddef.h>

#include "core/answer.h"
#include "core/render.h"
#include "core/tls_policy.h"

#define PROTO_REQUEST_MAX 4096 /* bytes, framing included */
#define PROTO_REPLY_MAX 4096   /* tcp_table(5): with the newline */

/* Every value fits, with all that a protocol puts around it, and each of its blanks, one
 * for each target or those of a reason, as "%20". */
_Static_assert(RENDER_MAX + 2 * (TARGETS_MAX + REASON_LEN) + 64 <= PROTO_REPLY_MAX,
	"a value fits into a reply");

enum proto_status {
	PROTO_MORE,    /* not a whole request yet */
	PROTO_LOOKUP,  /* key is set */
	PROTO_TLS,     /* key is an address of the bridge; asked for is its TLS policy */
	PROTO_UNKNOWN, /* well-formed, but nothing we serve: refuse it and go on */
	PROTO_BAD,     /* not this protocol, or too long: refuse it and close */
};

struct proto_request {
	const char *key; /* views the input or scratch; not NUL-terminated */
	size_t keylen;
	char scratch[PROTO_REQUEST_MAX];
};

/* Answers that aren't the end of a lookup. All make the mail server defer. */
enum refusal {
	REFUSE_UNKNOWN,
	REFUSE_MALFORMED,
	REFUSE_BUSY, /* too many clients */
};

/* Where a reply is written. */
struct reply {
	char *text; /* room for PROTO_REPLY_MAX bytes */
	size_t len;
	unsigned left_out; /* targets that didn't fit */
};

struct proto {
	const char *name;
	bool one_shot;      /* one question a connection, closed by us after the answer */
	bool needs_address; /* can't take answers of STYLE_ONION */
	bool cache_only;    /* its answers say nothing: its lookups only fill the cache */

	/* Looks at the first len bytes of input. On anything but PROTO_MORE, *used is how
	 * many of them the request took. At PROTO_REQUEST_MAX bytes it never asks for
	 * more. The input may be cut at any byte. */
	enum proto_status (*parse)(
		const char *input, size_t len, size_t *used, struct proto_request *);

	void (*format)(struct reply *, const struct answer *, const struct render *);
	void (*refuse)(struct reply *, enum refusal);

	/* NULL for the policy: the key is none of the bridge's addresses. */
	void (*format_tls)(struct reply *, const struct tls_policy *);
};

const char *proto_refusal_text(enum refusal);

/* The value of an answer for transport(5), but NONE; the table protocols share it. TEMP
 * has one for a listener that is set so. */
void proto_transport_value(
	struct rendered *, const struct answer *, const struct render *);

#endif
