/* What holds for every protocol. */
#ifndef FUZZ_PROTO_H
#define FUZZ_PROTO_H

#include "core/domain.h"
#include "core/onion.h"
#include "core/proto.h"
#include "fuzz.h"

#define ONION_A "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"
#define ONION_B "aibqibiga4eascqlbqgq4dyqcejbgfavcylrqgi2dmob2hq7eaqs4eqd.onion"
#define L62 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgg"
#define L63 L62 "g"

/* What a parser made of the first request of an input. */
struct parsed {
	enum proto_status status;
	size_t used;
	size_t keylen;
	char key[PROTO_REQUEST_MAX];
};

/* Parses the first len bytes, moved to the end of memory of this size. */
static inline void
fuzz_parse(const struct proto *p, const uint8_t *data, size_t len, char *memory,
	size_t size, struct parsed *out)
{
	static struct proto_request req;
	char *input = memory + size - len;

	memcpy(input, data, len);
	out->used = SIZE_MAX;
	out->keylen = 0;
	out->status = p->parse(input, len, &out->used, &req);
	require(out->status != PROTO_MORE || len < PROTO_REQUEST_MAX);
	require(out->status == PROTO_MORE || (out->used > 0 && out->used <= len));
	if (out->status != PROTO_LOOKUP)
		return;
	require(req.keylen <= out->used && out->used <= PROTO_REQUEST_MAX);
	out->keylen = req.keylen;
	memcpy(out->key, req.key, req.keylen);
}

static inline void
fuzz_same(const struct parsed *a, const struct parsed *b)
{
	require(a->status == b->status);
	if (a->status == PROTO_BAD)
		return;
	require(a->used == b->used && a->keylen == b->keylen);
	require(memcmp(a->key, b->key, a->keylen) == 0);
}

/* However the input is cut, a request is first incomplete and then always the same,
 * whatever comes behind it. */
static inline void
fuzz_cuts(const struct proto *p, const uint8_t *data, size_t size, struct parsed *first)
{
	const size_t behind = 32;
	char *memory = fuzz_alloc(size);
	static struct parsed now;
	size_t len = 0;

	for (; len <= size; len++) {
		fuzz_parse(p, data, len, memory, size, first);
		if (first->status != PROTO_MORE)
			break;
	}
	if (first->status != PROTO_MORE) {
		size_t end = size - len > behind ? len + behind : size;

		require(first->status == PROTO_BAD || first->used == len);
		for (len++; len <= end; len++) {
			fuzz_parse(p, data, len, memory, size, &now);
			fuzz_same(first, &now);
		}
		fuzz_parse(p, data, size, memory, size, &now);
		fuzz_same(first, &now);
	}
	free(memory);
}

static inline void
fuzz_key(const char *key, size_t len)
{
	struct domain d;

	if (domain_from_key(&d, key, len) == DOMAIN_OK)
		require(domain_is_canonical(d.text, d.len));
}

/* A key, written as a request, is read as the same key. */
static inline void
fuzz_key_again(const struct proto *p, const struct parsed *was,
	size_t (*build)(char *out, const char *key, size_t len))
{
	static char line[3 * PROTO_REQUEST_MAX + 16];
	static struct parsed again;
	size_t len = build(line, was->key, was->keylen);
	char *memory;

	if (len == 0 || len > PROTO_REQUEST_MAX)
		return;
	memory = fuzz_alloc(len);
	fuzz_parse(p, (const uint8_t *)line, len, memory, len, &again);
	free(memory);
	require(again.status == PROTO_LOOKUP && again.used == len);
	require(again.keylen == was->keylen);
	require(memcmp(again.key, was->key, was->keylen) == 0);
}

/* Every request of a pipelined input. */
static inline void
fuzz_requests(const struct proto *p, const uint8_t *data, size_t size,
	size_t (*build)(char *out, const char *key, size_t len))
{
	static struct parsed first;

	for (;;) {
		fuzz_cuts(p, data, size, &first);
		if (first.status == PROTO_LOOKUP) {
			fuzz_key(first.key, first.keylen);
			fuzz_key_again(p, &first, build);
		} else if (first.status != PROTO_UNKNOWN) {
			return;
		}
		data += first.used;
		size -= first.used;
	}
}

