#include "unit.h"

#include "core/bridge_table.h"

#define NET 0x7f2a0000 /* 127.42.0.0 */
#define TODAY 20000
#define REUSE 14

static struct bridge_table *
new_table(unsigned prefix, size_t max)
{
	const struct bridge_table_config config = {
		.net = NET, .prefix = prefix, .max = max, .reuse_days = REUSE};
	struct bridge_table *b = bridge_table_new(&config);

	assert_non_null(b);
	return b;
}

/* Targets as text: a letter is an onion, a digit after it the port. */
static struct bridge_line
line_of(const char *domain, const char *targets, enum tls_level level, const char *name)
{
	struct bridge_line l = {.tls = {.level = level}, .quota = QUOTA_MAP};

	if (*domain != '\0')
		l.domain = unit_domain(domain);
	if (*name != '\0')
		l.tls.name = unit_domain(name);
	for (; *targets != '\0'; targets++) {
		struct target *t = &l.route.target[l.route.n++];

		*t = unit_target(*targets == 'A'   ? ONION_A
				 : *targets == 'B' ? ONION_B
						   : ONION_C,
			25, 0);
		if (targets[1] >= '0' && targets[1] <= '9')
			t->port = (uint16_t)(*++targets - '0');
	}
	return l;
}

static uint32_t
assign(struct bridge_table *b, struct bridge_line l, enum bridge_table_status want)
{
	assert_int_equal(bridge_table_assign(b, &l, TODAY), want);
	return l.ipv4;
}

static void
test_one_for_each(void **state)
{
	struct bridge_table *b = new_table(16, 100);
	struct bridge_line lines[] = {
		line_of("", "A", TLS_UNSET, ""),
		line_of("", "B", TLS_UNSET, ""),
		line_of("", "A5", TLS_UNSET, ""),
		line_of("", "AB", TLS_UNSET, ""),
		line_of("", "ABC", TLS_UNSET, ""),
		line_of("", "AB5", TLS_UNSET, ""),
		line_of("", "A5B", TLS_UNSET, ""),
		line_of("example.org", "A", TLS_UNSET, ""),
		line_of("example.net", "A", TLS_UNSET, ""),
		line_of("", "A", TLS_NONE, ""),
		line_of("", "A", TLS_MAY, ""),
		line_of("", "A", TLS_SECURE, "example.org"),
		line_of("", "A", TLS_SECURE, "example.net"),
		line_of("example.org", "A", TLS_SECURE, "example.net"),
	};
	uint32_t address[COUNT(lines)];

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++) {
		address[i] = assign(b, lines[i], BRIDGE_TABLE_NEW);
		assert_in_range(address[i], NET + 1, NET + 0xfffe);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(address[i], address[k]);
	}
	for (size_t i = 0; i < COUNT(lines); i++)
		assert_int_equal(assign(b, lines[i], BRIDGE_TABLE_FOUND), address[i]);
	assert_int_equal(bridge_table_count(b), COUNT(lines));
	bridge_table_free(b);

	/* the same in another table: it follows from what it stands for */
	b = new_table(16, 100);
	for (size_t i = COUNT(lines); i-- > 0;)
		assert_int_equal(assign(b, lines[i], BRIDGE_TABLE_NEW), address[i]);
	bridge_table_free(b);
	bridge_table_free(NULL);
}

/* The targets are a set; the last order is what counts. */
static void
test_order(void **state)
{
	struct bridge_table *b = new_table(16, 100);
	uint32_t address =
		assign(b, line_of("", "ABC9", TLS_UNSET, ""), BRIDGE_TABLE_NEW);
	struct bridge_line got;

	(void)state;
	assert_int_equal(
		assign(b, line_of("", "C9AB", TLS_UNSET, ""), BRIDGE_TABLE_FOUND),
		address);
	assert_true(bridge_table_get(b, address, &got));
	assert_int_equal(got.route.n, 3);
	assert_memory_equal(got.route.target[0].host, ONION_C, ONION_LEN);
	assert_int_equal(got.route.target[0].port, 9);
	assert_memory_equal(got.route.target[1].host, ONION_A, ONION_LEN);
	assert_memory_equal(got.route.target[2].host, ONION_B, ONION_LEN);
	assert_int_equal(got.route.target[2].hostlen, ONION_LEN);
	assert_false(bridge_table_get(b, address + 1, &got));
	bridge_table_free(b);
}

