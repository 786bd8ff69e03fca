#include "unit.h"

#define L64 L63 "x"
#define D245 L63 "." L63 "." L63 ".aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeefff"
#define D254 L63 "." L63 "." L63 "." L62

struct row {
	const char *key;
	size_t len;
	const char *want; /* NULL: DOMAIN_UNUSABLE */
};

static void
check(const struct row *r,
	enum domain_status (*parse)(struct domain *, const char *, size_t))
{
	struct domain d, again;
	char *copy = malloc(r->len + 1); /* without a NUL behind the key */
	enum domain_status st;

	assert_non_null(copy);
	memcpy(copy + 1, r->key, r->len);
	st = parse(&d, copy + 1, r->len);
	free(copy);
	if (r->want == NULL) {
		row_assert(r->key, st == DOMAIN_UNUSABLE);
		return;
	}
	row_assert(r->key, st == DOMAIN_OK);
	assert_string_equal(d.text, r->want);
	assert_int_equal(d.len, strlen(r->want));
	row_assert(r->key, domain_is_canonical(d.text, d.len));
	row_assert(r->key, domain_from_name(&again, d.text, d.len) == DOMAIN_OK);
	assert_string_equal(again.text, d.text);
}

static void
test_names(void **state)
{
	static const struct row rows[] = {
		{BYTES("example.org"), "example.org"},
		{BYTES("Example.ORG"), "example.org"},
		{BYTES("AZ.az.09.example"), "az.az.09.example"},
		{BYTES("example.org."), "example.org"},
		{BYTES("localhost"), "localhost"},
		{BYTES("a"), "a"},
		{BYTES("a--b.example"), "a--b.example"},
		{BYTES("9lives.example"), "9lives.example"},
		{BYTES("1.2.3.4a"), "1.2.3.4a"},
		{BYTES("1.2.3.4-5"), "1.2.3.4-5"},
		{BYTES("xn--mnchen-3ya.example"), "xn--mnchen-3ya.example"},
		{BYTES("XN--MNCHEN-3YA.example"), "xn--mnchen-3ya.example"},

		{BYTES(""), NULL},
		{BYTES("."), NULL},
		{BYTES(".."), NULL},
		{BYTES("example.org.."), NULL},
		{BYTES(".example.org"), NULL},
		{BYTES("a..b"), NULL},
		{BYTES("*"), NULL},
		{BYTES("*.example.org"), NULL},
		{BYTES("-a.example"), NULL},
		{BYTES("a-.example"), NULL},
		{BYTES("example.-org"), NULL},
		{BYTES("example.org-"), NULL},
		{BYTES("-"), NULL},
		{BYTES("a_b.example"), "a_b.example"},
		{BYTES("_x._tcp.Example"), "_x._tcp.example"},
		{BYTES("_.example"), "_.example"},
		{BYTES("a b.example"), NULL},
		{BYTES(" example.org"), NULL},
		{BYTES("example.org "), NULL},
		{BYTES("example.org\n"), NULL},
		{BYTES("example.org\r"), NULL},
		{BYTES("example.org\t"), NULL},
		{BYTES("example\0.org"), NULL},
		{BYTES("example.org\0"), NULL},
		{BYTES("\0"), NULL},
		{BYTES("example.org\x7f"), NULL},
		{BYTES("a@example.org"), NULL},
		{BYTES("a/b.example"), NULL},
		{BYTES("a:25.example"), NULL},
		{BYTES("a`b.example"), NULL},
		{BYTES("a{b.example"), NULL},
		{BYTES("a[b.example"), NULL},
		/* a last label of nothing but digits: an address, or meant to be one */
		{BYTES("1.2.3.4"), NULL},
		{BYTES("1.2.3.4."), NULL},
		{BYTES("example.123"), NULL},
		{BYTES("123"), NULL},
		{BYTES("0"), NULL},
		{BYTES("[1.2.3.4]"), NULL},
		{BYTES("[IPv6:::1]"), NULL},
		{BYTES("::1"), NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i], domain_from_name);
}

static void
test_lengths(void **state)
{
	static const struct row rows[] = {
		{BYTES(L63 ".example"), L63 ".example"},
		{BYTES(L64 ".example"), NULL},
		{BYTES("example." L63), "example." L63},
		{BYTES("example." L64), NULL},
		{BYTES(L63), L63},
		{BYTES(L64), NULL},
		{BYTES(D253), D253},
		{BYTES(D253 "."), D253},
		{BYTES(D253 ".."), NULL},
		{BYTES(D254), NULL},
		{BYTES(D254 "."), NULL},
		{BYTES(D253 "." D253 "." D253 "." D253 "." D253), NULL},
	};

	(void)state;
	assert_int_equal(strlen(D253), DOMAIN_MAX);
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i], domain_from_name);
}

