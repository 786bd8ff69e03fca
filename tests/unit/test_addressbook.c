#include "unit.h"

#include "core/addressbook.h"

#define NET 0x7f2a0000 /* 127.42.0.0 */

static struct addressbook *
new_book(unsigned prefix, size_t max)
{
	const struct addressbook_config config = {
		.net = NET, .prefix = prefix, .max = max};
	struct addressbook *b = addressbook_new(&config);

	assert_non_null(b);
	return b;
}

/* Targets as text: a letter is an onion, a digit after it the port. */
static struct way
way(const char *domain, const char *targets, enum tls_level level, const char *name)
{
	struct way w = {.tls = {.level = level}};

	if (*domain != '\0')
		w.domain = unit_domain(domain);
	if (*name != '\0')
		w.tls.name = unit_domain(name);
	for (; *targets != '\0'; targets++) {
		struct target *t = &w.route.target[w.route.n++];

		*t = unit_target(*targets == 'A'   ? ONION_A
				 : *targets == 'B' ? ONION_B
						   : ONION_C,
			25, 0);
		if (targets[1] >= '0' && targets[1] <= '9')
			t->port = (uint16_t)(*++targets - '0');
	}
	return w;
}

static uint32_t
assign(struct addressbook *b, struct way w, enum addressbook_status want)
{
	assert_int_equal(addressbook_assign(b, &w), want);
	return w.ipv4;
}

static void
test_one_for_each(void **state)
{
	struct addressbook *b = new_book(16, 100);
	struct way ways[] = {
		way("", "A", TLS_UNSET, ""),
		way("", "B", TLS_UNSET, ""),
		way("", "A5", TLS_UNSET, ""),
		way("", "AB", TLS_UNSET, ""),
		way("", "ABC", TLS_UNSET, ""),
		way("", "AB5", TLS_UNSET, ""),
		way("", "A5B", TLS_UNSET, ""),
		way("example.org", "A", TLS_UNSET, ""),
		way("example.net", "A", TLS_UNSET, ""),
		way("", "A", TLS_NONE, ""),
		way("", "A", TLS_MAY, ""),
		way("", "A", TLS_SECURE, "example.org"),
		way("", "A", TLS_SECURE, "example.net"),
		way("example.org", "A", TLS_SECURE, "example.net"),
	};
	uint32_t address[COUNT(ways)];

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		address[i] = assign(b, ways[i], ADDRESSBOOK_NEW);
		assert_in_range(address[i], NET + 1, NET + 0xfffe);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(address[i], address[k]);
	}
	for (size_t i = 0; i < COUNT(ways); i++)
		assert_int_equal(assign(b, ways[i], ADDRESSBOOK_FOUND), address[i]);
	assert_int_equal(addressbook_count(b), COUNT(ways));
	addressbook_free(b);

	/* the same in another book: it follows from the way */
	b = new_book(16, 100);
	for (size_t i = COUNT(ways); i-- > 0;)
		assert_int_equal(assign(b, ways[i], ADDRESSBOOK_NEW), address[i]);
	addressbook_free(b);
	addressbook_free(NULL);
}

/* The targets are a set; the last order is what counts. */
static void
test_order(void **state)
{
	struct addressbook *b = new_book(16, 100);
	uint32_t address = assign(b, way("", "ABC9", TLS_UNSET, ""), ADDRESSBOOK_NEW);
	struct way got;

	(void)state;
	assert_int_equal(
		assign(b, way("", "C9AB", TLS_UNSET, ""), ADDRESSBOOK_FOUND), address);
	assert_true(addressbook_get(b, address, &got));
	assert_int_equal(got.route.n, 3);
	assert_memory_equal(got.route.target[0].host, ONION_C, ONION_LEN);
	assert_int_equal(got.route.target[0].port, 9);
	assert_memory_equal(got.route.target[1].host, ONION_A, ONION_LEN);
	assert_memory_equal(got.route.target[2].host, ONION_B, ONION_LEN);
	assert_int_equal(got.route.target[2].hostlen, ONION_LEN);
	assert_false(addressbook_get(b, address + 1, &got));
	addressbook_free(b);
}

