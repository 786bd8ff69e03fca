#include "core/tcp_table.h"

#include <string.h>

#include "core/text.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* tcp_table(5): white space and what isn't printable must have been encoded. UTF-8 is
 * taken as it is. */
static bool
well_encoded(const char *key, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)key[i] <= ' ' || key[i] == 0x7f)
			return false;
	return true;
}

/* Undoes %XX into the request's scratch; a key without any stays where it is. */
static bool
decode(struct proto_request *req)
{
	size_t n = 0;

	if (memchr(req->key, '%', req->keylen) == NULL)
		return true;
	for (size_t i = 0; i < req->keylen; i++) {
		int high, low;

		if (req->key[i] != '%') {
			req->scratch[n++] = req->key[i];
			continue;
		}
		if (req->keylen - i < 3)
			return false;
		high = hex_digit(req->key[i + 1]);
		low = hex_digit(req->key[i + 2]);
		if (high < 0 || low < 0)
			return false;
		req->scratch[n++] = (char)(high << 4 | low);
		i += 2;
	}
	req->key = req->scratch;
	req->keylen = n;
	return true;
}

static enum proto_status
parse(const char *input, size_t len, size_t *used, struct proto_request *req)
{
	static const char verb[] = "get ";
	const size_t verblen = sizeof(verb) - 1;
	const char *nl = memchr(input, '\n', len);

	*used = len;
	if (nl == NULL)
		return len < PROTO_REQUEST_MAX ? PROTO_MORE : PROTO_BAD;
	*used = (size_t)(nl + 1 - input);
	if (*used > PROTO_REQUEST_MAX)
		return PROTO_BAD;
	if (*used - 1 < verblen || memcmp(input, verb, verblen) != 0)
		return *used - 1 >= 4 && memcmp(input, "put ", 4) == 0 ? PROTO_UNKNOWN
								       : PROTO_BAD;
	req->key = input + verblen;
	req->keylen = *used - 1 - verblen;
	return well_encoded(req->key, req->keylen) && decode(req) ? PROTO_LOOKUP
								  : PROTO_BAD;
}

/* Our text is printable ASCII without percent signs, so that only blanks need it. */
static void
put(struct reply *reply, const char *code, const char *text, size_t len)
{
	static const char blank[] = "%20";
	const char *end = text + len, *p;
	char *to = text_put_word(reply->text, code);

	*to++ = ' ';
	while ((p = memchr(text, ' ', (size_t)(end - text))) != NULL) {
		to = text_put(to, text, (size_t)(p - text));
		to = text_put(to, blank, sizeof(blank) - 1);
		text = p + 1;
	}
	to = text_put(to, text, (size_t)(end - text));
	*to++ = '\n';
	reply->len = (size_t)(to - reply->text);
}

static void
put_text(struct reply *reply, const char *code, const char *text)
{
	put(reply, code, text, strlen(text));
}

static void
format(struct reply *reply, const struct answer *a, const struct render *how)
{
	struct rendered r;

	reply->left_out = 0;
	switch (a->outcome) {
	case OUTCOME_NONE:
		put_text(reply, "500", "not found");
		return;
	case OUTCOME_TEMP:
		if (!how->temp_as_retry) {
			put_text(reply, "400", answer_reason_text(a->reason));
			return;
		}
		break;
	case OUTCOME_ROUTE:
	case OUTCOME_FAIL:
		break;
	}
	proto_transport_value(&r, a, how);
	put(reply, "200", r.text, r.len);
	reply->left_out = r.left_out;
}

/* Never 500: that is "no such entry", and mail would go by clearnet. */
static void
refuse(struct reply *reply, enum refusal why)
{
	put_text(reply, "400", proto_refusal_text(why));
	reply->left_out = 0;
}

const struct proto proto_tcp_table = {
	.name = "tcp_table",
	.parse = parse,
	.format = format,
	.refuse = refuse,
};
