/* The first byte chooses the question, the rest is the answer to it. */
#include "fuzz.h"

#include "core/dnsmsg.h"
#include "core/domain.h"
#include "core/onion.h"

static const char *const asked[] = {
	[DNS_TYPE_A] = "aebagbafaydqqcikbmga2dqpcaireeyuculbogazdinryhi6d4qcmeqd.onion",
	[DNS_TYPE_SRV] = "_onion-mx._tcp.example.org",
	[DNS_TYPE_MX] = "example.org",
	[DNS_TYPE_TXT] = "_mta-sts.example.org",
	[DNS_TYPE_TLSA] = "_25._tcp.example.org",
};

static void
check_targets(const struct dns_answer *a, enum dns_type type)
{
	require(a->srv.n >= 1 && a->srv.n <= TARGETS_MAX);
	for (uint8_t i = 0; i < a->srv.n; i++) {
		const struct target *rr = &a->srv.target[i];

		require(rr->host == a->names[i] && rr->port != 0);
		require(type == DNS_TYPE_MX
				? domain_is_canonical(rr->host, rr->hostlen)
				: onion_check(rr->host, rr->hostlen, NULL) == ONION_OK);
		require(fuzz_host(rr->host, rr->hostlen));
		for (uint8_t k = 0; k < i; k++)
			require(!target_is(rr, &a->srv.target[k]));
	}
	require(a->over == 0 || a->srv.n == TARGETS_MAX);
}

/* What the header of the message, 12 bytes, has to do with what was read. */
static void
check_absence(const struct dns_answer *a, enum dns_type type, const uint8_t *header)
{
	const unsigned rcode = header[3] & 15U;
	const unsigned authorities = (unsigned)header[8] << 8 | header[9];

	switch (a->bare) {
	case DNS_BARE_NO:
		/* Either records that we can't use, or room for a SOA. */
		require(a->dropped > 0 || authorities > 0 || type == DNS_TYPE_TXT);
		break;
	case DNS_BARE_NXDOMAIN:
		require(rcode == 3);
		break;
	case DNS_BARE_NODATA:
		require(rcode == 0);
		break;
	}
	require(a->bare == DNS_BARE_NO || (a->ttl == 0 && a->dropped == 0));
}

static void
check(const struct dns_answer *a, enum dns_type type, const uint8_t *msg)
{
	require((a->status == DNS_FAILED) == (a->reason != REASON_NONE));
	require(a->status != DNS_FAILED || (a->ttl == 0 && !a->ad));
	require(a->status == DNS_NONE || a->bare == DNS_BARE_NO);
	require(a->ttl <= 0x7fffffff);
	if (a->status == DNS_RECORDS && (type == DNS_TYPE_SRV || type == DNS_TYPE_MX))
		check_targets(a, type);
	else
		require(a->srv.n == 0);
	for (unsigned i = 0; i < a->dropped && i < TARGETS_MAX; i++) {
		size_t len = strlen(a->drop[i].host);

		require(a->drop[i].why != NULL && len <= DOMAIN_MAX);
		require(fuzz_printable(a->drop[i].host, len));
	}
	if (a->status == DNS_NONE)
		check_absence(a, type, msg);
}

static enum dns_status
parse(const uint8_t *msg, size_t len, enum dns_type type)
{
	static struct dns_answer a;
	uint8_t *copy = fuzz_alloc(len);
	bool truncated;

	memcpy(copy, msg, len);
	memset(&a, 0xee, sizeof(a));
	dnsmsg_parse(copy, len, &(struct dns_question){asked[type], type}, &a, NULL);
	check(&a, type, msg);
	truncated = dnsmsg_is_truncated(copy, len);
	require(!truncated || (len >= 12 && a.status == DNS_FAILED));
	free(copy);
	return a.status;
}

/* A message that proves something does so whole and with this header only. */
static void
spoil(const uint8_t *msg, size_t len, enum dns_type type)
{
	uint8_t *m = fuzz_alloc(len + 1);

	memcpy(m, msg, len);
	m[len] = 0;
	require(parse(m, len - 1, type) == DNS_FAILED);
	require(parse(m, len + 1, type) == DNS_FAILED);
	m[2] ^= 0x80; /* QR */
	require(parse(m, len, type) == DNS_FAILED);
	m[2] ^= 0x80 | 0x02; /* TC */
	require(parse(m, len, type) == DNS_FAILED);
	m[2] ^= 0x02;
	m[3] = (uint8_t)((m[3] & 0xf0) | 2); /* SERVFAIL */
	require(parse(m, len, type) == DNS_FAILED);
	m[3] = msg[3];
	m[13] ^= 1; /* the first letter of the name asked for, if it isn't compressed */
	require((m[12] & 0xc0) != 0 || parse(m, len, type) == DNS_FAILED);
	free(m);
}

/* A query for any valid name, sent back as an answer, is one to our question. */
static void
query(const char *text, size_t len, enum dns_type type)
{
	static struct dns_answer a;
	uint8_t out[DNS_QUERY_MAX];
	struct domain d;
	size_t n;

	if (domain_from_name(&d, text, len) != DOMAIN_OK)
		return;
	n = dnsmsg_query(out, 7, d.text, type, len % 2 == 0);
	require(n == (size_t)12 + d.len + 2 + 4);
	dnsmsg_parse(out, n, &(struct dns_question){d.text, type}, &a, NULL);
	require(a.status == DNS_FAILED && a.reason == REASON_DNS_BAD);
	out[2] |= 0x80;
	dnsmsg_parse(out, n, &(struct dns_question){d.text, type}, &a, NULL);
	require(a.status == DNS_NONE && a.bare == DNS_BARE_NODATA && a.ttl == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[DNS_TYPES] = {
		DNS_TYPE_SRV, DNS_TYPE_A, DNS_TYPE_MX, DNS_TYPE_TXT, DNS_TYPE_TLSA};
	enum dns_type type;

	if (size == 0)
		return 0;
	type = types[data[0] % DNS_TYPES];
	data++;
	size--;
	if (parse(data, size, type) != DNS_FAILED)
		spoil(data, size, type);
	query((const char *)data, size, type);
	return 0;
}