/* Bytes that steer; zeros when there are no more. */
struct steer {
	const uint8_t *p, *end;
};

static inline unsigned
fuzz_byte(struct steer *s)
{
	return s->p < s->end ? *s->p++ : 0;
}

/* An answer as the flow makes them: valid names, any port and address. */
static inline void
fuzz_answer(struct steer *s, struct answer *a)
{
	static const char *const hosts[] = {ONION_A, ONION_B, ("mail." ONION_A),
		(L63 "." ONION_B), (L63 "." L63 "." L62 "." ONION_A)};
	static const enum outcome outcomes[] = {
		OUTCOME_ROUTE, OUTCOME_NONE, OUTCOME_TEMP, OUTCOME_FAIL};
	unsigned n;

	answer_set(a, outcomes[fuzz_byte(s) % 4], REASON_NONE);
	if (a->outcome == OUTCOME_TEMP || a->outcome == OUTCOME_FAIL)
		a->reason = (enum reason)(1 + fuzz_byte(s) % (REASON_COUNT - 1));
	if (a->outcome != OUTCOME_ROUTE)
		return;
	n = 1 + fuzz_byte(s) % TARGETS_MAX;
	for (unsigned i = 0; i < n; i++) {
		struct target *t = &a->route.target[a->route.n++];

		t->host = hosts[fuzz_byte(s) % (sizeof(hosts) / sizeof(hosts[0]))];
		t->hostlen = (uint8_t)strlen(t->host);
		require(onion_check(t->host, t->hostlen, NULL) == ONION_OK);
		t->port = (uint16_t)(fuzz_byte(s) << 8 | fuzz_byte(s));
		t->port = t->port == 0 ? SMTP_PORT : t->port;
		t->ipv4 = (uint32_t)fuzz_byte(s) << 24 | fuzz_byte(s) << 16 |
			  fuzz_byte(s) << 8 | fuzz_byte(s);
	}
}

/* Replies to what the input describes; the checker knows the protocol. The answer is
 * NULL for a refusal. */
static inline void
fuzz_replies(const struct proto *p, const uint8_t *data, size_t size,
	void (*check)(const struct reply *, const struct answer *))
{
	static const char *const transports[] = {
		"smtptor", "a", "transport-with-32-characters-abc"};
	struct steer s = {data, data + size};
	struct reply r = {.text = fuzz_alloc(PROTO_REPLY_MAX)};
	unsigned style = fuzz_byte(&s);
	struct render how = {
		p->needs_address || (style & 1) != 0 ? STYLE_ADDRESS : STYLE_ONION,
		transports[(style >> 1) % 3], false};
	struct answer a;

	fuzz_answer(&s, &a);
	p->format(&r, &a, &how);
	require(r.len > 0 && r.len <= PROTO_REPLY_MAX);
	require(r.left_out < a.route.n || (r.left_out == 0 && a.route.n == 0));
	check(&r, &a);
	/* A route ends with a port or an address, never with what separates them. */
	require(a.outcome != OUTCOME_ROUTE ||
		(r.text[r.len - 2] >= '0' && r.text[r.len - 2] <= '9'));
	/* The other way to tell a temporary failure, of the table protocols. */
	how.temp_as_retry = !p->needs_address;
	p->format(&r, &a, &how);
	if (a.outcome == OUTCOME_TEMP && how.temp_as_retry)
		require(memmem(r.text, r.len, "retry:4.4.3", 11) != NULL &&
			r.len <= PROTO_REPLY_MAX);
	else
		check(&r, &a);
	p->refuse(&r, (enum refusal)(fuzz_byte(&s) % 3));
	require(r.len > 0 && r.len <= PROTO_REPLY_MAX && r.left_out == 0);
	check(&r, NULL);
	free(r.text);
}

static inline bool
fuzz_begins(const struct reply *r, const char *word)
{
	return r->len >= strlen(word) && memcmp(r->text, word, strlen(word)) == 0;
}

#endif