static void
test_full(void **state)
{
	struct bridge_table *b = new_table(16, 2);
	uint32_t first = assign(b, line_of("", "A", TLS_UNSET, ""), BRIDGE_TABLE_NEW);

	(void)state;
	assign(b, line_of("", "B", TLS_UNSET, ""), BRIDGE_TABLE_NEW);
	assign(b, line_of("", "C", TLS_UNSET, ""), BRIDGE_TABLE_FULL);
	assert_int_equal(
		assign(b, line_of("", "A", TLS_UNSET, ""), BRIDGE_TABLE_FOUND), first);
	bridge_table_free(b);
}

/* In a tiny net all usable addresses are given out, each once. */
static void
test_whole_net(void **state)
{
	struct bridge_table *b = new_table(29, 100);
	bool seen[8] = {false};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct bridge_line l = line_of("", "A", TLS_UNSET, "");
		uint32_t address;

		l.route.target[0].port = (uint16_t)(1000 + i);
		address = assign(b, l, BRIDGE_TABLE_NEW);
		assert_in_range(address, NET + 1, NET + 6);
		assert_false(seen[address - NET]);
		seen[address - NET] = true;
	}
	assign(b, line_of("", "B", TLS_UNSET, ""), BRIDGE_TABLE_FULL);
	bridge_table_free(b);
}

static void
test_forget(void **state)
{
	struct bridge_table *b = new_table(16, 2);
	uint32_t first = assign(b, line_of("", "A", TLS_UNSET, ""), BRIDGE_TABLE_NEW);
	struct bridge_line got;

	(void)state;
	assign(b, line_of("", "B", TLS_UNSET, ""), BRIDGE_TABLE_NEW);
	bridge_table_forget(b, first);
	bridge_table_forget(b, first);
	assert_int_equal(bridge_table_count(b), 1);
	assert_false(bridge_table_get(b, first, &got));
	assign(b, line_of("", "A", TLS_UNSET, ""), BRIDGE_TABLE_NEW);
	assign(b, line_of("", "B", TLS_UNSET, ""), BRIDGE_TABLE_FOUND);
	bridge_table_free(b);
}

static enum bridge_table_loaded
load(struct bridge_table *b, const char *text, uint32_t today)
{
	char line[1024];
	size_t n = line_checksum_add(line, (size_t)sprintf(line, "%s", text));

	return bridge_table_load(b, line, n - 1, today);
}

static uint32_t
day_of(const struct bridge_table *b, uint32_t address)
{
	struct bridge_line l;

	assert_true(bridge_table_get(b, address, &l));
	return l.day;
}

