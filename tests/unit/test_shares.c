#include "core/shares.h"
#include "unit.h"

#define MAX 64

static struct share_place place[MAX];

static struct monotime
at(int64_t ms)
{
	return monotime_add_ms((struct monotime){1000000000}, ms);
}

static struct share_keys
keys(uint64_t user, uint64_t client, uint64_t zone)
{
	return (struct share_keys){{user, client, zone}};
}

static void
take(struct shares *s, size_t i, struct share_keys k, int64_t ms)
{
	assert_false(shares_full(s));
	assert_true(shares_take(s, &place[i], &k, at(ms)));
}

/* A full table. Which of the second half makes room? -1: none. */
static int
room_for(const struct shares *s, struct share_keys k, int64_t ms)
{
	const struct share_place *p;

	assert_true(shares_full(s));
	p = shares_make_room(s, &k, at(ms));
	return p == NULL ? -1 : (int)(p - place);
}

static void
give_back(struct shares *s)
{
	for (size_t i = 0; i < MAX; i++)
		shares_leave(s, &place[i]);
	assert_false(shares_full(s));
	shares_free(s);
}

/* One client, one zone, one place each millisecond. */
static struct shares *
full_of_one_client(void)
{
	struct shares *s = shares_new(MAX);

	for (size_t i = 0; i < MAX; i++)
		take(s, i, keys(0, 1, 1), (int64_t)i);
	return s;
}

static void
whoever_has_waited_longest_makes_room(void **state)
{
	struct shares *s = full_of_one_client();

	(void)state;
	assert_int_equal(room_for(s, keys(0, 1, 1), MAX / 2 + SHARES_WAIT_MS - 1), -1);
	assert_int_equal(room_for(s, keys(0, 1, 1), MAX / 2 + SHARES_WAIT_MS), MAX / 2);
	give_back(s);
}

static void
half_belongs_to_whoever_came_first(void **state)
{
	struct shares *s = full_of_one_client();

	(void)state;
	for (size_t i = 0; i < 2 * MAX; i++) {
		const int64_t ms = 10000 + (int64_t)i * SHARES_WAIT_MS;
		const int who = room_for(s, keys(0, 1, 1), ms);

		assert_int_equal(who, MAX / 2 + i % (MAX / 2));
		shares_leave(s, &place[who]);
		take(s, (size_t)who, keys(0, 1, 1), ms);
	}
	/* Theirs is another's only when they have left. */
	shares_leave(s, &place[0]);
	take(s, 0, keys(0, 2, 2), 0);
	assert_int_equal(room_for(s, keys(0, 3, 3), 1000000), MAX / 2);
	give_back(s);
}

static void
the_biggest_makes_room_for_a_smaller_one_at_once(void **state)
{
	struct shares *s = shares_new(MAX);

	(void)state;
	for (size_t i = 0; i < MAX - 4; i++)
		take(s, i, keys(0, 1, i), (int64_t)i);
	for (size_t i = MAX - 4; i < MAX; i++)
		take(s, i, keys(0, 2, i), (int64_t)i);
	assert_int_equal(room_for(s, keys(0, 2, 99), MAX), MAX / 2);
	assert_int_equal(room_for(s, keys(0, 3, 99), MAX), MAX / 2);
	assert_int_equal(room_for(s, keys(0, 1, 99), MAX), -1);
	/* And the user before the client. */
	assert_int_equal(room_for(s, keys(7, 1, 99), MAX), MAX / 2);
	give_back(s);
}

/* However long that one has waited. */
static void
nobody_makes_room_for_a_bigger_one(void **state)
{
	struct shares *s = shares_new(MAX);

	(void)state;
	/* One client of user 1 holds much, many clients of user 2 hold more. */
	for (size_t i = 0; i < MAX; i++)
		take(s, i,
			i >= MAX / 2 && i < MAX / 2 + 8 ? keys(1, 1, 1)
							: keys(2, 100 + i, 1),
			0);
	assert_int_equal(room_for(s, keys(2, 99, 2), SHARES_WAIT_MS - 1), -1);
	assert_int_equal(room_for(s, keys(2, 99, 2), 1000000), MAX / 2 + 8);
	assert_int_equal(room_for(s, keys(1, 1, 1), 0), MAX / 2 + 8);
	give_back(s);
}

static void
nor_one_that_has_waited_longer(void **state)
{
	struct shares *s = shares_new(MAX);

	(void)state;
	for (size_t i = 0; i < MAX; i++)
		take(s, i, keys(0, i == MAX / 2 ? 2 : 1, i), i > MAX / 2 ? 150 : 0);
	assert_int_equal(room_for(s, keys(0, 1, 99), SHARES_WAIT_MS), -1);
	assert_int_equal(room_for(s, keys(0, 1, 99), 150 + SHARES_WAIT_MS), MAX / 2 + 1);
	give_back(s);
}

/* A client that asks for all its names has them in many zones. */
static void
one_zone_has_a_share(void **state)
{
	struct shares *s = full_of_one_client();

	(void)state;
	assert_int_equal(room_for(s, keys(0, 1, 2), MAX), MAX / 2);
	for (size_t i = MAX / 2; i < MAX; i++) {
		shares_leave(s, &place[i]);
		take(s, i, keys(0, 1, i % 10), 0);
	}
	assert_int_equal(room_for(s, keys(0, 1, 99), 0), -1);
	give_back(s);
}

static void
a_table_of_one_place(void **state)
{
	struct shares *s = shares_new(1);

	(void)state;
	take(s, 0, keys(0, 1, 1), 0);
	assert_int_equal(room_for(s, keys(0, 2, 2), SHARES_WAIT_MS - 1), -1);
	assert_int_equal(room_for(s, keys(0, 2, 2), SHARES_WAIT_MS), 0);
	give_back(s);
}

/* More than are told apart. */
static void
a_large_table(void **state)
{
	enum { LARGE = 5000 };
	static struct share_place many[LARGE];
	struct shares *s = shares_new(LARGE);
	struct share_keys k = keys(0, 1, 1), other = keys(0, 2, 2);

	(void)state;
	for (size_t i = 0; i < LARGE; i++)
		assert_true(shares_take(s, &many[i], &k, at(0)));
	assert_ptr_equal(shares_make_room(s, &other, at(0)), &many[LARGE / 2]);
	for (size_t i = 0; i < LARGE; i++)
		shares_leave(s, &many[i]);
	shares_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_has_waited_longest_makes_room),
		cmocka_unit_test(half_belongs_to_whoever_came_first),
		cmocka_unit_test(the_biggest_makes_room_for_a_smaller_one_at_once),
		cmocka_unit_test(nobody_makes_room_for_a_bigger_one),
		cmocka_unit_test(nor_one_that_has_waited_longer),
		cmocka_unit_test(one_zone_has_a_share),
		cmocka_unit_test(a_table_of_one_place),
		cmocka_unit_test(a_large_table),
	};

	return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
