#include "unit.h"

#include "core/pins.h"

#define HOLD 1000
#define PART (HOLD / PINS_HOLD_PARTS)
#define NOW 5000

static struct pins *
new_pins(size_t max)
{
	const struct pins_config config = {.max = max, .hold_s = HOLD, .key = {1, 2}};
	struct pins *p = pins_new(&config);

	assert_non_null(p);
	return p;
}

/* The targets as text: "A", "AB", "" for none; a digit after a letter is the port. */
static struct dns_fact
fact(const char *targets)
{
	struct dns_fact f = {.status = *targets == '\0' ? DNS_NONE : DNS_RECORDS};

	for (; *targets != '\0'; targets++) {
		struct target *rr = &f.set.target[f.set.n++];

		*rr = (struct target){.priority = 10,
			.weight = 5,
			.port = 25,
			.hostlen = ONION_LEN,
			.host = *targets == 'A'   ? ONION_A
				: *targets == 'B' ? ONION_B
						  : ONION_C};
		if (targets[1] >= '0' && targets[1] <= '9')
			rr->port = (uint16_t)(*++targets - '0');
	}
	return f;
}

/* As the flow does it: judged as often as it likes, and noted once. */
static enum pin_verdict
judge_and_note(struct pins *p, const struct domain *d, const struct dns_fact *f,
	int64_t wall, struct target_set *use)
{
	struct target_set first = f->set;
	enum pin_verdict verdict = pins_judge(p, d, f, wall, &first);
	bool is_news = verdict == PIN_CHANGED || verdict == PIN_RETURNED ||
		       verdict == PIN_RENEWED;
	bool noted;

	assert_int_equal(pins_judge(p, d, f, wall, use), verdict);
	noted = pins_note(p, d, f, verdict, wall);
	if (verdict != PIN_HELD)
		assert_int_equal(noted, is_news);
	return verdict;
}

static enum pin_verdict
check(struct pins *p, const char *says, int64_t wall, const char *used)
{
	struct domain d = unit_domain("example.org");
	struct dns_fact f = fact(says), want = fact(used);
	struct target_set use = f.set;
	enum pin_verdict verdict = judge_and_note(p, &d, &f, wall, &use);

	assert_int_equal(use.n, want.set.n);
	for (uint8_t i = 0; i < use.n; i++) {
		assert_memory_equal(
			use.target[i].host, want.set.target[i].host, ONION_LEN);
		assert_int_equal(use.target[i].port, want.set.target[i].port);
	}
	return verdict;
}

static void
add(struct pins *p, const char *targets)
{
	struct domain d = unit_domain("example.org");
	struct dns_fact f = fact(targets);

	assert_true(pins_add(p, &d, &f, NOW));
}

static void
test_first_use(void **state)
{
	struct domain d = unit_domain("example.org"), other = unit_domain("b.example");
	struct pins *p = new_pins(1);
	struct dns_fact f = fact("A");

	(void)state;
	assert_int_equal(check(p, "A", NOW, "A"), PIN_NONE);
	assert_true(pins_add(p, &d, &f, NOW));
	assert_int_equal(check(p, "A", NOW, "A"), PIN_SAME);
	assert_false(pins_add(p, &d, &f, NOW));
	assert_false(pins_add(p, &other, &f, NOW)); /* full */
	assert_int_equal(pins_count(p), 1);
	pins_free(p);
	pins_free(NULL);
}

/* What makes a change is another target, or another port. */
static void
test_same(void **state)
{
	struct domain d = unit_domain("example.org");
	struct pins *p = new_pins(10);
	struct dns_fact f = fact("AB");
	struct target_set use;

	(void)state;
	add(p, "AB");
	f.set.target[0].priority = 77;
	f.set.target[1].weight = 0;
	assert_int_equal(judge_and_note(p, &d, &f, NOW, &use), PIN_SAME);
	assert_int_equal(check(p, "BA", NOW, "BA"), PIN_SAME);
	assert_int_equal(check(p, "AB9", NOW, "AB"), PIN_CHANGED);
	assert_int_equal(check(p, "A", NOW, "AB"), PIN_CHANGED);
	assert_int_equal(check(p, "ABC", NOW, "AB"), PIN_CHANGED);
	assert_int_equal(check(p, "", NOW, "AB"), PIN_CHANGED);
	pins_free(p);
}