static void
test_load(void **state)
{
	struct bridge_table *b = new_table(16, 3);
	struct bridge_line got, l = line_of("", "A", TLS_UNSET, "");

	(void)state;
	assert_int_equal(load(b, "address 127.42.0.77 5 map - - " ONION_A ":25", TODAY),
		BRIDGE_TABLE_LOADED);
	assert_int_equal(assign(b, l, BRIDGE_TABLE_FOUND), NET + 77);
	assert_int_equal(day_of(b, NET + 77), TODAY);
	/* what comes later counts */
	assert_int_equal(load(b, "address 127.42.0.77 6 map - - " ONION_B ":25", TODAY),
		BRIDGE_TABLE_LOADED);
	assert_int_equal(
		assign(b, line_of("", "B", TLS_UNSET, ""), BRIDGE_TABLE_FOUND), NET + 77);
	assert_int_equal(bridge_table_count(b), 1);
	/* two for one set: the later is answered, and both lead there */
	assert_int_equal(load(b, "address 127.42.0.78 6 map - - " ONION_B ":25", TODAY),
		BRIDGE_TABLE_LOADED);
	assert_int_equal(
		assign(b, line_of("", "B", TLS_UNSET, ""), BRIDGE_TABLE_FOUND), NET + 78);
	assert_true(bridge_table_get(b, NET + 77, &got));
	for (size_t i = 0; i < 4; i++) {
		static const char *const outside[] = {"address 127.42.0.0 5 onion - - ",
			"address 127.42.255.255 5 onion - - ",
			"address 127.43.0.1 5 onion - - ",
			"address 127.41.255.255 5 onion - - "};
		char text[200];

		sprintf(text, "%s" ONION_C ":25", outside[i]);
		row_assert(text, load(b, text, TODAY) == BRIDGE_TABLE_OUTSIDE);
	}
	assert_int_equal(load(b, "nonsense", TODAY), BRIDGE_TABLE_DAMAGED);
	bridge_table_free(b);
}

/* Of old lines for an address the first counts; nobody knows when it was used. */
static void
test_load_old(void **state)
{
	struct bridge_table *b = new_table(16, 3);

	(void)state;
	assert_int_equal(load(b, "bridge 127.42.0.77 - - " ONION_A ":25", TODAY),
		BRIDGE_TABLE_LOADED_OLD);
	assert_int_equal(load(b, "bridge 127.42.0.77 - - " ONION_B ":25", TODAY),
		BRIDGE_TABLE_OUTSIDE);
	assert_int_equal(day_of(b, NET + 77), 0);
	assert_int_equal(bridge_table_newest(b), 0);
	assert_int_equal(load(b, "all-used 99", TODAY), BRIDGE_TABLE_LOADED);
	assert_int_equal(day_of(b, NET + 77), 99);
	assert_int_equal(load(b, "used 127.42.0.77 98", TODAY), BRIDGE_TABLE_LOADED);
	assert_int_equal(day_of(b, NET + 77), 99);
	assert_int_equal(load(b, "used 127.42.0.77 101", TODAY), BRIDGE_TABLE_LOADED);
	assert_int_equal(day_of(b, NET + 77), 101);
	assert_int_equal(load(b, "used 127.42.0.78 101", TODAY), BRIDGE_TABLE_OUTSIDE);
	/* no day to come */
	assert_int_equal(load(b, "used 127.42.0.77 99999", TODAY), BRIDGE_TABLE_LOADED);
	assert_int_equal(day_of(b, NET + 77), TODAY);
	assert_int_equal(bridge_table_newest(b), TODAY);
	bridge_table_free(b);
}

/* More than max from before are all there, but no new one is until they have expired. */
static void
test_load_more_than_max(void **state)
{
	struct bridge_table *b = new_table(16, 1);

	(void)state;
	load(b, "address 127.42.0.1 19999 map - - " ONION_A ":25", TODAY);
	load(b, "address 127.42.0.2 20000 map - - " ONION_B ":25", TODAY);
	assert_int_equal(bridge_table_count(b), 2);
	assign(b, line_of("", "C", TLS_UNSET, ""), BRIDGE_TABLE_FULL);
	assert_int_equal(
		assign(b, line_of("", "B", TLS_UNSET, ""), BRIDGE_TABLE_FOUND), NET + 2);
	bridge_table_free(b);
}

