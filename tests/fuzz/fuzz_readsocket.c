#include "fuzz_proto.h"

#include "core/readsocket.h"

static size_t
build(char *out, const char *key, size_t len)
{
	memcpy(out, "route ", 6);
	memcpy(out + 6, key, len);
	memcpy(out + 6 + len, "\r\n", 2);
	return len + 8;
}

/* One line of printable text; "NO" alone for what is certain, and for nothing else. */
static void
check(const struct reply *r, const struct answer *a)
{
	static const char *const word[] = {
		[OUTCOME_ROUTE] = "OK ",
		[OUTCOME_NONE] = "NO\n",
		[OUTCOME_TEMP] = "TEMP ",
		[OUTCOME_FAIL] = "FAIL ",
	};

	require(r->text[r->len - 1] == '\n');
	require(fuzz_printable(r->text, r->len - 1));
	require(fuzz_begins(r, word[a == NULL ? OUTCOME_TEMP : a->outcome]));
	if (a == NULL || a->outcome != OUTCOME_ROUTE)
		return;
	for (size_t i = 3; i < r->len - 1; i++)
		require(strchr("0123456789.:", r->text[i]) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_requests(&proto_readsocket, data, size, build);
	fuzz_replies(&proto_readsocket, data, size, check);
	return 0;
}
