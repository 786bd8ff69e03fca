#include "unit.h"

#include "core/render.h"

/* The value, NUL-terminated. */
static const char *
text(const struct rendered *r)
{
	static char buf[RENDER_MAX + 1];

	assert_in_range(r->len, 1, RENDER_MAX);
	memcpy(buf, r->text, r->len);
	buf[r->len] = '\0';
	return buf;
}

static void
test_hostlist(void **state)
{
	struct target_set r = {.n = 1,
		.target = {unit_target(ONION_A, 25, 0x0ac00005),
			unit_target(ONION_B, 2525, 0x0ac00009),
			unit_target(ONION_C, 1, 0xfffefdfc),
			unit_target(ONION_A, 65535, 0x01000000)}};
	struct rendered out;

	(void)state;
	render_hostlist(&out, &r);
	assert_string_equal(text(&out), "10.192.0.5");
	assert_int_equal(out.left_out, 0);
	r.n = 4;
	render_hostlist(&out, &r);
	assert_string_equal(text(&out),
		"10.192.0.5:10.192.0.9::2525:255.254.253.252::1:1.0.0.0::65535");
	r.target[0].port = 26;
	r.n = 2;
	render_hostlist(&out, &r);
	assert_string_equal(text(&out), "10.192.0.5::26:10.192.0.9::2525");
}

static void
test_nexthop(void **state)
{
	const struct render names = {STYLE_ONION, "smtptor", false};
	const struct render addresses = {STYLE_ADDRESS, "x-Y_9", false};
	struct target_set r = {.n = 1,
		.target = {unit_target(ONION_A, 25, 0x0ac00005),
			unit_target("mail." ONION_B, 2525, 0x0ac00009)}};
	struct rendered out;

	(void)state;
	/* The length of a name counts, not a NUL. */
	r.target[0].host = ONION_A "tail";
	render_nexthop(&out, &r, &names);
	assert_string_equal(text(&out), "smtptor:[" ONION_A "]:25");
	render_nexthop(&out, &r, &addresses);
	assert_string_equal(text(&out), "x-Y_9:[10.192.0.5]:25");
	r.n = 2;
	render_nexthop(&out, &r, &names);
	assert_string_equal(
		text(&out), "smtptor:[" ONION_A "]:25, [mail." ONION_B "]:2525");
	assert_int_equal(out.left_out, 0);
	render_nexthop(&out, &r, &addresses);
	assert_string_equal(text(&out), "x-Y_9:[10.192.0.5]:25, [10.192.0.9]:2525");
	assert_int_equal(out.left_out, 0);
}

/* Sixteen ordinary onion names with ports and the longest transport fit. */
static void
test_full_route_fits(void **state)
{
	static char host[TARGETS_MAX][ONION_LEN + 1];
	const struct render how = {
		STYLE_ONION, "transport-with-32-characters-abc", false};
	struct target_set r = {.n = TARGETS_MAX};
	struct rendered out;

	(void)state;
	assert_int_equal(strlen(how.transport), TRANSPORT_MAX);
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		unit_onion(host[i], i);
		r.target[i] = unit_target(host[i], 65535, 0xffffffff);
	}
	render_nexthop(&out, &r, &how);
	assert_int_equal(out.left_out, 0);
	assert_int_equal(out.len, TRANSPORT_MAX + 1 + TARGETS_MAX * (ONION_LEN + 10) - 2);
	render_hostlist(&out, &r);
	assert_int_equal(out.left_out, 0);
	assert_int_equal(out.len, TARGETS_MAX * (15 + 7 + 1) - 1);
}

/* What doesn't fit is left out from the end, in whole targets, and counted. */
static void
test_left_out(void **state)
{
	const struct render how = {STYLE_ONION, "smtptor", false};
	const size_t part = DOMAIN_MAX + sizeof("[]:65535") - 1;
	struct rendered out;
	struct answer a;
	unsigned fit = (RENDER_MAX - 8 + 2) / (unsigned)(part + 2);

	(void)state;
	unit_longest_route(&a);
	render_nexthop(&out, &a.route, &how);
	assert_int_equal(out.left_out, TARGETS_MAX - fit);
	assert_int_equal(out.len, 8 + fit * (part + 2) - 2);
	for (unsigned i = 0; i < fit; i++) {
		char want[DOMAIN_MAX + 16];

		sprintf(want, "%s[%.*s]:65535", i > 0 ? ", " : "", DOMAIN_MAX,
			a.route.target[i].host);
		assert_memory_equal(out.text + 8 + i * (part + 2) - (i > 0 ? 2 : 0), want,
			strlen(want));
	}
	/* a shorter one behind it isn't preferred to one that was left out */
	a.route.target[TARGETS_MAX - 1] = unit_target(ONION_A, 25, 1);
	render_nexthop(&out, &a.route, &how);
	assert_int_equal(out.left_out, TARGETS_MAX - fit);
	assert_int_equal(out.len, 8 + fit * (part + 2) - 2);
}

/* Up to the last byte: a value of exactly RENDER_MAX isn't cut, one more is. */
static void
test_exact_fit(void **state)
{
	char transport[TRANSPORT_MAX + 1];
	struct rendered out;
	struct answer a;
	struct render how = {STYLE_ONION, transport, false};

	(void)state;
	unit_longest_route(&a);
	/* seven long names with five-digit ports take 7 * 263 - 2 = 1839 bytes */
	a.route.n = 9;
	a.route.target[7] = unit_target("a.a.a.a." LONG_PREFIX, 25, 1);
	a.route.target[7].hostlen = 160;
	/* and the eighth 2 + 160 + 5 = 167 */
	for (unsigned n = 1; n <= TRANSPORT_MAX; n++) {
		bool fits = n + 1 + 1839 + 167 + 16 <= RENDER_MAX;

		memset(transport, 't', n);
		transport[n] = '\0';
		a.route.target[8] = unit_target(ONION_A, 25, 1);
		a.route.target[8].hostlen = 9; /* 2 + 9 + 5 */
		render_nexthop(&out, &a.route, &how);
		assert_int_equal(out.left_out, fits ? 0 : 1);
		assert_int_equal(out.len, n + 1 + 1839 + 167 + (fits ? 16 : 0));
	}
}

static void
test_transport_valid(void **state)
{
	static const struct {
		const char *name;
		bool want;
	} rows[] = {
		{"smtptor", true},
		{"a", true},
		{"0", true},
		{"Az09-_", true},
		{"transport-with-32-characters-abc", true},
		{"transport-with-33-characters-abcd", false},
		{"", false},
		{"smtp:", false},
		{"smtp tor", false},
		{"smtp\n", false},
		{"smtp.tor", false},
		{"smtp,tor", false},
		{"[smtp]", false},
		{"sm\xc3\xbc", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		row_assert(rows[i].name,
			render_transport_valid(rows[i].name) == rows[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostlist),
		cmocka_unit_test(test_nexthop),
		cmocka_unit_test(test_full_route_fits),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_exact_fit),
		cmocka_unit_test(test_transport_valid),
	};

	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