/* Names below an onion are the onion, and so are recipients there. */
static void
test_names_below_an_onion(void **state)
{
	struct bridge_table *b = new_table(16, 100);
	struct bridge_line got, l = line_of("", "A", TLS_UNSET, ""), below = l;
	uint32_t address = assign(b, l, BRIDGE_TABLE_NEW);

	(void)state;
	below.route.target[0] = unit_target("a1.x." ONION_A, 25, 0);
	assert_int_equal(assign(b, below, BRIDGE_TABLE_FOUND), address);
	below.route.target[1] = unit_target("a2." ONION_A, 25, 0);
	below.route.n = 2;
	assert_int_equal(assign(b, below, BRIDGE_TABLE_FOUND), address);
	assert_true(bridge_table_get(b, address, &got));
	assert_int_equal(got.route.n, 1);
	assert_int_equal(got.route.target[0].hostlen, ONION_LEN);
	below.route.target[1].port = 26;
	assert_int_not_equal(assign(b, below, BRIDGE_TABLE_NEW), address);

	l = line_of("a." ONION_A, "A", TLS_UNSET, "");
	address = assign(b, l, BRIDGE_TABLE_NEW);
	l = line_of("b." ONION_A, "A", TLS_UNSET, "");
	assert_int_equal(assign(b, l, BRIDGE_TABLE_FOUND), address);
	bridge_table_free(b);
}

/* Reuse */

/* The n-th of many. */
static struct bridge_line
nth(unsigned n, enum quota quota)
{
	struct bridge_line l = line_of("", "A", TLS_UNSET, "");

	l.route.target[0].port = (uint16_t)(1000 + n);
	l.quota = quota;
	return l;
}

static enum bridge_table_status
try_on(struct bridge_table *b, struct bridge_line l, uint32_t day, uint32_t *address)
{
	enum bridge_table_status status = bridge_table_assign(b, &l, day);

	*address = l.ipv4;
	return status;
}

/* Not before reuse_days have passed, and the time that the disk may be behind. */
static void
test_reuse(void **state)
{
	struct bridge_table *b = new_table(16, 2);
	const uint32_t last = TODAY + REUSE + BRIDGE_TABLE_LAG_DAYS;
	uint32_t first, second, third;
	struct bridge_line got;

	(void)state;
	try_on(b, nth(0, QUOTA_MAP), TODAY, &first);
	try_on(b, nth(1, QUOTA_MAP), TODAY, &second);
	assert_int_equal(try_on(b, nth(2, QUOTA_MAP), last, &third), BRIDGE_TABLE_FULL);
	assert_true(bridge_table_get(b, first, &got));
	/* a connection is a use */
	assert_int_equal(bridge_table_use(b, second, last), TODAY);
	assert_int_equal(bridge_table_use(b, second, last), last);
	assert_int_equal(
		try_on(b, nth(2, QUOTA_MAP), last + 1, &third), BRIDGE_TABLE_NEW);
	assert_false(third != first && bridge_table_get(b, first, &got));
	assert_true(bridge_table_get(b, second, &got));
	assert_int_equal(got.route.target[0].port, 1001);
	assert_int_equal(
		try_on(b, nth(3, QUOTA_MAP), last + 1, &third), BRIDGE_TABLE_FULL);
	bridge_table_free(b);
}

/* An answer is a use, too, and what all addresses count as; a clock that goes back makes
 * nothing younger or older. */
static void
test_no_reuse(void **state)
{
	struct bridge_table *b = new_table(16, 1);
	const uint32_t soon = REUSE + BRIDGE_TABLE_LAG_DAYS;
	uint32_t address;

	(void)state;
	try_on(b, nth(0, QUOTA_MAP), TODAY, &address);
	try_on(b, nth(0, QUOTA_MAP), TODAY + soon, &address);
	assert_int_equal(try_on(b, nth(1, QUOTA_MAP), TODAY + 2 * soon, &address),
		BRIDGE_TABLE_FULL);
	try_on(b, nth(0, QUOTA_MAP), TODAY, &address);
	assert_int_equal(try_on(b, nth(1, QUOTA_MAP), TODAY + 2 * soon, &address),
		BRIDGE_TABLE_FULL);
	assert_int_equal(try_on(b, nth(1, QUOTA_MAP), 0, &address), BRIDGE_TABLE_FULL);
	bridge_table_use_all(b, TODAY + 3 * soon);
	assert_int_equal(try_on(b, nth(1, QUOTA_MAP), TODAY + 4 * soon, &address),
		BRIDGE_TABLE_FULL);
	assert_int_equal(try_on(b, nth(1, QUOTA_MAP), TODAY + 4 * soon + 1, &address),
		BRIDGE_TABLE_NEW);
	bridge_table_free(b);
}