/* UTF-8 to A-labels; the mapping of UTS 46 comes first. */
static void
test_utf8(void **state)
{
	static const struct row rows[] = {
		{BYTES("m\xc3\xbcnchen.example"), "xn--mnchen-3ya.example"},
		{BYTES("M\xc3\x9cNCHEN.Example."), "xn--mnchen-3ya.example"},
		/* u and a combining diaeresis: normalised to NFC */
		{BYTES("mu\xcc\x88nchen.example"), "xn--mnchen-3ya.example"},
		/* sharp s is kept: non-transitional */
		{BYTES("stra\xc3\x9f"
		       "e.example"),
			"xn--strae-oqa.example"},
		{BYTES("\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95"),
			"xn--fsqu00a.xn--0zwm56d"},
		/* the ideographic full stop separates labels */
		{BYTES("m\xc3\xbcnchen\xe3\x80\x82"
		       "example"),
			"xn--mnchen-3ya.example"},
		/* full width letters and digits are ordinary ones */
		{BYTES("\xef\xbd\x85xample.org"), "example.org"},
		{BYTES("name."
		       "\xef\xbd\x8f\xef\xbd\x8e\xef\xbd\x89\xef\xbd\x8f\xef\xbd\x8e"),
			"name.onion"},
		{BYTES("name\xef\xbc\x8eonion"), "name.onion"},
		{BYTES("example.\xef\xbc\x91\xef\xbc\x92"), NULL},
		{BYTES("\xef\xbc\x91.2.3.4"), NULL},
		/* what maps to something that isn't LDH */
		{BYTES("a\xef\xbc\xa0"
		       "example.org"),
			NULL},                         /* full width @ */
		{BYTES("\xef\xbc\x8a.example"), NULL}, /* full width * */
		{BYTES("m\xc3\xbcnchen..example"), NULL},
		{BYTES(".m\xc3\xbcnchen.example"), NULL},
		{BYTES("-m\xc3\xbcnchen.example"), NULL},
		{BYTES("m\xc3\xbcnchen .example"), NULL},
		{BYTES("m\xc3\xbcnchen_.example"), "xn--mnchen_-n2a.example"},
		{BYTES("m\xc3\xbcnchen\0.example"), NULL},
		{BYTES("m\xc3\xbcnchen.example\0"), NULL},
		/* not UTF-8: a lone byte, a cut sequence, overlong, a surrogate */
		{BYTES("m\xfcnchen.example"), NULL},
		{BYTES("m\xc3"), NULL},
		{BYTES("\xc0\xae.example"), NULL},
		{BYTES("\xed\xa0\x80.example"), NULL},
		{BYTES("\xff"), NULL},
		/* a label whose A-label is too long, and a name that is */
		{BYTES("\xc3\xbc" L62 ".example"), NULL},
		{BYTES("\xc3\xbc." D253), NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i], domain_from_name);
}

/* What IDNA2008 forbids, each label for itself: the others are mapped as ever. */
static void
test_forbidden(void **state)
{
	static const struct row rows[] = {
		{BYTES("\xe2\x98\x83.example"), "xn--n3h.example"},
		{BYTES("\xe2\x98\x83.Example."), "xn--n3h.example"},
		{BYTES("I\xe2\x99\xa5.example"), "xn--i-n3p.example"},
		{BYTES("example.\xf0\x9f\x98\x80"), "example.xn--e28h"},
		{BYTES("\xe2\x98\x83.m\xc3\xbcnchen.example"),
			"xn--n3h.xn--mnchen-3ya.example"},
		{BYTES("\xe2\x98\x83..example"), NULL},
		{BYTES(".\xe2\x98\x83.example"), NULL},
		{BYTES("\xe2\x98\x83.a_b.example"), "xn--n3h.a_b.example"},
		/* mapped first: U+FE0F is nothing, U+00C4 and U+FF21 are small letters */
		{BYTES("i\xe2\x9d\xa4\xef\xb8\x8f.example"), "xn--i-7iq.example"},
		{BYTES("\xe2\x9d\xa4\xc3\x84.example"), "xn--4ca528q.example"},
		{BYTES("\xf0\x9f\x98\x80\xef\xbc\xa1.example"), "xn--a-iv3s.example"},
		/* sharp s stays, as do the joiners of a family */
		{BYTES("\xf0\x9f\x98\x80\xc3\x9f.example"), "xn--zca1967w.example"},
		{BYTES("\xef\xb8\x8f.example"), NULL},
		{BYTES("xn--\xf0\x9f\x98\x80.example"), NULL},
		{BYTES("\xe2\x98\x83 .example"), NULL},
		{BYTES("-\xe2\x98\x83.example"), NULL},
		{BYTES("\xe2\x98\x83-.example"), NULL},
		{BYTES("\xe2\x98\x83.-a.example"), NULL},
		{BYTES("\xe2\x98\x83.1"), NULL},
		{BYTES("\xe2\x98\x83.\xff"), NULL},
		{BYTES("\xe2\x98\x83" L62 ".example"), NULL},
		{BYTES("\xe2\x98\x83." L63 "x"), NULL},
		{BYTES("\xe2\x98\x83." D245), "xn--n3h." D245},
		{BYTES("\xe2\x98\x83." D245 "."), "xn--n3h." D245},
		{BYTES("\xe2\x98\x83." D245 ".."), NULL},
		{BYTES("\xe2\x98\x83." D245 "x"), NULL},
		{BYTES("\xe2\x98\x83." D245 "x."), NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i], domain_from_name);
}

