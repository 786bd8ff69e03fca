#include "unit.h"

#include "core/maprec.h"
#include "core/maptext.h"

static const struct {
	const char *value;
	size_t len;
	enum maprec_status status;
	uint8_t n;
	uint16_t port; /* of the last target */
	enum on_failure on_failure;
	bool require;
} rows[] = {
	{BYTES("-"), MAPREC_NONE, 0, 0, 0, false},
	{BYTES(ONION_A), MAPREC_ROUTE, 1, 25, 0, false},
	{BYTES(ONION_A ":2525"), MAPREC_ROUTE, 1, 2525, 0, false},
	{BYTES(ONION_A ":1"), MAPREC_ROUTE, 1, 1, 0, false},
	{BYTES(ONION_A ":65535"), MAPREC_ROUTE, 1, 65535, 0, false},
	{BYTES("mail." ONION_A), MAPREC_ROUTE, 1, 25, 0, false},
	{BYTES(LONG_PREFIX ONION_A ":65535"), MAPREC_ROUTE, 1, 65535, 0, false},
	{BYTES(ONION_A ", " ONION_B), MAPREC_ROUTE, 2, 25, 0, false},
	{BYTES(ONION_A ", " ONION_A ":26"), MAPREC_ROUTE, 2, 26, 0, false},
	{BYTES(ONION_A ":2525, " ONION_B ":26, " ONION_C), MAPREC_ROUTE, 3, 25, 0, false},
	{BYTES(ONION_A " on_failure=clearnet"), MAPREC_ROUTE, 1, 25, ON_FAILURE_CLEARNET,
		false},
	{BYTES(ONION_A ", " ONION_B ":26 on_failure=defer dnssec=require"), MAPREC_ROUTE,
		2, 26, ON_FAILURE_DEFER, true},
	{BYTES(ONION_A "\tdnssec=require  "), MAPREC_ROUTE, 1, 25, 0, true},
	{BYTES("srv"), MAPREC_SRV, 0, 0, 0, false},
	{BYTES("srv dnssec=require"), MAPREC_SRV, 0, 0, 0, true},
	{BYTES("srv\ton_failure=clearnet"), MAPREC_SRV, 0, 0, ON_FAILURE_CLEARNET, false},
	/* as long as an onion name, and with the same end */
	{BYTES("srv dnssec=require tls=secure:mx.example.a.a.a.a.a.a.a.b.onion"),
		MAPREC_SRV, 0, 0, 0, true},

	/* damaged */
	{BYTES(""), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("--"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("- "), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("- on_failure=defer"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("srv, " ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("srv " ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("srvx"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("sr"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("on_failure=defer"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ", on_failure=defer"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " on_failure=never"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " on_failure="), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " on_failure"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " dnssec=prefer"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " on_failure=defer on_failure=defer"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " on_failure=defer," ONION_B), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " dnssec=require\0"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("-\0"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("-, " ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ", -"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("example.org"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("10.192.0.5"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("expyuzz4wqqyqhjn.onion"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(MISTYPED), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ", " MISTYPED), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A "."), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("Mail." ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ","), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ", "), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("," ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A " " ONION_B), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ",, " ONION_B), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A "\n"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A "\0"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A "\0, " ONION_B), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("a\0b." ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("\0." ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES("a." LONG_PREFIX ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(LONG_PREFIX LONG_PREFIX ONION_A), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ":"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ":0"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ":026"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ":65536"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A ":26x"), MAPREC_BAD, 0, 0, 0, false},
	{BYTES(ONION_A "::26"), MAPREC_BAD, 0, 0, 0, false},
};

/* As people write them in a map's line, and other tools in a cdb. */
static const char *const by_hand[] = {
	" " ONION_A ", " ONION_B,
	ONION_A ", " ONION_B " ",
	ONION_A ":25, " ONION_B ":25",
	ONION_A "," ONION_B,
	ONION_A ",  " ONION_B,
	ONION_A ",\t" ONION_B,
	ONION_A " , " ONION_B,
};

static enum maprec_status
parse(const char *value, size_t len, struct target_set *route,
	struct map_options *options, char copy[])
{
	memcpy(copy, value, len);
	return maprec_parse(copy, len, route, options, NULL);
}

/* What has been taken once is read in the same way without a look at the checksums. */
static void
check_trusted(const char *row, const char *value, size_t len)
{
	struct map_options options, trusted_options;
	struct target_set r, trusted;
	enum maprec_status st = maprec_parse(value, len, &r, &options, NULL);

	row_assert(
		row, maprec_parse_checked(value, len, &trusted, &trusted_options) == st);
	row_assert(row, trusted.n == r.n);
	for (uint8_t i = 0; i < r.n; i++) {
		row_assert(row, trusted.target[i].host == r.target[i].host);
		row_assert(row, trusted.target[i].hostlen == r.target[i].hostlen);
		row_assert(row, trusted.target[i].port == r.target[i].port);
	}
	row_assert(row, trusted_options.on_failure == options.on_failure);
	row_assert(row, trusted_options.dnssec_require == options.dnssec_require);
	row_assert(row, trusted_options.tls.level == options.tls.level);
	assert_string_equal(trusted_options.tls.name.text, options.tls.name.text);
}

static void
test_parse(void **state)
{
	struct map_options options;
	struct target_set r;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		/* without a NUL behind it */
		char *copy = malloc(rows[i].len > 0 ? rows[i].len : 1);

		assert_non_null(copy);
		row_assert(rows[i].value, parse(rows[i].value, rows[i].len, &r, &options,
						  copy) == rows[i].status);
		if (rows[i].status != MAPREC_BAD) {
			row_assert(
				rows[i].value, options.on_failure == rows[i].on_failure);
			row_assert(
				rows[i].value, options.dnssec_require == rows[i].require);
		}
		if (rows[i].status == MAPREC_ROUTE) {
			row_assert(rows[i].value, r.n == rows[i].n);
			row_assert(rows[i].value, r.target[r.n - 1].port == rows[i].port);
			row_assert(rows[i].value, r.target[0].host == copy);
			row_assert(rows[i].value, r.target[0].ipv4 == 0);
		}
		if (rows[i].status != MAPREC_BAD)
			check_trusted(rows[i].value, copy, rows[i].len);
		free(copy);
	}
}

static void
test_by_hand(void **state)
{
	struct map_options options;
	struct target_set r;

	(void)state;
	for (size_t i = 0; i < COUNT(by_hand); i++) {
		row_assert(by_hand[i], maprec_parse(by_hand[i], strlen(by_hand[i]), &r,
					       &options, NULL) == MAPREC_ROUTE);
		row_assert(by_hand[i], r.n == 2);
		row_assert(by_hand[i], r.target[0].hostlen == ONION_LEN);
		assert_memory_equal(r.target[0].host, ONION_A, ONION_LEN);
		row_assert(by_hand[i], r.target[0].port == 25);
		assert_memory_equal(r.target[1].host, ONION_B, ONION_LEN);
		row_assert(by_hand[i], r.target[1].port == 25);
		check_trusted(by_hand[i], by_hand[i], strlen(by_hand[i]));
	}
}

static void
test_targets(void **state)
{
	const char value[] = ONION_C ":2525, " ONION_A ", mail." ONION_B ":65535";
	struct map_options options;
	struct target_set r;

	(void)state;
	assert_int_equal(
		maprec_parse(value, sizeof(value) - 1, &r, &options, NULL), MAPREC_ROUTE);
	assert_int_equal(r.n, 3);
	assert_int_equal(r.target[0].hostlen, ONION_LEN);
	assert_memory_equal(r.target[0].host, ONION_C, ONION_LEN);
	assert_int_equal(r.target[0].port, 2525);
	assert_memory_equal(r.target[1].host, ONION_A, ONION_LEN);
	assert_int_equal(r.target[1].port, 25);
	assert_int_equal(r.target[2].hostlen, ONION_LEN + 5);
	assert_memory_equal(r.target[2].host, "mail." ONION_B, ONION_LEN + 5);
	assert_int_equal(r.target[2].port, 65535);
}

/* Sixteen targets are a route, seventeen are damage; the longest value fits. */
static void
test_limit(void **state)
{
	char *value = malloc(MAP_VALUE_MAX);
	struct map_entry e = {0};
	struct answer a;
	struct map_options options;
	struct target_set r;
	size_t len;

	(void)state;
	assert_non_null(value);
	unit_longest_route(&a);
	e.targets = a.route;
	len = maptext_value(&e, value);
	assert_int_equal(len, TARGETS_MAX * (DOMAIN_MAX + 8) - 2);
	assert_int_equal(maprec_parse(value, len, &r, &options, NULL), MAPREC_ROUTE);
	assert_int_equal(r.n, TARGETS_MAX);
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		assert_int_equal(r.target[i].hostlen, DOMAIN_MAX);
		assert_memory_equal(r.target[i].host, a.route.target[i].host, DOMAIN_MAX);
		assert_int_equal(r.target[i].port, 65535);
	}
	value = realloc(value, len + sizeof(", " ONION_A));
	assert_non_null(value);
	memcpy(value + len, ", " ONION_A, sizeof(", " ONION_A) - 1);
	assert_int_equal(
		maprec_parse(value, len + sizeof(", " ONION_A) - 1, &r, &options, NULL),
		MAPREC_BAD);
	free(value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests_name("maprec", tests, NULL, NULL);
}
