/* Exim's ${readsocket{SOCKET}{route $domain\n}}: one line each way, then EOF. The
 * newline at the end of the answer tells Exim that it is whole. */
#include <stdio.h>
#include <string.h>

#include "core/proto.h"

static enum proto_status
parse(const char *input, size_t len, size_t *used, struct proto_request *req)
{
	static const char verb[] = "route ";
	const size_t verblen = sizeof(verb) - 1;
	const char *nl = memchr(input, '\n', len);
	size_t line;

	*used = len;
	if (nl == NULL)
		return len < PROTO_REQUEST_MAX ? PROTO_MORE : PROTO_BAD;
	*used = (size_t)(nl + 1 - input);
	if (*used > PROTO_REQUEST_MAX)
		return PROTO_BAD;
	line = *used - 1;
	if (line > 0 && input[line - 1] == '\r')
		line--;
	if (line < verblen || memcmp(input, verb, verblen) != 0)
		return PROTO_BAD;
	req->key = input + verblen;
	req->keylen = line - verblen;
	return PROTO_LOOKUP;
}

static void
put(struct reply *reply, const char *word, const char *text, size_t len)
{
	reply->len = (size_t)snprintf(reply->text, PROTO_REPLY_MAX, "%s%s%.*s\n", word,
		len > 0 ? " " : "", (int)len, text);
}

static void
format(struct reply *reply, const struct answer *a, const struct render *how)
{
	static const char *const word[] = {
		[OUTCOME_NONE] = "NO",
		[OUTCOME_TEMP] = "TEMP",
		[OUTCOME_FAIL] = "FAIL",
	};
	struct rendered r;
	const char *why;

	(void)how;
	reply->left_out = 0;
	if (a->outcome == OUTCOME_ROUTE) {
		render_hostlist(&r, &a->route);
		reply->left_out = r.left_out;
		put(reply, "OK", r.text, r.len);
		return;
	}
	/* Exim goes on to clearnet at this exact line only. */
	why = a->outcome == OUTCOME_NONE ? "" : reason_text(a->reason);
	put(reply, word[a->outcome], why, strlen(why));
}

static void
refuse(struct reply *reply, enum refusal why)
{
	put(reply, "TEMP", refusal_text(why), strlen(refusal_text(why)));
	reply->left_out = 0;
}

const struct proto proto_readsocket = {
	.name = "readsocket",
	.one_shot = true,
	.needs_address = true,
	.parse = parse,
	.format = format,
	.refuse = refuse,
};