/* UTS 46 maps the rest of such a name: case, full width, other full stops. Else a name
 * below .onion would not be known as one, and go to DNS. */
static void
test_forbidden_is_mapped(void **state)
{
	static const struct row rows[] = {
		{BYTES("\xe2\x98\x83.M\xc3\x9cNCHEN.example"),
			"xn--n3h.xn--mnchen-3ya.example"},
		{BYTES("\xe2\x98\x83.mu\xcc\x88nchen.example"),
			"xn--n3h.xn--mnchen-3ya.example"},
		{BYTES("\xe2\x98\x83\xe3\x80\x82"
		       "example"),
			"xn--n3h.example"},
		{BYTES("\xe2\x98\x83\xef\xbc\x8eonion"), "xn--n3h.onion"},
		{BYTES("\xe2\x98\x83\xef\xbd\xa1onion"), "xn--n3h.onion"},
		{BYTES("\xe2\x98\x83.\xef\xbd\x8f\xef\xbd\x8e\xef\xbd\x89\xef\xbd\x8f"
		       "\xef\xbd\x8e"),
			"xn--n3h.onion"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i], domain_from_name);
}

/* However long the UTF-8, it ends at a limit and not at a buffer. */
static void
test_long_utf8(void **state)
{
	static char name[8192];
	struct domain d;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xbc", 2);
	assert_int_equal(domain_from_name(&d, name, 2), DOMAIN_OK);
	for (size_t len = 2 * 63; len <= sizeof(name); len += len < 1200 ? 2 : 500)
		assert_int_equal(domain_from_name(&d, name, len), DOMAIN_UNUSABLE);
}

static void
test_keys(void **state)
{
	static const struct row rows[] = {
		{BYTES("example.org"), "example.org"},
		{BYTES("user@example.org"), "example.org"},
		{BYTES("User+Ext@Sub.Example"), "sub.example"},
		{BYTES("user@example.org."), "example.org"},
		{BYTES("@example.org"), "example.org"},
		{BYTES("a@b@example.org"), "example.org"},
		{BYTES("a%b@example.org"), "example.org"},
		{BYTES("\"a b%c\"@example.org"), "example.org"},
		{BYTES("\"a@b\"@example.org"), "example.org"},
		{BYTES("\"a\\\"@b\"@example.org"), "example.org"},
		{BYTES("a b%c@example.org"), "example.org"},
		{BYTES("o\"neil@example.org"), "example.org"},
		{BYTES("j\xc3\xb6rg@m\xc3\xbcnchen.example"), "xn--mnchen-3ya.example"},
		{BYTES("j\xf6rg@example.org"), "example.org"},
		{BYTES("a\0b@example.org"), "example.org"},
		{BYTES("postmaster@host"), "host"},
		{BYTES("*"), NULL},
		{BYTES(""), NULL},
		{BYTES("@"), NULL},
		{BYTES("user@"), NULL},
		{BYTES("user@."), NULL},
		{BYTES("example.org@"), NULL},
		{BYTES("user@*"), NULL},
		{BYTES("user@example.org@"), NULL},
		{BYTES("\"user@example.org\""), NULL},
		{BYTES("user@ example.org"), NULL},
		{BYTES("<user@example.org>"), NULL},
		{BYTES("user@[1.2.3.4]"), NULL},
		{BYTES("user@[IPv6:::1]"), NULL},
		{BYTES("user@1.2.3.4"), NULL},
		{BYTES("user@example.org\0"), NULL},
		{BYTES("user@example.org, b@example.net\n"), NULL},
		/* source routes and UUCP: what stands after the last @ counts */
		{BYTES("@relay.example,@b:user@example.org"), "example.org"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i], domain_from_key);
}