static void
test_full(void **state)
{
	struct addressbook *b = new_book(16, 2);
	uint32_t first = assign(b, way("", "A", TLS_UNSET, ""), ADDRESSBOOK_NEW);

	(void)state;
	assign(b, way("", "B", TLS_UNSET, ""), ADDRESSBOOK_NEW);
	assign(b, way("", "C", TLS_UNSET, ""), ADDRESSBOOK_FULL);
	assert_int_equal(
		assign(b, way("", "A", TLS_UNSET, ""), ADDRESSBOOK_FOUND), first);
	addressbook_free(b);
}

/* In a tiny net all usable addresses are given out, each once. */
static void
test_whole_net(void **state)
{
	struct addressbook *b = new_book(29, 100);
	bool seen[8] = {false};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct way w = way("", "A", TLS_UNSET, "");
		uint32_t address;

		w.route.target[0].port = (uint16_t)(1000 + i);
		address = assign(b, w, ADDRESSBOOK_NEW);
		assert_in_range(address, NET + 1, NET + 6);
		assert_false(seen[address - NET]);
		seen[address - NET] = true;
	}
	assign(b, way("", "B", TLS_UNSET, ""), ADDRESSBOOK_FULL);
	addressbook_free(b);
}

static void
test_forget(void **state)
{
	struct addressbook *b = new_book(16, 2);
	uint32_t first = assign(b, way("", "A", TLS_UNSET, ""), ADDRESSBOOK_NEW);
	struct way got;

	(void)state;
	assign(b, way("", "B", TLS_UNSET, ""), ADDRESSBOOK_NEW);
	addressbook_forget(b, first);
	addressbook_forget(b, first);
	assert_int_equal(addressbook_count(b), 1);
	assert_false(addressbook_get(b, first, &got));
	assign(b, way("", "A", TLS_UNSET, ""), ADDRESSBOOK_NEW);
	assign(b, way("", "B", TLS_UNSET, ""), ADDRESSBOOK_FOUND);
	addressbook_free(b);
}

static void
test_load(void **state)
{
	struct addressbook *b = new_book(16, 3);
	struct way w = way("", "A", TLS_UNSET, "");

	(void)state;
	w.ipv4 = NET + 77;
	assert_true(addressbook_load(b, &w));
	assert_int_equal(assign(b, w, ADDRESSBOOK_FOUND), NET + 77);
	assert_false(addressbook_load(b, &w)); /* twice */
	w.ipv4 = NET + 78;
	assert_false(addressbook_load(b, &w)); /* it has another address */
	w = way("", "B", TLS_UNSET, "");
	w.ipv4 = NET + 77;
	assert_false(addressbook_load(b, &w)); /* something else has it */
	w.ipv4 = NET;
	assert_false(addressbook_load(b, &w));
	w.ipv4 = NET + 0xffff;
	assert_false(addressbook_load(b, &w));
	w.ipv4 = NET + 0x10001;
	assert_false(addressbook_load(b, &w));
	w.ipv4 = NET - 1;
	assert_false(addressbook_load(b, &w));
	w.ipv4 = NET + 0xfffe;
	assert_true(addressbook_load(b, &w));
	addressbook_free(b);
}

static void
count(void *arg, const struct way *w)
{
	assert_true(w->route.n > 0);
	++*(unsigned *)arg;
}

static void
test_walk(void **state)
{
	struct addressbook *b = new_book(16, 100);
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct way w = way("", "A", TLS_UNSET, "");

		w.route.target[0].port = (uint16_t)(1000 + i);
		assign(b, w, ADDRESSBOOK_NEW);
	}
	addressbook_walk(b, count, &n);
	assert_int_equal(n, 50);
	addressbook_free(b);
}

/* Lines */