static void
test_a_change_is_held_back(void **state)
{
	struct pins *p = new_pins(10);

	(void)state;
	add(p, "A");
	assert_int_equal(check(p, "B", NOW, "A"), PIN_CHANGED);
	assert_int_equal(check(p, "B", NOW + 1, "A"), PIN_HELD);
	for (int64_t wall = NOW + PART; wall < NOW + HOLD; wall += PART)
		assert_int_equal(check(p, "B", wall, "A"), PIN_HELD);
	assert_int_equal(check(p, "B", NOW + HOLD - 1, "A"), PIN_HELD);
	assert_int_equal(check(p, "B", NOW + HOLD, "B"), PIN_RENEWED);
	assert_int_equal(check(p, "B", NOW + HOLD, "B"), PIN_SAME);
	assert_int_equal(check(p, "A", NOW + HOLD, "B"), PIN_CHANGED);
	pins_free(p);
}

/* DNS must say it again and again: a long time between two answers is one part of the
 * hold, and so is a clock that jumps. */
static void
test_it_must_be_seen_again(void **state)
{
	struct pins *p = new_pins(10);
	int64_t wall = NOW;

	(void)state;
	add(p, "A");
	assert_int_equal(check(p, "B", wall, "A"), PIN_CHANGED);
	for (int i = 1; i < PINS_HOLD_PARTS; i++)
		assert_int_equal(check(p, "B", wall += 100 * HOLD, "A"), PIN_HELD);
	assert_int_equal(check(p, "B", wall - HOLD, "A"), PIN_HELD); /* set back */
	assert_int_equal(check(p, "B", wall - HOLD + PART - 1, "A"), PIN_HELD);
	assert_int_equal(check(p, "B", wall - HOLD + PART, "B"), PIN_RENEWED);
	pins_free(p);
}

/* Often enough for the disk, and not with each lookup. */
static void
test_a_hold_is_noted_in_steps(void **state)
{
	struct domain d = unit_domain("example.org");
	struct pins *p = new_pins(10);
	struct dns_fact b = fact("B");
	unsigned noted = 0;

	(void)state;
	add(p, "A");
	check(p, "B", NOW, "A");
	for (int64_t wall = NOW; wall < NOW + HOLD; wall++)
		noted += pins_note(p, &d, &b, PIN_HELD, wall);
	assert_in_range(noted, PINS_HOLD_PARTS, 16);
	pins_free(p);
}

/* Its time begins anew with each other change, and when the pinned one returns. */
static void
test_it_must_last(void **state)
{
	struct pins *p = new_pins(10);

	(void)state;
	add(p, "A");
	assert_int_equal(check(p, "B", NOW, "A"), PIN_CHANGED);
	assert_int_equal(check(p, "C", NOW + 10, "A"), PIN_CHANGED);
	assert_int_equal(check(p, "B", NOW + 20, "A"), PIN_CHANGED);
	for (int i = 1; i < PINS_HOLD_PARTS; i++)
		assert_int_equal(check(p, "B", NOW + 20 + i * PART, "A"), PIN_HELD);
	assert_int_equal(check(p, "B", NOW + HOLD + 19, "A"), PIN_HELD);
	assert_int_equal(check(p, "A", NOW + HOLD + 19, "A"), PIN_RETURNED);
	assert_int_equal(check(p, "A", NOW + HOLD + 19, "A"), PIN_SAME);
	assert_int_equal(check(p, "B", NOW + HOLD + 20, "A"), PIN_CHANGED);
	pins_free(p);
}

/* The end of a route is a change like others: it would send mail to clearnet. */
static void
test_the_end(void **state)
{
	struct pins *p = new_pins(10);

	(void)state;
	add(p, "A");
	assert_int_equal(check(p, "", NOW, "A"), PIN_CHANGED);
	for (int i = 1; i < PINS_HOLD_PARTS; i++)
		assert_int_equal(check(p, "", NOW + i * PART, "A"), PIN_HELD);
	assert_int_equal(check(p, "", NOW + HOLD, ""), PIN_RENEWED);
	assert_int_equal(pins_count(p), 0);
	assert_int_equal(check(p, "B", NOW + HOLD, "B"), PIN_NONE);
	pins_free(p);
}

