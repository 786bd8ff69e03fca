#include "core/socketmap.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

static const struct {
	const char *head; /* name and blank */
	size_t len;
	enum proto_status status;
} maps[] = {
	{"onion ", 6, PROTO_LOOKUP}, /* for transport_maps */
	{"tls ", 4, PROTO_TLS},      /* for smtp_tls_policy_maps */
};

/* "LEN:" without leading zeros. PROTO_LOOKUP: *len and *used are set. */
static enum proto_status
parse_length(const char *input, size_t avail, size_t *len, size_t *used)
{
	size_t i, n = 0;

	for (i = 0; i < avail && input[i] >= '0' && input[i] <= '9'; i++) {
		n = n * 10 + (size_t)(input[i] - '0');
		if (n >= PROTO_REQUEST_MAX || (i > 0 && input[0] == '0'))
			return PROTO_BAD;
	}
	if (i == avail)
		return PROTO_MORE;
	if (i == 0 || input[i] != ':')
		return PROTO_BAD;
	*len = n;
	*used = i + 1;
	return PROTO_LOOKUP;
}

static enum proto_status
parse_payload(const char *payload, size_t len, struct proto_request *req)
{
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
		if (len < maps[i].len || memcmp(payload, maps[i].head, maps[i].len) != 0)
			continue;
		req->key = payload + maps[i].len;
		req->keylen = len - maps[i].len;
		return maps[i].status;
	}
	return memchr(payload, ' ', len) != NULL ? PROTO_UNKNOWN : PROTO_BAD;
}

static enum proto_status
parse(const char *input, size_t avail, size_t *used, struct proto_request *req)
{
	size_t len, head;
	enum proto_status st;

	*used = avail;
	if ((st = parse_length(input, avail, &len, &head)) != PROTO_LOOKUP)
		return st;
	if (head + len + 1 > PROTO_REQUEST_MAX)
		return PROTO_BAD;
	if (avail < head + len + 1)
		return PROTO_MORE;
	*used = head + len + 1;
	if (input[head + len] != ',')
		return PROTO_BAD;
	return parse_payload(input + head, len, req);
}

static void
put(struct reply *reply, const char *word, const char *text, size_t len)
{
	size_t wordlen = strlen(word);
	char *to = text_put_number(reply->text, (uint32_t)(wordlen + 1 + len));

	*to++ = ':';
	to = text_put(to, word, wordlen);
	*to++ = ' ';
	to = text_put(to, text, len);
	*to++ = ',';
	reply->len = (size_t)(to - reply->text);
}

static void
put_text(struct reply *reply, const char *word, const char *text)
{
	put(reply, word, text, strlen(text));
}

static void
format(struct reply *reply, const struct answer *a, const struct render *how)
{
	struct rendered r;

	reply->left_out = 0;
	switch (a->outcome) {
	case OUTCOME_NONE:
		put_text(reply, "NOTFOUND", "");
		return;
	case OUTCOME_TEMP:
		if (!how->temp_as_retry) {
			put_text(reply, "TEMP", answer_reason_text(a->reason));
			return;
		}
		break;
	case OUTCOME_ROUTE:
	case OUTCOME_FAIL:
		break;
	}
	proto_transport_value(&r, a, how);
	put(reply, "OK", r.text, r.len);
	reply->left_out = r.left_out;
}

static void
refuse(struct reply *reply, enum refusal why)
{
	put_text(reply, why == REFUSE_BUSY ? "TEMP" : "PERM",
		why == REFUSE_UNKNOWN ? "unknown map" : proto_refusal_text(why));
	reply->left_out = 0;
}

/* As tls_policy(5) has it. SNI, too: the server may have several names. */
static void
format_tls(struct reply *reply, const struct tls_policy *p)
{
	static const char *const level[] = {
		[TLS_NONE] = "none",
		[TLS_MAY] = "may",
		[TLS_ENCRYPT] = "encrypt",
	};
	char text[2 * DOMAIN_MAX + 64];

	reply->left_out = 0;
	if (p == NULL) {
		put_text(reply, "NOTFOUND", "");
	} else if (p->level == TLS_SECURE) {
		snprintf(text, sizeof(text), "secure match=%s servername=%s",
			p->name.text, p->name.text);
		put_text(reply, "OK", text);
	} else {
		put_text(reply, "OK", level[p->level]);
	}
}

const struct proto proto_socketmap = {
	.name = "socketmap",
	.parse = parse,
	.format = format,
	.refuse = refuse,
	.format_tls = format_tls,
};
