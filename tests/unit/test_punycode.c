#include "unit.h"

#include "core/punycode.h"

static void
test_encode(void **state)
{
	static const struct {
		const char *label, *want;
	} rows[] = {
		{"\xc3\xbc", "xn--tda"},
		{"m\xc3\xbcnchen", "xn--mnchen-3ya"},
		{"M\xc3\xbcnCHEN", "xn--mnchen-3ya"},
		{"\xe2\x98\x83", "xn--n3h"},
		{"I\xe2\x99\xa5", "xn--i-n3p"},
		{"\xe2\x9d\xa4\xef\xb8\x8f", "xn--qei9934e"},
		{"m\xc3\xbcnchen\xe2\x98\x83", "xn--mnchen-3ya1596e"},
		/* the edges of one, two, three and four bytes of UTF-8 */
		{"\xc2\x80", "xn--a"},
		{"\xdf\xbf", "xn--3tb"},
		{"\xe0\xa0\x80", "xn--4tb"},
		{"\xed\x9f\xbf", "xn--hb9b"},
		{"\xee\x80\x80", "xn--0y0c"},
		{"\xef\xbf\xbf", "xn--1n7c"},
		{"\xf0\x90\x80\x80", "xn--2n7c"},
		{"\xf4\x8f\xbf\xbf", "xn--dn32g"},
		/* of RFC 3492 section 7.1: (B), (H), (I), (L), (P), (Q), (R) */
		{"\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88\xe4\xb8"
		 "\x8d"
		 "\xe8\xaf\xb4\xe4\xb8\xad\xe6\x96\x87",
			"xn--ihqwcrb4cv8a8dqg056pqjye"},
		{"\xd0\xbf\xd0\xbe\xd1\x87\xd0\xb5\xd0\xbc\xd1\x83\xd0\xb6\xd0\xb5\xd0"
		 "\xbe"
		 "\xd0\xbd\xd0\xb8\xd0\xbd\xd0\xb5\xd0\xb3\xd0\xbe\xd0\xb2\xd0\xbe\xd1"
		 "\x80"
		 "\xd1\x8f\xd1\x82\xd0\xbf\xd0\xbe\xd1\x80\xd1\x83\xd1\x81\xd1\x81\xd0"
		 "\xba"
		 "\xd0\xb8",
			"xn--b1abfaaepdrnnbgefbadotcwatmq2g4l"},
		{"3\xe5\xb9\xb4"
		 "B\xe7\xb5\x84\xe9\x87\x91\xe5\x85\xab\xe5\x85\x88\xe7\x94\x9f",
			"xn--3b-ww4c5e180e575a65lsy2b"},
		{"\xe3\x83\x91\xe3\x83\x95\xe3\x82\xa3\xe3\x83\xbc"
		 "de\xe3\x83\xab\xe3\x83\xb3\xe3\x83\x90",
			"xn--de-jg4avhby1noc0d"},
		{"\xe3\x81\x9d\xe3\x81\xae\xe3\x82\xb9\xe3\x83\x94\xe3\x83\xbc\xe3\x83"
		 "\x89"
		 "\xe3\x81\xa7",
			"xn--d9juau41awczczp"},
		{"\xe3\x81\xb2\xe3\x81\xa8\xe3\x81\xa4\xe5\xb1\x8b\xe6\xa0\xb9\xe3\x81"
		 "\xae"
		 "\xe4\xb8\x8b\x32",
			"xn--2-u9tlzr9756bt3uc0v"},
		{"Porqu\xc3\xa9nopuedensimplementehablarenEspa\xc3\xb1ol",
			"xn--porqunopuedensimplementehablarenespaol-fmd56a"},
	};
	char out[PUNYCODE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n = punycode_label(out, rows[i].label, strlen(rows[i].label));

		row_assert(rows[i].want, n == strlen(rows[i].want));
		assert_memory_equal(out, rows[i].want, n);
	}
}

static void
test_not_utf8(void **state)
{
	static const struct {
		const char *label;
		size_t len;
	} rows[] = {
		{BYTES("a\x80")},                /* a byte that only follows */
		{BYTES("a\xbf")},                /* the same */
		{BYTES("\xc3")},                 /* cut */
		{BYTES("\xe2\x98")},             /* cut */
		{BYTES("\xf0\x9f\x98")},         /* cut */
		{BYTES("\xc3z")},                /* not followed */
		{BYTES("\xe2\x98z")},            /* not followed */
		{BYTES("\xe2\xc3\xbc")},         /* another begins */
		{BYTES("\xc0\xae")},             /* overlong */
		{BYTES("\xc1\xbf")},             /* overlong */
		{BYTES("\xe0\x9f\xbf")},         /* overlong */
		{BYTES("\xf0\x8f\xbf\xbf")},     /* overlong */
		{BYTES("\xed\xa0\x80")},         /* surrogates */
		{BYTES("\xed\xbf\xbf")},         /* surrogates */
		{BYTES("\xf4\x90\x80\x80")},     /* beyond U+10FFFF */
		{BYTES("\xf7\xbf\xbf\xbf")},     /* beyond U+10FFFF */
		{BYTES("\xf8\x88\x80\x80\x80")}, /* five bytes */
		{BYTES("\xfc\x80\x80\x80")},
		{BYTES("\x9f\x80")},
		{BYTES("\xff")},
		{BYTES("\xfe")},
	};
	char out[PUNYCODE_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *copy = malloc(rows[i].len); /* without a byte behind it */

		assert_non_null(copy);
		memcpy(copy, rows[i].label, rows[i].len);
		if (punycode_label(out, copy, rows[i].len) != 0)
			fail_msg("row %zu", i);
		free(copy);
	}
}

/* At most 63 bytes, written into no more. */
static void
test_lengths(void **state)
{
	char label[1024], *out = malloc(PUNYCODE_MAX);

	(void)state;
	assert_non_null(out);
	for (size_t n = 1; n <= 512; n++) {
		size_t len;

		for (size_t i = 0; i < n; i++)
			memcpy(label + 2 * i, "\xc3\xbc", 2);
		/* "xn--td" and an "a" for each */
		len = punycode_label(out, label, 2 * n);
		assert_int_equal(len, n <= 57 ? 6 + n : 0);
	}
	for (size_t n = 1; n <= 512; n++) {
		memset(label, 'a', n);
		memcpy(label + n, "\xc3\xbc", 2);
		/* "xn--", the letters, a hyphen and three digits */
		assert_int_equal(
			punycode_label(out, label, n + 2), n <= 55 ? 4 + n + 4 : 0);
	}
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_not_utf8),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests_name("punycode", tests, NULL, NULL);
}
