#include "unit.h"

#include "core/map_key.h"

/* The keys under which a name is looked for, with a blank between them. */
static const char *
keys_of(const char *prefix, const char *name)
{
	static char all[1024];
	const struct domain d = unit_domain(name);
	struct map_key k;
	size_t n = 0;
	bool first = true;

	map_key_start(&k, prefix, &d);
	while (map_key_next(&k)) {
		assert_true(k.is_exact == first);
		assert_true(map_key_valid(k.key, k.len));
		n += (size_t)sprintf(
			all + n, "%s%.*s", first ? "" : " ", (int)k.len, k.key);
		first = false;
	}
	assert_false(map_key_next(&k));
	return all;
}

static void
test_name_and_parents(void **state)
{
	(void)state;
	assert_string_equal(keys_of("", "example"), "example");
	assert_string_equal(keys_of("", "a.bc.example.org"),
		"a.bc.example.org .bc.example.org .example.org .org");
	assert_string_equal(keys_of("mx:", "a.bc.example.org"),
		"mx:a.bc.example.org mx:.bc.example.org mx:.example.org mx:.org");
	assert_string_equal(
		keys_of("mx:", "a.b.c.d"), "mx:a.b.c.d mx:.b.c.d mx:.c.d mx:.d");
}

static void
test_longest(void **state)
{
	struct domain d = {0};
	struct map_key k;
	size_t keys = 0;

	(void)state;
	while (d.len < DOMAIN_MAX - 1) {
		d.text[d.len++] = 'a';
		d.text[d.len++] = '.';
	}
	d.text[d.len++] = 'a';
	assert_int_equal(d.len, DOMAIN_MAX);
	map_key_start(&k, MAP_KEY_MX, &d);
	for (; map_key_next(&k); keys++) {
		assert_in_range(k.len, 5, MAP_KEY_MAX);
		assert_memory_equal(k.key, MAP_KEY_MX, 3);
		assert_true(k.key[3] == (keys == 0 ? 'a' : '.'));
		assert_true(k.key[k.len - 1] == 'a');
	}
	assert_int_equal(keys, DOMAIN_MAX / 2 + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_and_parents),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests_name("map_key", tests, NULL, NULL);
}
