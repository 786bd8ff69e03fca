#include "core/readsocket.h"

#include <string.h>

#include "core/text.h"

static const struct {
	const char *verb;
	enum proto_status status;
} verbs[] = {
	{"route ", PROTO_LOOKUP},
	{"tls ", PROTO_TLS},
};

static enum proto_status
parse_line(const char *line, size_t len, struct proto_request *req)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		size_t verblen = strlen(verbs[i].verb);

		if (len < verblen || memcmp(line, verbs[i].verb, verblen) != 0)
			continue;
		req->key = line + verblen;
		req->keylen = len - verblen;
		return verbs[i].status;
	}
	return PROTO_BAD;
}

static enum proto_status
parse(const char *input, size_t len, size_t *used, struct proto_request *req)
{
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
	return parse_line(input, line, req);
}

static void
put(struct reply *reply, const char *word, const char *text, size_t len)
{
	char *to = text_put_word(reply->text, word);

	if (len > 0)
		*to++ = ' ';
	to = text_put(to, text, len);
	*to++ = '\n';
	reply->len = (size_t)(to - reply->text);
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
	why = a->outcome == OUTCOME_NONE ? "" : answer_reason_text(a->reason);
	put(reply, word[a->outcome], why, strlen(why));
}

static void
refuse(struct reply *reply, enum refusal why)
{
	put(reply, "TEMP", proto_refusal_text(why), strlen(proto_refusal_text(why)));
	reply->left_out = 0;
}

static void
format_tls(struct reply *reply, const struct tls_policy *p)
{
	char text[TLS_POLICY_MAX];

	reply->left_out = 0;
	if (p == NULL)
		put(reply, "NO", "", 0);
	else
		put(reply, "OK", text, tls_policy_write(p, text));
}

const struct proto proto_readsocket = {
	.name = "readsocket",
	.one_shot = true,
	.needs_address = true,
	.parse = parse,
	.format = format,
	.refuse = refuse,
	.format_tls = format_tls,
};