/* A bare name is never searched for an @. */
static void
test_name_has_no_local_part(void **state)
{
	struct domain d;

	(void)state;
	assert_int_equal(domain_from_name(&d, "a@b.example", 11), DOMAIN_UNUSABLE);
	assert_int_equal(domain_from_name(&d, "@b.example", 10), DOMAIN_UNUSABLE);
}

static void
test_is_onion(void **state)
{
	static const struct {
		const char *name;
		bool want;
	} rows[] = {
		{"onion", true},
		{"a.onion", true},
		{"a.b.onion", true},
		{ONION_A, true},
		{"xonion", false},
		{"x-onion", false},
		{"x.xonion", false},
		{"onions", false},
		{"onio", false},
		{"a", false},
		{"onion.example", false},
		{"a.onion.example", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct domain d = unit_domain(rows[i].name);

		row_assert(rows[i].name, domain_is_onion(&d) == rows[i].want);
	}
}

static void
test_canonical(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool want;
	} rows[] = {
		{BYTES("example.org"), true},
		{BYTES("a"), true},
		{BYTES("xn--mnchen-3ya.example"), true},
		{BYTES(D253), true},
		{BYTES(D254), false},
		{BYTES(L64 ".example"), false},
		{BYTES(""), false},
		{BYTES("."), false},
		{BYTES("example.org."), false},
		{BYTES(".example.org"), false},
		{BYTES("a..b"), false},
		{BYTES("Example.org"), false},
		{BYTES("-a.example"), false},
		{BYTES("a-.example"), false},
		{BYTES("a_b.example"), true},
		{BYTES("a b.example"), false},
		{BYTES("1.2.3.4"), false},
		{BYTES("m\xc3\xbcnchen.example"), false},
		{BYTES("a\0b.example"), false},
		{BYTES("example.org\0"), false},
		{BYTES("\0"), false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		row_assert(rows[i].text,
			domain_is_canonical(rows[i].text, rows[i].len) == rows[i].want);
}

/* Of the 256 bytes, a name holds these and no others. */
static void
test_alphabet(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char name[] = "aXa.example";
		bool lower = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			     c == '-' || c == '.' || c == '_';
		bool usable = lower || (c >= 'A' && c <= 'Z');
		struct domain d;

		name[1] = (char)c;
		assert_int_equal(domain_from_name(&d, name, sizeof(name) - 1),
			usable ? DOMAIN_OK : DOMAIN_UNUSABLE);
		if (domain_is_canonical(name, sizeof(name) - 1) != lower)
			fail_msg("byte %u", c);
	}
}

/* Whatever ends in .onion is meant for tor, valid or not (RFC 7686). */
static void
test_onion_keys(void **state)
{
	static const struct {
		const char *key;
		enum domain_status st;
	} rows[] = {
		{"u@_x." ONION_A, DOMAIN_OK},
		{"u@x_y." ONION_A, DOMAIN_OK},
		{"u@onion", DOMAIN_OK},
		{"u@x.ONION.", DOMAIN_OK},
		{"u@-a." ONION_A, DOMAIN_ONION},
		{"u@" ONION_A "..", DOMAIN_ONION},
		{"u@" ONION_A ":25", DOMAIN_ONION},
		{"u@" ONION_A ".:25", DOMAIN_ONION},
		{"u@" ONION_A "..:", DOMAIN_ONION},
		{"u@[" ONION_A "]", DOMAIN_ONION},
		{"u@[" ONION_A "]:25", DOMAIN_ONION},
		{"u@.onion", DOMAIN_ONION},
		{"u@..Onion", DOMAIN_ONION},
		{"u@a b.onion", DOMAIN_ONION},
		{"u@" L64 ".onion", DOMAIN_ONION},
		{"u@-x.\xef\xbd\x8fnion", DOMAIN_ONION}, /* a full width o */
		{"u@-x\xe3\x80\x82onion", DOMAIN_ONION}, /* an ideographic dot */
		{"u@-x.onion\xe3\x80\x82", DOMAIN_ONION},
		{"u@-x.onion.example", DOMAIN_UNUSABLE},
		{"u@-x.notonion", DOMAIN_UNUSABLE},
		{"u@-x.onion\xff", DOMAIN_UNUSABLE},
		{"u@:25", DOMAIN_UNUSABLE},
		{"u@...", DOMAIN_UNUSABLE},
		{"", DOMAIN_UNUSABLE},
	};
	struct domain d;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (domain_from_key(&d, rows[i].key, strlen(rows[i].key)) != rows[i].st)
			fail_msg("%s", rows[i].key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_forbidden_is_mapped),
		cmocka_unit_test(test_long_utf8),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_name_has_no_local_part),
		cmocka_unit_test(test_is_onion),
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_alphabet),
		cmocka_unit_test(test_onion_keys),
	};

	return cmocka_run_group_tests_name("domain", tests, NULL, NULL);
}
