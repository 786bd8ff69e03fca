#include "unit.h"

#include "core/replies.h"

struct row {
	const char *said;
	bool can_follow;
};

static const struct row rows[] = {
	{"", false},
	{"220 mx\r\n", true},
	{"220\r\n", true},
	{"220\n", true},
	{"220-mx\r\n", false},
	{"220-mx\r\n220 ESMTP\r\n", true},
	{"220 mx\r\n250", false},
	{"220 mx\r\n250 ok\r", false},
	{"220 mx\r\n250 ok\r\n354 go on\r\n", true},
	{"220 mx\r\n250 ok\r\n221 bye\r\n", false},
	{"220 mx\r\n421 too busy\r\n", false},
	{"550 no\r\n", true},
	{"220 mx\r\nx\r\n250 ok\r\n", false},
	{"22\r\n250 ok\r\n", false},
	{"\r\n250 ok\r\n", false},
	{"2200 mx\r\n250 ok\r\n", false},
	{"220 mx\r\n\x16\x03\x03\n250 ok\r\n", false},
	{"* OK IMAP\r\n250 ok\r\n", false},
};

/* Whole, and cut at any byte. */
static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].said);

		for (size_t cut = 0; cut <= len; cut++) {
			struct replies r = {0};

			replies_feed(&r, rows[i].said, cut);
			replies_feed(&r, rows[i].said + cut, len - cut);
			assert_int_equal(replies_can_follow(&r), rows[i].can_follow);
		}
	}
}

static void
test_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct replies r = {0};

		for (const char *p = rows[i].said; *p != '\0'; p++)
			replies_feed(&r, p, 1);
		assert_int_equal(replies_can_follow(&r), rows[i].can_follow);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_byte_by_byte),
	};

	return cmocka_run_group_tests_name("replies", tests, NULL, NULL);
}
