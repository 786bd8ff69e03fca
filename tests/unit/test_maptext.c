#include "unit.h"

#include "core/maprec.h"
#include "core/maptext.h"

static enum maptext_status
parse(const char *line, size_t len, struct map_entry *e, struct map_error *err)
{
	char *copy = malloc(len + 1); /* without a NUL behind it */
	enum maptext_status st;

	assert_non_null(copy);
	memcpy(copy + 1, line, len);
	*err = (struct map_error){0, NULL};
	st = maptext_parse(copy + 1, len, e, err, NULL);
	free(copy);
	return st;
}

static void
test_entries(void **state)
{
	static const struct {
		const char *line, *key, *value;
	} rows[] = {
		{"example.org " ONION_A, "example.org", ONION_A},
		{"example.org\t" ONION_A, "example.org", ONION_A},
		{" \t example.org \t " ONION_A " \t ", "example.org", ONION_A},
		{"Example.ORG. " ONION_A, "example.org", ONION_A},
		{"m\xc3\xbcnchen.example " ONION_A, "xn--mnchen-3ya.example", ONION_A},
		{".example.org " ONION_A, ".example.org", ONION_A},
		{".Example.org. -", ".example.org", "-"},
		{"org -", "org", "-"},
		{"example.org - # never", "example.org", "-"},
		{"example.org " ONION_A " # comment # more", "example.org", ONION_A},
		{"example.org " ONION_A "#comment", "example.org", ONION_A},
		{"example.org " ONION_A "\r", "example.org", ONION_A},
		{"example.org " ONION_A " \r", "example.org", ONION_A},
		{"example.org " ONION_A " # comment\r", "example.org", ONION_A},
		{"example.org " ONION_A ".", "example.org", ONION_A},
		{"example.org AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYUCULBOGAZDINRYHI6D4QCMEQD"
		 ".Onion",
			"example.org", ONION_A},
		{"example.org Mail." ONION_A, "example.org", "mail." ONION_A},
		{"example.org " ONION_A ":25", "example.org", ONION_A},
		{"example.org " ONION_A ".:26", "example.org", ONION_A ":26"},
		{"example.org " ONION_A ":65535", "example.org", ONION_A ":65535"},
		{"example.org " ONION_A "," ONION_B, "example.org", ONION_A ", " ONION_B},
		{"example.org " ONION_A ":2525 ,\t" ONION_B " , " ONION_C ":1",
			"example.org", ONION_A ":2525, " ONION_B ", " ONION_C ":1"},
		{"example.org " ONION_A ", " ONION_A ":26", "example.org",
			ONION_A ", " ONION_A ":26"},
		{"example.org " LONG_PREFIX ONION_A ".", "example.org",
			LONG_PREFIX ONION_A},
		{D253 " -", D253, "-"},
		{"." D253 " -", "." D253, "-"},
		{"mx:" D253 " -", "mx:" D253, "-"},
		{"mx:Mail.Example.ORG. " ONION_A, "mx:mail.example.org", ONION_A},
		{"mx:.example.org " ONION_A ":26", "mx:.example.org", ONION_A ":26"},
		{"example.org srv", "example.org", "srv"},
		{".example.org \t srv  # as DNS says", ".example.org", "srv"},
		{"example.org srv dnssec=require", "example.org", "srv dnssec=require"},
		{"example.org " ONION_A " on_failure=clearnet", "example.org",
			ONION_A " on_failure=clearnet"},
		{"example.org " ONION_A "," ONION_B
		 ":26\tdnssec=require\ton_failure=defer ",
			"example.org",
			ONION_A ", " ONION_B ":26 on_failure=defer dnssec=require"},
		{"mx:a.example " ONION_A " dnssec=require # c", "mx:a.example",
			ONION_A " dnssec=require"},
		{"a.example " ONION_A " tls=none", "a.example", ONION_A " tls=none"},
		{"a.example " ONION_A " tls=may", "a.example", ONION_A " tls=may"},
		{"a.example srv tls=encrypt dnssec=require", "a.example",
			"srv dnssec=require tls=encrypt"},
		{"a.example " ONION_A " tls=secure:MX.Example.org.", "a.example",
			ONION_A " tls=secure:mx.example.org"},
		{"a.example " ONION_A " tls=secure:" D253 " on_failure=clearnet "
		 "dnssec=require",
			"a.example",
			ONION_A " on_failure=clearnet dnssec=require tls=secure:" D253},
	};
	char key[MAP_KEY_MAX], value[MAP_VALUE_MAX];
	struct map_entry e;
	struct map_error err;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *line = rows[i].line;

		row_assert(line, parse(line, strlen(line), &e, &err) == MAPTEXT_ENTRY);
		row_assert(line, maptext_key(&e, key) == strlen(rows[i].key));
		assert_memory_equal(key, rows[i].key, strlen(rows[i].key));
		row_assert(line, maptext_value(&e, value) == strlen(rows[i].value));
		assert_memory_equal(value, rows[i].value, strlen(rows[i].value));
		row_assert(line, map_key_valid(key, strlen(rows[i].key)));
		row_assert(line, e.mx == (strncmp(rows[i].key, "mx:", 3) == 0));
		row_assert(line, e.below == (rows[i].key[e.mx ? 3 : 0] == '.'));
	}
}