/* Quotas */

static unsigned
fill(struct bridge_table *b, enum quota quota, unsigned first, const char *parent)
{
	const struct siphash_key key = {1, 2};
	uint32_t address;
	unsigned n = 0;

	for (;;) {
		struct bridge_line l = nth(first + n, quota);

		if (parent != NULL) {
			char name[100];

			sprintf(name, "a%u%s", n, parent);
			l.parents = parents_of(&key, name, strlen(name));
		}
		if (try_on(b, l, TODAY, &address) != BRIDGE_TABLE_NEW)
			return n;
		n++;
	}
}

/* Whatever strangers do, there is room for the map, and for the other strangers. */
static void
test_shares(void **state)
{
	struct bridge_table *b = new_table(16, 800);

	(void)state;
	assert_int_equal(fill(b, QUOTA_ONION, 0, NULL), 200);
	/* those below one domain; below others; below one of three labels, or many */
	assert_int_equal(fill(b, QUOTA_DNS, 1000, ".evil.example"), 100);
	assert_int_equal(fill(b, QUOTA_DNS, 2000, ".evil.example"), 0);
	assert_int_equal(fill(b, QUOTA_DNS, 2000, ".b.evil.example"), 0);
	assert_int_equal(fill(b, QUOTA_DNS, 2000, ".b.c.d.good.example"), 25);
	assert_int_equal(fill(b, QUOTA_DNS, 3000, ".e.good.example"), 25);
	assert_int_equal(fill(b, QUOTA_DNS, 4000, ".example"), 250);
	assert_int_equal(fill(b, QUOTA_DNS, 5000, ".example"), 0);
	assert_int_equal(bridge_table_count(b), 600);
	assert_int_equal(quotas_percent(bridge_table_quotas(b), QUOTA_DNS), 100);
	assert_int_equal(quotas_percent(bridge_table_quotas(b), QUOTA_MAP), 75);
	assert_int_equal(fill(b, QUOTA_MAP, 6000, NULL), 200);
	bridge_table_free(b);
}

/* When the map has what strangers had before, it takes no place of theirs. */
static void
test_moves_to_the_map(void **state)
{
	struct bridge_table *b = new_table(16, 4);
	uint32_t address, again;

	(void)state;
	assert_int_equal(
		try_on(b, nth(0, QUOTA_ONION), TODAY, &address), BRIDGE_TABLE_NEW);
	assert_int_equal(
		try_on(b, nth(1, QUOTA_ONION), TODAY, &again), BRIDGE_TABLE_FULL);
	assert_int_equal(try_on(b, nth(0, QUOTA_MAP), TODAY, &again), BRIDGE_TABLE_MOVED);
	assert_int_equal(again, address);
	assert_int_equal(try_on(b, nth(0, QUOTA_MAP), TODAY, &again), BRIDGE_TABLE_FOUND);
	assert_int_equal(try_on(b, nth(0, QUOTA_DNS), TODAY, &again), BRIDGE_TABLE_FOUND);
	assert_int_equal(try_on(b, nth(1, QUOTA_ONION), TODAY, &again), BRIDGE_TABLE_NEW);
	bridge_table_free(b);
}

/* What expires leaves its parents room. */
static void
test_parents_get_room_again(void **state)
{
	struct bridge_table *b = new_table(16, 160);

	(void)state;
	assert_int_equal(fill(b, QUOTA_DNS, 0, ".evil.example"), 20);
	for (uint32_t i = 0; i < 20; i++) {
		struct bridge_line l = nth(100 + i, QUOTA_DNS);
		const struct siphash_key key = {1, 2};

		l.parents = parents_of(&key, "x.evil.example", 14);
		assert_int_equal(bridge_table_assign(b, &l, TODAY + 2 * REUSE),
			i < 5 ? BRIDGE_TABLE_NEW : BRIDGE_TABLE_FULL);
	}
	assert_int_equal(bridge_table_count(b), 5);
	bridge_table_free(b);
}

