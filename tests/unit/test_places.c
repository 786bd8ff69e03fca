#include "unit.h"

#include "core/places.h"

#define MAX 16 /* and 4 in the reserve */

enum { ALICE = 1000, BOB, CAROL };

struct hall {
	struct places places;
	struct place place[100];
	size_t n;
};

/* Those who come, until there is no room. Returns how many. */
static size_t
fill(struct hall *h, uid_t user)
{
	size_t before = h->n;

	for (; places_has_room(&h->places, user); h->n++)
		assert_true(
			places_take(&h->places, &h->place[h->n], user, &h->place[h->n]));
	return h->n - before;
}

static void
leave_all(struct hall *h)
{
	for (size_t i = 0; i < h->n; i++)
		places_leave(&h->places, &h->place[i]);
	assert_int_equal(h->places.taken, 0);
	assert_true(LIST_EMPTY(&h->places.users));
}

static void
test_nobody_has_all(void **state)
{
	struct hall h = {0};

	(void)state;
	places_init(&h.places, MAX);
	assert_int_equal(fill(&h, ALICE), MAX);
	assert_int_equal(fill(&h, BOB), 2);
	assert_int_equal(fill(&h, PLACES_NOBODY), 2);
	assert_int_equal(fill(&h, CAROL), 0);
	assert_int_equal(h.places.taken, places_in_all(MAX));
	/* The next place that Alice leaves belongs to the reserve, the fifth to
	 * everybody. */
	for (size_t i = 0; i < 4; i++) {
		places_leave(&h.places, &h.place[i]);
		assert_false(places_has_room(&h.places, ALICE));
		assert_true(places_has_room(&h.places, CAROL));
	}
	places_leave(&h.places, &h.place[4]);
	assert_true(places_has_room(&h.places, ALICE));
	leave_all(&h);
}

static void
test_a_single_place(void **state)
{
	struct hall h = {0};

	(void)state;
	places_init(&h.places, 1);
	assert_int_equal(fill(&h, ALICE), 1);
	assert_int_equal(fill(&h, BOB), 1);
	assert_int_equal(fill(&h, CAROL), 0);
	leave_all(&h);
}

static void
test_the_longest_idle(void **state)
{
	struct hall h = {0};
	struct place *p = h.place;

	(void)state;
	places_init(&h.places, MAX);
	assert_null(places_longest_idle(&h.places, ALICE));
	fill(&h, ALICE);
	assert_null(places_longest_idle(&h.places, ALICE));
	places_set_idle(&p[3], true);
	places_set_idle(&p[1], true);
	places_set_idle(&p[2], true);
	places_set_idle(&p[3], true); /* no news */
	assert_ptr_equal(places_longest_idle(&h.places, ALICE)->holder, &p[3]);
	places_set_idle(&p[3], false);
	places_set_idle(&p[3], true);
	assert_ptr_equal(places_longest_idle(&h.places, ALICE), &p[1]);
	places_leave(&h.places, &p[1]);
	assert_ptr_equal(places_longest_idle(&h.places, ALICE), &p[2]);
	places_set_idle(&p[1], true); /* not taken */
	places_leave(&h.places, &p[1]);
	leave_all(&h);
}

/* Whoever asks: the user who has most makes room, or nobody. */
static void
test_the_user_who_has_most(void **state)
{
	struct hall h = {0};
	struct place *p = h.place;

	(void)state;
	places_init(&h.places, MAX);
	fill(&h, ALICE);
	fill(&h, BOB);
	places_set_idle(&p[MAX], true);
	assert_null(places_longest_idle(&h.places, BOB));
	places_set_idle(&p[0], true);
	assert_ptr_equal(places_longest_idle(&h.places, BOB), &p[0]);
	assert_ptr_equal(places_longest_idle(&h.places, CAROL), &p[0]);
	assert_ptr_equal(places_longest_idle(&h.places, ALICE), &p[0]);
	leave_all(&h);
}

static void
test_of_two_who_have_as_many(void **state)
{
	struct places places;
	struct place a = {0}, b = {0};

	(void)state;
	places_init(&places, MAX);
	assert_true(places_take(&places, &a, ALICE, NULL));
	assert_true(places_take(&places, &b, BOB, NULL));
	places_set_idle(&a, true);
	places_set_idle(&b, true);
	assert_ptr_equal(places_longest_idle(&places, ALICE), &a);
	assert_ptr_equal(places_longest_idle(&places, BOB), &b);
	places_leave(&places, &a);
	places_leave(&places, &b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_has_all),
		cmocka_unit_test(test_a_single_place),
		cmocka_unit_test(test_the_longest_idle),
		cmocka_unit_test(test_the_user_who_has_most),
		cmocka_unit_test(test_of_two_who_have_as_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
