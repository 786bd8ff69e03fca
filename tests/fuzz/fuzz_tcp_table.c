#include "fuzz_proto.h"

#include "core/tcp_table.h"

static size_t
build(char *out, const char *key, size_t len)
{
	char *p = out + sprintf(out, "get ");

	for (size_t i = 0; i < len; i++)
		p += sprintf(p, "%%%02x", (unsigned)(unsigned char)key[i]);
	*p++ = '\n';
	return (size_t)(p - out);
}

/* A code, a blank, and then text without blanks; 500 for what is certain only. */
static void
check(const struct reply *r, const struct answer *a)
{
	static const char *const code[] = {
		[OUTCOME_ROUTE] = "200 ",
		[OUTCOME_NONE] = "500 ",
		[OUTCOME_TEMP] = "400 ",
		[OUTCOME_FAIL] = "200 error:5.4.4%20",
	};

	require(r->text[r->len - 1] == '\n');
	require(fuzz_printable(r->text, r->len - 1));
	require(memchr(r->text + 4, ' ', r->len - 4) == NULL);
	require(fuzz_begins(r, code[a == NULL ? OUTCOME_TEMP : a->outcome]));
	if (a != NULL && a->outcome == OUTCOME_ROUTE)
		require(memmem(r->text, r->len, ":[", 2) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_requests(&proto_tcp_table, data, size, build);
	fuzz_replies(&proto_tcp_table, data, size, check);
	return 0;
}
