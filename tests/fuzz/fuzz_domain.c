#include "fuzz.h"

#include "core/domain.h"

static bool
last_is_number(const char *text)
{
	const char *dot = strrchr(text, '.');

	text = dot == NULL ? text : dot + 1;
	return text[strspn(text, "0123456789")] == '\0';
}

static enum domain_status
parse(struct domain *d, const char *text, size_t len,
	enum domain_status (*from)(struct domain *, const char *, size_t))
{
	enum domain_status st;

	memset(d, 0xee, sizeof(*d));
	st = from(d, text, len);
	require(st != DOMAIN_NOMEM);
	require(st != DOMAIN_ONION || from == domain_from_key);
	if (st == DOMAIN_OK) {
		require(d->len >= 1 && d->len <= DOMAIN_MAX);
		require(strlen(d->text) == d->len);
		require(domain_is_canonical(d->text, d->len));
		require(fuzz_host(d->text, d->len) && !last_is_number(d->text));
		(void)domain_is_onion(d);
	}
	return st;
}

static void
require_same(const char *text, size_t len, const struct domain *want,
	enum domain_status (*from)(struct domain *, const char *, size_t))
{
	struct domain d;

	require(parse(&d, text, len, from) == DOMAIN_OK);
	require(strcmp(d.text, want->text) == 0);
}

/* What is a domain stays the same one: read again, behind a local part, with a
 * trailing dot, in upper case. */
static void
check_again(const struct domain *d)
{
	char text[DOMAIN_MAX + 8];
	size_t n = (size_t)sprintf(text, "a@b@%s.", d->text);

	require_same(d->text, d->len, d, domain_from_name);
	require_same(d->text, d->len, d, domain_from_key);
	require_same(text, n - 1, d, domain_from_key);
	require_same(text, n, d, domain_from_key);
	for (size_t i = 0; i < n; i++)
		if (text[i] >= 'a' && text[i] <= 'z')
			text[i] = (char)(text[i] - 'a' + 'A');
	require_same(text + 4, n - 4, d, domain_from_name);
}

/* Nothing that ends in .onion is ever taken for no domain (RFC 7686). */
static void
check_onion(const char *text, size_t size)
{
	static const char *const ends[] = {".onion", ".Onion.", ".onion..", ".onion:25"};
	char *key = fuzz_alloc(size + 16);
	struct domain d;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t len = strlen(ends[i]);
		enum domain_status st;

		memcpy(key, text, size);
		memcpy(key + size, ends[i], len);
		st = domain_from_key(&d, key, size + len);
		require(st == DOMAIN_ONION || (st == DOMAIN_OK && domain_is_onion(&d)) ||
			st == DOMAIN_UNKNOWN);
	}
	free(key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_alloc(size);
	const char *at;
	struct domain d;
	bool canonical;

	memcpy(copy, data, size);
	canonical = domain_is_canonical(copy, size);
	check_onion(copy, size);
	at = memrchr(copy, '@', size);
	if (parse(&d, copy, size, domain_from_name) == DOMAIN_OK) {
		require(at == NULL);
		require(canonical == (d.len == size && memcmp(d.text, copy, size) == 0));
		check_again(&d);
	} else {
		require(!canonical);
	}
	if (parse(&d, copy, size, domain_from_key) == DOMAIN_OK) {
		const char *name = at == NULL ? copy : at + 1;

		require_same(name, size - (size_t)(name - copy), &d, domain_from_name);
		check_again(&d);
	}
	free(copy);
	return 0;
}