/* A route of many targets takes the memory of several, and so their places. */
static void
test_memory(void **state)
{
	struct bridge_table *b = new_table(16, 100);
	unsigned n = 0;
	struct bridge_line l;
	uint32_t address;

	(void)state;
	do {
		l = nth(0, QUOTA_MAP);
		l.route.n = TARGETS_MAX;
		for (uint8_t i = 0; i < TARGETS_MAX; i++)
			l.route.target[i] = unit_target(
				ONION_A, (uint16_t)(1 + n * TARGETS_MAX + i), 0);
	} while (try_on(b, l, TODAY, &address) == BRIDGE_TABLE_NEW && ++n < 100);
	assert_in_range(
		n, 100 * BRIDGE_TABLE_PLACE / 1300, 100 * BRIDGE_TABLE_PLACE / 1100);
	bridge_table_free(b);
}

static void
test_marks(void **state)
{
	struct bridge_table *b = new_table(16, 100);
	uint32_t address = assign(b, nth(0, QUOTA_MAP), BRIDGE_TABLE_NEW);

	(void)state;
	assert_int_equal(*bridge_table_mark(b, address), 0);
	*bridge_table_mark(b, address) = 7;
	assert_int_equal(*bridge_table_mark(b, address), 7);
	bridge_table_free(b);
}

static void
count(void *arg, const struct bridge_line *l)
{
	assert_true(l->route.n > 0);
	++*(unsigned *)arg;
}

static void
test_walk(void **state)
{
	struct bridge_table *b = new_table(16, 100);
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct bridge_line l = line_of("", "A", TLS_UNSET, "");

		l.route.target[0].port = (uint16_t)(1000 + i);
		assign(b, l, BRIDGE_TABLE_NEW);
	}
	bridge_table_walk(b, count, &n);
	assert_int_equal(n, 50);
	bridge_table_free(b);
}

/* Lines */

static void
check_line(struct bridge_line l, const char *text)
{
	char line[BRIDGE_LINE_MAX];
	size_t n = bridge_line_write(line, &l);
	struct bridge_line got;
	char *exact;

	if (text != NULL) {
		assert_memory_equal(line, text, strlen(text));
		assert_int_equal(n, strlen(text) + LINE_CHECKSUM_LEN);
	}
	assert_in_range(n, 1, BRIDGE_LINE_MAX - 1);
	exact = malloc(n - 1);
	memcpy(exact, line, n - 1);
	assert_true(bridge_line_read(exact, n - 1, &got) == BRIDGE_LINE_ADDRESS);
	assert_int_equal(got.ipv4, l.ipv4);
	assert_int_equal(got.day, l.day);
	assert_int_equal(got.quota, l.quota);
	assert_int_equal(got.parents.two, l.parents.two);
	assert_int_equal(got.parents.three, l.parents.three);
	assert_string_equal(got.domain.text, l.domain.text);
	assert_int_equal(got.tls.level, l.tls.level);
	assert_string_equal(got.tls.name.text, l.tls.name.text);
	assert_int_equal(got.route.n, l.route.n);
	for (uint8_t i = 0; i < got.route.n; i++) {
		assert_int_equal(got.route.target[i].port, l.route.target[i].port);
		assert_int_equal(got.route.target[i].hostlen, l.route.target[i].hostlen);
		assert_memory_equal(got.route.target[i].host, l.route.target[i].host,
			l.route.target[i].hostlen);
	}
	for (size_t i = 0; i < n - 1; i++) {
		exact[i] ^= 1;
		assert_int_equal(
			bridge_line_read(exact, n - 1, &got), BRIDGE_LINE_DAMAGED);
		exact[i] ^= 1;
		assert_int_equal(bridge_line_read(exact, i, &got), BRIDGE_LINE_DAMAGED);
	}
	free(exact);
}

