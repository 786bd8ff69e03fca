/* When the log says that a server is down, and that it is back. */
#include "shell.h"

#include "net/outage.h"

static struct outage outage;
static struct monotime now;

static void
begin(void)
{
	outage = (struct outage){.what = "resolver", .name = "192.0.2.1:53"};
	now.ns = 1000000000;
	log_capture();
}

static void
assert_log(const char *expected)
{
	const char *text = log_taken();

	assert_string_equal(text, expected);
	log_capture();
}

static void
seen_after(int64_t seconds)
{
	now = monotime_add_s(now, seconds);
	outage_seen(&outage, now);
}

static void
over_after(int64_t seconds)
{
	now = monotime_add_s(now, seconds);
	outage_over(&outage, now);
}

#define DOWN "onionmxd: warning: resolver 192.0.2.1:53 is down: it doesn't answer"
#define BACK "onionmxd: warning: resolver 192.0.2.1:53 is back after "

static void
it_is_said_once(void **state)
{
	(void)state;
	begin();
	seen_after(0);
	assert_log(DOWN "\n");
	for (int i = 0; i < 1000; i++)
		seen_after(5);
	over_after(5);
	over_after(5);
	assert_log(BACK "5005 s\n");
	seen_after(5);
	assert_log(DOWN "\n");
	log_taken();
}

static void
one_that_is_not_on_is_not_over(void **state)
{
	(void)state;
	begin();
	over_after(0);
	over_after(100);
	assert_log("");
	log_taken();
}

/* The line before is less than a minute old. */
static void
outages_that_follow_quickly_are_counted(void **state)
{
	(void)state;
	begin();
	seen_after(0);
	over_after(1);
	assert_log(DOWN "\n" BACK "1 s\n");
	for (int i = 0; i < 5; i++) {
		seen_after(5);
		seen_after(5);
		over_after(1);
	}
	assert_log(""); /* nor is any of them said to be over */
	seen_after(5);
	assert_log(DOWN "; 6 outages in the last 61 s\n");
	over_after(1);
	assert_log(BACK "1 s\n");
	seen_after(60);
	assert_log(DOWN "\n");
	log_taken();
}

/* It is said as soon as the minute is over, and has lasted from its beginning. */
static void
a_long_outage_soon_after_a_short_one_is_said(void **state)
{
	(void)state;
	begin();
	seen_after(0);
	over_after(1);
	assert_log(DOWN "\n" BACK "1 s\n");
	seen_after(9);
	for (int i = 0; i < 9; i++)
		seen_after(5);
	assert_log("");
	seen_after(5);
	assert_log(DOWN "\n");
	over_after(100);
	assert_log(BACK "150 s\n");
	log_taken();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_said_once),
		cmocka_unit_test(one_that_is_not_on_is_not_over),
		cmocka_unit_test(outages_that_follow_quickly_are_counted),
		cmocka_unit_test(a_long_outage_soon_after_a_short_one_is_said),
	};

	return cmocka_run_group_tests_name("net/outage", tests, NULL, NULL);
}