static void
check_line(struct way w, const char *text)
{
	char line[WAY_LINE_MAX];
	size_t n = way_write(line, &w);
	struct way got;
	char *exact;

	if (text != NULL) {
		assert_memory_equal(line, text, strlen(text));
		assert_int_equal(n, strlen(text) + SEAL_LEN);
	}
	assert_in_range(n, 1, WAY_LINE_MAX - 1);
	exact = malloc(n - 1);
	memcpy(exact, line, n - 1);
	assert_true(way_read(exact, n - 1, &got));
	assert_int_equal(got.ipv4, w.ipv4);
	assert_string_equal(got.domain.text, w.domain.text);
	assert_int_equal(got.tls.level, w.tls.level);
	assert_string_equal(got.tls.name.text, w.tls.name.text);
	assert_int_equal(got.route.n, w.route.n);
	for (uint8_t i = 0; i < got.route.n; i++) {
		assert_int_equal(got.route.target[i].port, w.route.target[i].port);
		assert_int_equal(got.route.target[i].hostlen, w.route.target[i].hostlen);
		assert_memory_equal(got.route.target[i].host, w.route.target[i].host,
			w.route.target[i].hostlen);
	}
	for (size_t i = 0; i < n - 1; i++) {
		exact[i] ^= 1;
		assert_false(way_read(exact, n - 1, &got));
		exact[i] ^= 1;
		assert_false(way_read(exact, i, &got));
	}
	free(exact);
}

static void
test_lines(void **state)
{
	struct way w = way("", "AB9", TLS_UNSET, "");
	struct answer longest;

	(void)state;
	w.ipv4 = NET + 0x304;
	check_line(w, "bridge 127.42.3.4 - - " ONION_A ":25 " ONION_B ":9");
	w = way("example.org", "C", TLS_SECURE, "mx.example.net");
	w.ipv4 = 0xffffffff;
	check_line(w, "bridge 255.255.255.255 example.org secure:mx.example.net " ONION_C
		      ":25");
	w = way("example.org", "C", TLS_NONE, "");
	w.ipv4 = 0;
	check_line(w, "bridge 0.0.0.0 example.org none " ONION_C ":25");
	w = way(D253, "", TLS_SECURE, D253);
	w.ipv4 = 0xffffffff;
	unit_longest_route(&longest);
	w.route = longest.route;
	check_line(w, NULL);
}

static void
test_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"bridge",
		"bridge 127.42.3.4",
		"bridge 127.42.3.4 -",
		"bridge 127.42.3.4 - -",
		"bridge 127.42.3.4 - - ",
		"bridge 127.42.3.4 - - " ONION_A ":0",
		"bridge 127.42.3.4 - - " ONION_A ":65536",
		"bridge 127.42.3.4 - - " ONION_A ":25,",
		"bridge 127.42.3.4 - - " MISTYPED ":25",
		"bridge 127.42.3.4 - - mx.example.org:25",
		"bridge 127.42.3.4 - -  " ONION_A ":25",
		"bridge 127.42.3.256 - - " ONION_A ":25",
		"bridge 127.42.3 - - " ONION_A ":25",
		"bridge 127.42.03.4 - - " ONION_A ":25",
		"bridge 127.42.3.4.5 - - " ONION_A ":25",
		"bridge 127.42.3.4x - - " ONION_A ":25",
		"bridge -1.42.3.4 - - " ONION_A ":25",
		"bridge 4294967423.42.3.4 - - " ONION_A ":25",
		"bridge 127.42.3.4 Example.org - " ONION_A ":25",
		"bridge 127.42.3.4 a*b - " ONION_A ":25",
		"bridge 127.42.3.4 - verify " ONION_A ":25",
		"bridge 127.42.3.4 - secure: " ONION_A ":25",
		"Bridge 127.42.3.4 - - " ONION_A ":25",
	};
	struct way w;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char line[1024];
		size_t n = (size_t)sprintf(line, "%s", rows[i]);

		n = seal_line(line, n);
		row_assert(rows[i], !way_read(line, n - 1, &w));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_for_each),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_whole_net),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("addressbook", tests, NULL, NULL);
}