static void
test_lines(void **state)
{
	struct bridge_line l = line_of("", "AB9", TLS_UNSET, "");
	struct answer longest;

	(void)state;
	l.ipv4 = NET + 0x304;
	check_line(l, "address 127.42.3.4 0 map - - " ONION_A ":25 " ONION_B ":9");
	l = line_of("example.org", "C", TLS_SECURE, "mx.example.net");
	l.ipv4 = l.day = 0xffffffff;
	l.quota = QUOTA_ONION;
	check_line(l, "address 255.255.255.255 4294967295 onion example.org "
		      "secure:mx.example.net " ONION_C ":25");
	l = line_of("example.org", "C", TLS_NONE, "");
	l.ipv4 = 0;
	l.quota = QUOTA_DNS;
	l.parents = (struct parents){1, 0xfedcba9876543210};
	check_line(l, "address 0.0.0.0 0 dns:0000000000000001:fedcba9876543210 "
		      "example.org none " ONION_C ":25");
	l = line_of(D253, "", TLS_SECURE, D253);
	l.ipv4 = l.day = 0xffffffff;
	l.quota = QUOTA_DNS;
	l.parents = (struct parents){UINT64_MAX, UINT64_MAX};
	unit_longest_route(&longest);
	l.route = longest.route;
	check_line(l, NULL);
}

static void
test_lines_of_use(void **state)
{
	char line[BRIDGE_LINE_USED_MAX];
	struct bridge_line got;
	size_t n = bridge_line_write_used(line, 0xffffffff, 0xffffffff);

	(void)state;
	assert_memory_equal(line, "used 255.255.255.255 4294967295 ", 32);
	assert_int_equal(bridge_line_read(line, n - 1, &got), BRIDGE_LINE_USED);
	assert_int_equal(got.ipv4, 0xffffffff);
	assert_int_equal(got.day, 0xffffffff);
	n = bridge_line_write_all_used(line, 20000);
	assert_memory_equal(line, "all-used 20000 ", 15);
	assert_int_equal(bridge_line_read(line, n - 1, &got), BRIDGE_LINE_ALL_USED);
	assert_int_equal(got.day, 20000);
	n = line_checksum_add(line, (size_t)sprintf(line, "used 1.2.3.4 0"));
	assert_int_equal(bridge_line_read(line, n - 1, &got), BRIDGE_LINE_USED);
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
		"address 127.42.3.4 - - " ONION_A ":25",
		"address 127.42.3.4 1 - - " ONION_A ":25",
		"address 127.42.3.4 1 dns - - " ONION_A ":25",
		"address 127.42.3.4 1 dns:0:0 - - " ONION_A ":25",
		"address 127.42.3.4 1 dns:000000000000000X:0000000000000000 - - " ONION_A
		":25",
		"address 127.42.3.4 1 DNS:0000000000000000:0000000000000000 - - " ONION_A
		":25",
		"address 127.42.3.4 1 maps - - " ONION_A ":25",
		"address 127.42.3.4 01 map - - " ONION_A ":25",
		"address 127.42.3.4 -1 map - - " ONION_A ":25",
		"address 127.42.3.4 4294967296 map - - " ONION_A ":25",
		"address 127.42.3.4 1 map - -",
		"used 127.42.3.4",
		"used 127.42.3.4 ",
		"used 127.42.3.4 1 2",
		"used 127.42.3 1",
		"all-used",
		"all-used x",
		"all-used 1 2",
	};
	struct bridge_line l;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char line[1024];
		size_t n = (size_t)sprintf(line, "%s", rows[i]);

		n = line_checksum_add(line, n);
		row_assert(rows[i],
			bridge_line_read(line, n - 1, &l) == BRIDGE_LINE_DAMAGED);
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
		cmocka_unit_test(test_load_old),
		cmocka_unit_test(test_load_more_than_max),
		cmocka_unit_test(test_names_below_an_onion),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_no_reuse),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_moves_to_the_map),
		cmocka_unit_test(test_parents_get_room_again),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_of_use),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("bridge_table", tests, NULL, NULL);
}
