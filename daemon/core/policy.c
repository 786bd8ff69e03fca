#include "core/policy.h"

#include <string.h>

#include "core/text.h"

struct value {
	const char *text; /* NULL: the attribute isn't there */
	size_t len;
};

struct attributes {
	struct value request, state, recipient;
};

static bool
equals(const struct value *v, const char *text)
{
	return v->text != NULL && v->len == strlen(text) &&
	       memcmp(v->text, text, v->len) == 0;
}

/* Attributes that aren't used here are left out. False: the line has no "=". */
static bool
parse_line(const char *line, size_t len, struct attributes *a)
{
	const struct {
		const char *name;
		struct value *value;
	} known[] = {
		{"request", &a->request},
		{"protocol_state", &a->state},
		{"recipient", &a->recipient},
	};
	const char *sign = memchr(line, '=', len);
	struct value name = {line, 0};

	if (sign == NULL)
		return false;
	name.len = (size_t)(sign - line);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (equals(&name, known[i].name))
			*known[i].value = (struct value){sign + 1, len - name.len - 1};
	return true;
}

/* An empty key is no lookup that asks anybody. */
static enum proto_status
parse_attributes(const struct attributes *a, struct proto_request *req)
{
	if (a->request.text == NULL)
		return PROTO_BAD;
	if (!equals(&a->request, "smtpd_access_policy"))
		return PROTO_UNKNOWN;
	req->key = a->request.text;
	req->keylen = 0;
	if (equals(&a->state, "RCPT") && a->recipient.text != NULL) {
		req->key = a->recipient.text;
		req->keylen = a->recipient.len;
	}
	return PROTO_LOOKUP;
}

static enum proto_status
parse(const char *input, size_t len, size_t *used, struct proto_request *req)
{
	const char *end = input + (len < PROTO_REQUEST_MAX ? len : PROTO_REQUEST_MAX);
	struct attributes a = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
	const char *line = input, *nl;

	*used = len;
	while ((nl = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		*used = (size_t)(nl + 1 - input);
		if (nl == line)
			return parse_attributes(&a, req);
		if (!parse_line(line, (size_t)(nl - line), &a))
			return PROTO_BAD;
		line = nl + 1;
	}
	*used = len;
	return len < PROTO_REQUEST_MAX ? PROTO_MORE : PROTO_BAD;
}

static void
put_dunno(struct reply *reply)
{
	reply->len =
		(size_t)(text_put_word(reply->text, "action=DUNNO\n\n") - reply->text);
	reply->left_out = 0;
}

static void
format(struct reply *reply, const struct answer *a, const struct render *how)
{
	(void)a;
	(void)how;
	put_dunno(reply);
}

static void
refuse(struct reply *reply, enum refusal why)
{
	(void)why;
	put_dunno(reply);
}

const struct proto proto_policy = {
	.name = "policy",
	.cache_only = true,
	.parse = parse,
	.format = format,
	.refuse = refuse,
};
