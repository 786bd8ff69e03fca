/* What the unit tests share: checks that name the row of a table, onion names, and
 * requests cut at every byte. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/domain.h"
#include "core/onion.h"
#include "core/proto.h"
#include "onions.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Like assert_true(), but says which row of a table it was. */
#define row_assert(row, cond)                                                            \
	do {                                                                             \
		if (!(cond))                                                             \
			fail_msg("row \"%s\": %s", (row), #cond);                        \
	} while (0)

/* A string literal with its length; it may hold NULs. */
#define BYTES(literal) (literal), sizeof(literal) - 1

/* unit_onion() of 1, 2 and 3. */
#define ONION_A "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"
#define ONION_B "aibqibiga4eascqlbqgq4dyqcejbgfavcylrqgi2dmob2hq7eaqs4eqd.onion"
#define ONION_C "amcakbqhbaequcymbuha6earcijrifiwc4mbsgq3dqor4hzaeerbuoid.onion"

/* ONION_A with another key. */
#define MISTYPED "bebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion"

/* Labels by their length, and the longest domain there is. */
#define L61 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffg"
#define L62 L61 "g"
#define L63 L62 "g"
#define D253 L63 "." L63 "." L63 "." L61

/* 191 bytes: with an onion name behind them, the longest host name there is. */
#define LONG_PREFIX L63 "." L63 "." L62 "."

static inline struct domain
unit_domain(const char *name)
{
	struct domain d;

	assert_int_equal(domain_from_name(&d, name, strlen(name)), DOMAIN_OK);
	return d;
}

static inline struct target
unit_target(const char *host, uint16_t port, uint32_t ipv4)
{
	return (struct target){.host = host,
		.hostlen = (uint8_t)strlen(host),
		.port = port,
		.ipv4 = ipv4};
}

/* A request and what a parser makes of it. */
struct unit_request {
	const char *what;
	const char *input;
	size_t len;
	enum proto_status status;
	const char *key; /* for PROTO_LOOKUP */
	size_t keylen;
	size_t left; /* input that belongs to the next request */
};

/* Parses a copy that is no longer than len, so that a sanitizer sees a read beyond. */
static inline enum proto_status
unit_parse(const struct proto *p, const struct unit_request *r, size_t len, size_t *used,
	struct proto_request *req)
{
	char *copy = malloc(len > 0 ? len : 1);
	enum proto_status st;

	assert_non_null(copy);
	memcpy(copy, r->input, len);
	*used = SIZE_MAX;
	st = p->parse(copy, len, used, req);
	row_assert(r->what, st == PROTO_MORE || *used <= len);
	if (st == PROTO_LOOKUP) {
		row_assert(r->what, req->keylen == r->keylen);
		row_assert(r->what, memcmp(req->key, r->key, r->keylen) == 0);
	}
	free(copy);
	return st;
}

/* However it is cut, a request is first incomplete and then what it is as a whole. */
static inline void
unit_request_check(const struct proto *p, const struct unit_request *r)
{
	size_t whole = r->len - r->left;
	static struct proto_request req;
	bool ended = false;
	size_t used;

	for (size_t len = 0; len <= r->len; len++) {
		enum proto_status st = unit_parse(p, r, len, &used, &req);

		if (st == PROTO_MORE) {
			row_assert(r->what, !ended && len < PROTO_REQUEST_MAX);
			row_assert(r->what, len < whole || r->status == PROTO_MORE);
			continue;
		}
		ended = true;
		row_assert(r->what, st == r->status);
		row_assert(r->what, st == PROTO_BAD || (len >= whole && used == whole));
	}
	row_assert(r->what, ended == (r->status != PROTO_MORE));
}

/* Over-long requests: no parser waits for the end of one. The first byte beyond the
 * limit changes nothing. */
static inline void
unit_request_too_long(const struct proto *p, const char *head, const char *tail)
{
	static char input[PROTO_REQUEST_MAX + 64];
	static struct proto_request req;
	size_t used, headlen = strlen(head), end = PROTO_REQUEST_MAX + 1 - strlen(tail);

	memset(input, 'x', sizeof(input));
	memcpy(input, head, headlen);
	memcpy(input + end, tail, strlen(tail));
	assert_int_equal(p->parse(input, PROTO_REQUEST_MAX, &used, &req), PROTO_BAD);
	assert_int_equal(p->parse(input, sizeof(input), &used, &req), PROTO_BAD);
	assert_true(used <= sizeof(input));
}

/* Formats into exactly the room that there is, and checks what every reply keeps to. */
static inline struct reply
unit_format(const struct proto *p, const struct answer *a, const struct render *how)
{
	static char text[PROTO_REPLY_MAX + 1];
	struct reply r = {.text = malloc(PROTO_REPLY_MAX), .left_out = 12345};

	assert_non_null(r.text);
	p->format(&r, a, how);
	assert_in_range(r.len, 1, PROTO_REPLY_MAX);
	assert_null(memchr(r.text, '\0', r.len));
	memcpy(text, r.text, r.len);
	text[r.len] = '\0';
	free(r.text);
	r.text = text;
	return r;
}

static inline struct reply
unit_refuse(const struct proto *p, enum refusal why)
{
	static char text[PROTO_REPLY_MAX + 1];
	struct reply r = {.text = malloc(PROTO_REPLY_MAX), .left_out = 12345};

	assert_non_null(r.text);
	p->refuse(&r, why);
	assert_in_range(r.len, 1, PROTO_REPLY_MAX);
	assert_null(memchr(r.text, '\0', r.len));
	memcpy(text, r.text, r.len);
	text[r.len] = '\0';
	free(r.text);
	r.text = text;
	assert_int_equal(r.left_out, 0);
	return r;
}

/* Sixteen targets with the longest host names that there are. */
static inline void
unit_longest_route(struct answer *a)
{
	static char host[TARGETS_MAX][DOMAIN_MAX + 1];

	a->outcome = OUTCOME_ROUTE;
	a->reason = REASON_NONE;
	a->route.n = TARGETS_MAX;
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		strcpy(host[i], LONG_PREFIX);
		unit_onion(host[i] + strlen(LONG_PREFIX), i);
		assert_int_equal(strlen(host[i]), DOMAIN_MAX);
		assert_int_equal(onion_check(host[i], DOMAIN_MAX, NULL), ONION_OK);
		a->route.target[i] = unit_target(host[i], 65535, 0xffffffff - i);
	}
}

#endif
