#include "fuzz_proto.h"

#include "core/policy.h"

#define RCPT "request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient="

/* What has a newline is no value. */
static size_t
build(char *out, const char *key, size_t len)
{
	size_t head = (size_t)sprintf(out, RCPT);

	if (memchr(key, '\n', len) != NULL)
		return 0;
	memcpy(out + head, key, len);
	memcpy(out + head + len, "\n\n", 2);
	return head + len + 2;
}

static void
replies(const uint8_t *data, size_t size)
{
	static const char dunno[] = "action=DUNNO\n\n";
	const struct render how = {STYLE_ONION, "smtptor", false};
	struct steer s = {data, data + size};
	struct reply r = {.text = fuzz_alloc(sizeof(dunno) - 1)};
	struct answer a;

	fuzz_answer(&s, &a);
	proto_policy.format(&r, &a, &how);
	require(r.len == sizeof(dunno) - 1 && r.left_out == 0 && fuzz_begins(&r, dunno));
	proto_policy.refuse(&r, (enum refusal)(fuzz_byte(&s) % 3));
	require(r.len == sizeof(dunno) - 1 && r.left_out == 0 && fuzz_begins(&r, dunno));
	free(r.text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_requests(&proto_policy, data, size, build);
	replies(data, size);
	return 0;
}