static void
test_empty(void **state)
{
	static const char *const rows[] = {"", " ", "\t \t", "#", "# example.org -", " #",
		"\r", " \r", "#\r", "# \xff"};
	struct map_entry e;
	struct map_error err;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		row_assert(rows[i],
			parse(rows[i], strlen(rows[i]), &e, &err) == MAPTEXT_EMPTY);
}

static void
test_errors(void **state)
{
	static const struct {
		const char *line;
		size_t len;
		size_t column;
		const char *words; /* in the message */
	} rows[] = {
		{BYTES("a*b.org " ONION_A), 1, "domain"},
		{BYTES("  a*b.org " ONION_A), 3, "domain"},
		{BYTES("* " ONION_A), 1, "domain"},
		{BYTES(". " ONION_A), 1, "domain"},
		{BYTES("..example.org " ONION_A), 1, "domain"},
		{BYTES("1.2.3.4 " ONION_A), 1, "domain"},
		{BYTES("user@example.org " ONION_A), 1, "domain"},
		{BYTES("example.org: " ONION_A), 1, "domain"},
		{BYTES("\xef\xbb\xbf"
		       "a*b.org " ONION_A),
			1, "domain"},
		{BYTES("a\0b.org " ONION_A), 1, "domain"},
		{BYTES("a\rb.org " ONION_A), 1, "domain"},
		{BYTES("m\xfcnchen.example " ONION_A), 1, "domain"},
		{BYTES(D253 "x -"), 1, "domain"},
		{BYTES("onion -"), 1, ".onion"},
		{BYTES(ONION_A " -"), 1, ".onion"},
		{BYTES("." ONION_A " -"), 1, ".onion"},
		{BYTES("example.onion " ONION_A), 1, ".onion"},

		{BYTES("example.org"), 12, "missing"},
		{BYTES("example.org  # " ONION_A), 12, "missing"},
		{BYTES("example.org ,"), 13, "missing"},
		{BYTES("example.org " ONION_A ","), 76, "missing"},
		{BYTES("example.org " ONION_A " , # c"), 77, "missing"},
		{BYTES("example.org " ONION_A ",," ONION_B), 76, "missing"},
		{BYTES("example.org " ONION_A " " ONION_B), 76, "comma"},
		{BYTES("example.org - -"), 15, "nothing"},
		{BYTES("example.org - on_failure=defer"), 15, "nothing"},
		{BYTES("mx:example.org srv"), 16, "MX"},
		{BYTES("mx: -"), 1, "domain"},
		{BYTES("mx:mx:example.org -"), 1, "domain"},
		{BYTES(".mx:example.org -"), 1, "domain"},
		{BYTES("MX:example.org -"), 1, "domain"},
		{BYTES("mx:" ONION_A " " ONION_B), 1, ".onion"},
		{BYTES("example.org srv, " ONION_A), 13, ".onion"},
		{BYTES("example.org srv " ONION_A), 17, "on_failure"},
		{BYTES("example.org srv -"), 17, "on_failure"},
		{BYTES("example.org " ONION_A " on_failure=never"), 76, "defer"},
		{BYTES("example.org " ONION_A " on_failure="), 76, "defer"},
		{BYTES("example.org " ONION_A " dnssec=off"), 76, "require"},
		{BYTES("example.org " ONION_A " dnssec=require dnssec=require"), 91,
			"twice"},
		{BYTES("example.org srv on_failure=defer on_failure=clearnet"), 34,
			"twice"},
		{BYTES("example.org " ONION_A " nosuch=1"), 76, "on_failure"},
		{BYTES("example.org " ONION_A " tls=verify"), 76, "secure:NAME"},
		{BYTES("example.org " ONION_A " tls="), 76, "secure:NAME"},
		{BYTES("example.org " ONION_A " tls=secure"), 76, "secure:NAME"},
		{BYTES("example.org " ONION_A " tls=secure:"), 76, "host name"},
		{BYTES("example.org " ONION_A " tls=secure:a*b"), 76, "host name"},
		{BYTES("example.org " ONION_A " tls=may tls=may"), 84, "twice"},
		{BYTES("example.org " ONION_A " on_failure =defer"), 76, "on_failure"},
		{BYTES("example.org " ONION_A " , on_failure=defer"), 78, ".onion"},
		{BYTES("example.org " ONION_A "\r\r"), 13, ".onion"},
		{BYTES("example.org " ONION_A ":"), 76, "port"},
		{BYTES("example.org " ONION_A ":0"), 76, "port"},
		{BYTES("example.org " ONION_A ":65536"), 76, "port"},
		{BYTES("example.org " ONION_A ":25x"), 78, "comma"},

		{BYTES("example.org --"), 13, ".onion"},
		{BYTES("example.org -, " ONION_A), 13, ".onion"},
		{BYTES("example.org ."), 13, ".onion"},
		{BYTES("example.org mail.example.org"), 13, ".onion"},
		{BYTES("example.org smtptor:[" ONION_A "]"), 21, "port"},
		{BYTES("example.org [" ONION_A "]"), 13, ".onion"},
		{BYTES("example.org expyuzz4wqqyqhjn.onion"), 13, "version 2"},
		{BYTES("example.org x.onion"), 13, "56"},
		{BYTES("example.org " MISTYPED), 13, "checksum"},
		{BYTES("example.org " ONION_A ", " MISTYPED), 77, "checksum"},
		{BYTES("example.org " ONION_A ".."), 13, ".onion"},
		{BYTES("example.org a*b." ONION_A), 13, "host name"},
		{BYTES("example.org a\0b." ONION_A), 13, "host name"},
		{BYTES("example.org a." LONG_PREFIX ONION_A), 13, "onion"},
		{BYTES("example.org " LONG_PREFIX LONG_PREFIX ONION_A), 13, "onion"},
		{BYTES("example.org " ONION_A ", " ONION_A), 77, "twice"},
		{BYTES("example.org " ONION_A ", " ONION_A ":25"), 77, "twice"},
		{BYTES("example.org " ONION_A ":7, " ONION_B ", " ONION_A ".:7"), 143,
			"twice"},
	};
	struct map_entry e;
	struct map_error err;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *line = rows[i].line;

		row_assert(line, parse(line, rows[i].len, &e, &err) == MAPTEXT_ERROR);
		if (err.column != rows[i].column)
			fail_msg("row \"%s\": column %zu", line, err.column);
		if (strstr(err.message, rows[i].words) == NULL)
			fail_msg("row \"%s\": %s", line, err.message);
	}
}

