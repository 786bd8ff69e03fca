/* A line of the daemon's own files. The fuzzer can't find a checksum, so it is put right.
 */
#include "fuzz.h"

#include "core/onion.h"
#include "core/siphash.h"
#include "core/state_line.h"

static void
check(const struct state_line *s)
{
	bool srv = s->type == DNS_TYPE_SRV;

	require(s->kind <= STATE_LINE_HELD && s->type < DNS_TYPES);
	require(domain_is_canonical(s->domain.text, s->domain.len));
	require(s->domain.text[s->domain.len] == '\0' && s->when >= 0);
	require(s->fact.status != DNS_FAILED && s->fact.reason == REASON_NONE);
	require(s->fact.set.n <= TARGETS_MAX);
	for (uint8_t i = 0; i < s->fact.set.n; i++) {
		const struct target *rr = &s->fact.set.target[i];

		require(rr->port != 0 && fuzz_host(rr->host, rr->hostlen));
		require(srv ? onion_check(rr->host, rr->hostlen, NULL) == ONION_OK
			    : domain_is_canonical(rr->host, rr->hostlen));
	}
	require((s->fact.set.n > 0) ==
		(s->fact.status == DNS_RECORDS && (srv || s->type == DNS_TYPE_MX)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct siphash_key key = {0x6f6e696f6e6d7864, 1};
	char *line = fuzz_alloc(size + 18);
	static char again[STATE_LINE_MAX];
	struct state_line s, t;

	memcpy(line, data, size);
	if (state_line_read(line, size, &s))
		check(&s);
	snprintf(line + size, 18, " %016lx", (unsigned long)siphash13(&key, line, size));
	if (state_line_read(line, size + 17, &s)) {
		size_t n;

		check(&s);
		n = state_line_write(again, &s);
		require(n <= STATE_LINE_MAX && again[n - 1] == '\n');
		require(fuzz_printable(again, n - 1));
		require(state_line_read(again, n - 1, &t));
		check(&t);
	}
	free(line);
	return 0;
}