static void
test_validated(void **state)
{
	struct domain d = unit_domain("example.org");
	struct pins *p = new_pins(10);
	struct dns_fact b = fact("B"), none = fact("");
	struct target_set use;

	(void)state;
	add(p, "A");
	check(p, "C", NOW, "A");
	b.ad = none.ad = true;
	assert_int_equal(judge_and_note(p, &d, &b, NOW, &use), PIN_RENEWED);
	assert_int_equal(check(p, "B", NOW, "B"), PIN_SAME);
	assert_int_equal(judge_and_note(p, &d, &none, NOW, &use), PIN_RENEWED);
	assert_int_equal(pins_count(p), 0);
	pins_free(p);
}

static void
test_nothing_is_held_back(void **state)
{
	const struct pins_config config = {.max = 10, .hold_s = 0, .key = {1, 2}};
	struct pins *p = pins_new(&config);

	(void)state;
	add(p, "A");
	assert_int_equal(check(p, "B", NOW, "B"), PIN_RENEWED);
	assert_int_equal(check(p, "", NOW, ""), PIN_RENEWED);
	pins_free(p);
}

static void
test_accept(void **state)
{
	struct domain d = unit_domain("example.org");
	struct pins *p = new_pins(10);

	(void)state;
	assert_false(pins_accept(p, &d, NOW));
	add(p, "A");
	assert_false(pins_accept(p, &d, NOW));
	check(p, "B", NOW, "A");
	assert_true(pins_accept(p, &d, NOW));
	assert_int_equal(check(p, "B", NOW, "B"), PIN_SAME);
	check(p, "", NOW, "B");
	assert_true(pins_accept(p, &d, NOW));
	assert_int_equal(pins_count(p), 0);
	pins_free(p);
}

/* The other pins, from what one tells to a disk. */

struct disk {
	struct pins *to;
	unsigned lines;
	char line[10][STATE_LINE_MAX];
	size_t len[10];
};

static void
keep(void *arg, const struct state_line *s)
{
	struct disk *disk = arg;

	assert_in_range(disk->lines, 0, 9);
	disk->len[disk->lines] = state_line_write(disk->line[disk->lines], s) - 1;
	disk->lines++;
}

static struct pins *
reload(const struct disk *disk)
{
	struct pins *p = new_pins(10);
	struct state_line s;

	for (unsigned i = 0; i < disk->lines; i++) {
		assert_true(state_line_read(disk->line[i], disk->len[i], &s));
		assert_int_equal(pins_load(p, &s, pins_day(NOW)), PINS_LOADED);
	}
	return p;
}

static void
test_disk(void **state)
{
	struct domain d = unit_domain("example.org");
	static struct disk disk;
	struct pins *p = new_pins(10), *again;
	struct state_line held;

	(void)state;
	add(p, "AB");
	check(p, "C", NOW, "AB");
	for (int i = 1; i < PINS_HOLD_PARTS; i++)
		assert_int_equal(check(p, "C", NOW + i * PART, "AB"), PIN_HELD);
	pins_walk(p, keep, &disk);
	assert_int_equal(disk.lines, 2);
	again = reload(&disk);
	assert_int_equal(check(again, "C", NOW + HOLD - 1, "AB"), PIN_HELD);
	assert_int_equal(check(again, "C", NOW + HOLD, "C"), PIN_RENEWED);
	pins_free(again);

	/* a log of changes: the last one counts */
	assert_int_equal(check(p, "AB", NOW, "AB"), PIN_RETURNED);
	pins_walk_domain(p, &d, keep, &disk);
	again = reload(&disk);
	assert_int_equal(check(again, "C", NOW + HOLD, "AB"), PIN_CHANGED);
	pins_free(again);
	check(p, "", NOW, "AB");
	assert_true(pins_accept(p, &d, NOW));
	pins_walk_domain(p, &d, keep, &disk);
	again = reload(&disk);
	assert_int_equal(pins_count(again), 0);

	/* nothing is held back where nothing is pinned */
	held = (struct state_line){
		.kind = STATE_LINE_HELD, .domain = d, .fact = fact("A")};
	assert_int_equal(pins_load(again, &held, NOW), PINS_LEFT_OUT);
	held.kind = STATE_LINE_CACHE;
	assert_int_equal(pins_load(again, &held, NOW), PINS_LEFT_OUT);
	pins_free(again);
	pins_free(p);
}

