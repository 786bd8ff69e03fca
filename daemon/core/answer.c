#include "core/answer.h"

const char *
answer_reason_text(enum reason r)
{
	static const char *const text[REASON_COUNT] = {
		[REASON_NONE] = "",
		[REASON_DEADLINE] = "no answer before the deadline",
		[REASON_BUSY] = "too many lookups at once",
		[REASON_NOMEM] = "out of memory",
		[REASON_DESCRIPTORS] = "out of file descriptors",
		[REASON_CHARACTER] = "the domain has a character that is unknown here",
		[REASON_MAP] = "the map is damaged",
		[REASON_DNS_TIMEOUT] = "DNS timed out",
		[REASON_DNS_DOWN] = "no resolver answers",
		[REASON_DNS_FAILED] = "DNS failed",
		[REASON_DNS_BAD] = "bad DNS answer",
		[REASON_DNS_TCP] = "long DNS answer, and DNS by TCP failed",
		[REASON_DNS_TCP_TIMEOUT] = "long DNS answer, and DNS by TCP timed out",
		[REASON_DNS_UNPROVEN] = "DNS answer proves nothing",
		[REASON_TOR_TIMEOUT] = "tor timed out",
		[REASON_TOR_FAILED] = "tor is down or failing",
		[REASON_TOR_FULL] = "tor was asked for too many addresses",
		[REASON_TOR_ADDRESS] = "tor gave an address outside of tor_addresses",
		[REASON_INSECURE] = "route not validated by DNSSEC",
		[REASON_BRIDGE] = "the bridge has no address for this route",
		[REASON_BRIDGE_FULL] = "the addresses of the bridge are in use",
		[REASON_BRIDGE_STATE] = "a new address of the bridge cannot be stored",
		[REASON_ONION_INVALID] = "invalid onion name",
	};

	return text[r];
}
