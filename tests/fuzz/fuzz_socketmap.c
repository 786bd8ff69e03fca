#include "fuzz_proto.h"

#include "core/socketmap.h"

static size_t
build(char *out, const char *key, size_t len)
{
	size_t head = (size_t)sprintf(out, "%zu:onion ", len + 6);

	memcpy(out + head, key, len);
	out[head + len] = ',';
	return head + len + 1;
}

/* One whole netstring of printable text; NOTFOUND for what is certain only. */
static void
check(const struct reply *r, const struct answer *a)
{
	static const char *const word[] = {
		[OUTCOME_ROUTE] = "OK ",
		[OUTCOME_NONE] = "NOTFOUND ",
		[OUTCOME_TEMP] = "TEMP ",
		[OUTCOME_FAIL] = "OK error:5.4.4 ",
	};
	size_t len = 0, i = 0;

	require(fuzz_printable(r->text, r->len));
	while (r->text[i] >= '0' && r->text[i] <= '9')
		len = len * 10 + (size_t)(r->text[i++] - '0');
	require(i > 0 && r->text[i] == ':' && r->text[0] != '0');
	require(i + 1 + len + 1 == r->len && r->text[r->len - 1] == ',');
	if (a == NULL)
		require(memcmp(r->text + i + 1, "TEMP ", 5) == 0 ||
			memcmp(r->text + i + 1, "PERM ", 5) == 0);
	else
		require(memcmp(r->text + i + 1, word[a->outcome],
				strlen(word[a->outcome])) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_requests(&proto_socketmap, data, size, build);
	fuzz_replies(&proto_socketmap, data, size, check);
	return 0;
}