#define DAY ((int64_t)86400)
#define UNUSED ((PINS_UNUSED_DAYS + PINS_LAG_DAYS) * DAY)

static bool
add_at(struct pins *p, const char *name, int64_t wall)
{
	struct domain d = unit_domain(name);
	struct dns_fact f = fact("A");

	return pins_add(p, &d, &f, wall);
}

/* Only one that no lookup has used for long, and only if there is no other place. */
static void
test_room(void **state)
{
	struct domain used = unit_domain("b.example"), gone;
	struct pins *p = new_pins(3);
	struct dns_fact f = fact("A"), other = fact("B");
	const int64_t later = NOW + UNUSED;

	(void)state;
	assert_true(add_at(p, "a.example", NOW));
	assert_true(add_at(p, "b.example", NOW));
	assert_false(pins_make_room(p, later + DAY, &gone)); /* there is one */
	assert_true(add_at(p, "c.example", NOW + DAY));
	assert_false(pins_make_room(p, later, &gone));
	assert_false(pins_make_room(p, 0, &gone));
	/* a use is noted on disk at times, and counts */
	assert_false(pins_note(p, &used, &f, PIN_SAME, NOW + 29 * DAY));
	assert_true(pins_note(p, &used, &f, PIN_SAME, NOW + 30 * DAY));
	assert_false(pins_note(p, &used, &f, PIN_SAME, NOW + 31 * DAY));
	assert_true(pins_make_room(p, later + DAY, &gone));
	assert_string_equal(gone.text, "a.example");
	assert_true(add_at(p, "d.example", later + DAY));
	/* nor one of which a change is held back */
	used = unit_domain("c.example");
	assert_true(pins_note(p, &used, &other, PIN_CHANGED, NOW + DAY));
	assert_false(pins_make_room(p, later + 2 * DAY, &gone));
	assert_true(pins_make_room(p, later + 31 * DAY, &gone));
	assert_string_equal(gone.text, "b.example");
	assert_int_equal(pins_count(p), 2);
	pins_free(p);
}

/* One domain can't take the places of others. */
static void
test_parents(void **state)
{
	struct pins *p = new_pins(64);
	unsigned n = 0;
	char name[40];

	(void)state;
	while (sprintf(name, "a%u.evil.example", n), add_at(p, name, NOW))
		n++;
	assert_int_equal(n, 16);
	assert_false(add_at(p, "b.c.evil.example", NOW));
	assert_false(add_at(p, "evil.example", NOW));
	for (n = 0; n < 48; n++) {
		sprintf(name, "good%u.example", n);
		assert_true(add_at(p, name, NOW));
	}
	assert_false(add_at(p, "late.example", NOW));
	pins_free(p);
}

/* The day of the last use is on disk; a day to come is today. */
static void
test_days_on_disk(void **state)
{
	static struct disk disk;
	struct pins *p = new_pins(10);
	struct domain gone;
	struct state_line s;

	(void)state;
	assert_true(add_at(p, "a.example", 1000 * DAY));
	pins_walk(p, keep, &disk);
	pins_free(p);
	assert_true(state_line_read(disk.line[0], disk.len[0], &s));
	assert_int_equal(s.ttl, 1000);
	for (uint32_t today = 1000; today > 0; today -= 500) {
		p = new_pins(1);
		assert_int_equal(pins_load(p, &s, today), PINS_LOADED);
		assert_false(pins_make_room(p, today * DAY + UNUSED, &gone));
		assert_true(pins_make_room(p, today * DAY + UNUSED + DAY, &gone));
		pins_free(p);
	}
	s.ttl = 0;
	p = new_pins(1);
	assert_int_equal(pins_load(p, &s, 2000), PINS_LOADED);
	assert_false(pins_make_room(p, 2000 * DAY + UNUSED, &gone));
	pins_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_use),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_a_change_is_held_back),
		cmocka_unit_test(test_it_must_be_seen_again),
		cmocka_unit_test(test_a_hold_is_noted_in_steps),
		cmocka_unit_test(test_it_must_last),
		cmocka_unit_test(test_the_end),
		cmocka_unit_test(test_validated),
		cmocka_unit_test(test_nothing_is_held_back),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_disk),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_parents),
		cmocka_unit_test(test_days_on_disk),
	};

	return cmocka_run_group_tests_name("pins", tests, NULL, NULL);
}