/* As many as a route can hold, and not one more. */
static void
test_target_limit(void **state)
{
	char line[2048] = "example.org ", value[MAP_VALUE_MAX];
	struct map_entry e;
	struct map_error err;
	struct target_set r;
	struct map_options options;

	(void)state;
	for (unsigned i = 0; i < TARGETS_MAX; i++) {
		strcat(line, i > 0 ? "," : "");
		unit_onion(line + strlen(line), i);
	}
	assert_int_equal(parse(line, strlen(line), &e, &err), MAPTEXT_ENTRY);
	assert_int_equal(e.targets.n, TARGETS_MAX);
	assert_int_equal(
		maprec_parse(value, maptext_value(&e, value), &r, &options, NULL),
		MAPREC_ROUTE);
	assert_int_equal(r.n, TARGETS_MAX);
	strcat(line, ",");
	unit_onion(line + strlen(line), TARGETS_MAX);
	assert_int_equal(parse(line, strlen(line), &e, &err), MAPTEXT_ERROR);
	assert_int_equal(err.column, strlen(line) - ONION_LEN + 1);
	assert_non_null(strstr(err.message, "16"));
}

/* The key and value of an entry, read as a line again, give the same entry. */
static void
test_round_trip(void **state)
{
	static const char *const rows[] = {
		".M\xc3\xbcnchen.example.  Mail." ONION_A ".:26 ,\t" ONION_B ":25 # c",
		"example.org -",
		"org " LONG_PREFIX ONION_A ":65535," ONION_C,
	};
	char again[MAP_KEY_MAX + 1 + MAP_VALUE_MAX], key[MAP_KEY_MAX];
	char value[MAP_VALUE_MAX];
	struct map_entry e;
	struct map_error err;
	size_t k, v;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		row_assert(rows[i],
			parse(rows[i], strlen(rows[i]), &e, &err) == MAPTEXT_ENTRY);
		k = maptext_key(&e, key);
		v = maptext_value(&e, value);
		memcpy(again, key, k);
		again[k] = ' ';
		memcpy(again + k + 1, value, v);
		row_assert(rows[i], parse(again, k + 1 + v, &e, &err) == MAPTEXT_ENTRY);
		row_assert(rows[i], maptext_key(&e, again) == k);
		assert_memory_equal(again, key, k);
		row_assert(rows[i], maptext_value(&e, again) == v);
		assert_memory_equal(again, value, v);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_target_limit),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("maptext", tests, NULL, NULL);
}
