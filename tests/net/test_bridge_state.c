/* The addresses of the bridge on a disk that is slow, or fails, and by a clock that the
 * test moves. */
#include "shell.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/net/bridge/bridge_state.h"

#define A_ONION "aj3nsqqcksrrc5cye5etjsoewz6jrygpekzwoko3q6wyxjlb3dgasfid.onion"
#define B_ONION "7sbw6jufrirhyltzkslhcmkik4z7yrsmbpnptyritvz5nhbk35hncsqd.onion"

#define DAY 86400

/* The disk */

static bool slow; /* each fdatasync() waits for go */
static sem_t go;
static _Atomic int disk_errno; /* not 0: fdatasync() fails with it */
static _Atomic unsigned syncs;

int
fdatasync(int fd)
{
	(void)fd;
	if (slow)
		sem_wait(&go);
	syncs++;
	errno = disk_errno;
	return disk_errno != 0 ? -1 : 0;
}

/* The table */

static int64_t wall_s;

static int64_t
wall(void)
{
	return wall_s;
}

struct table {
	struct loop *loop;
	struct counters counters;
	char dir[64];
	struct bridge_state *state;
	uint64_t kept;
	unsigned failed;
	bool kept_before_disk; /* "kept" was said of what isn't in the file */
	size_t lines_due;      /* by then */
};

static size_t
lines_of(const struct table *t)
{
	char path[100];
	FILE *f;
	size_t lines = 0;
	int c;

	sprintf(path, "%s/bridge", t->dir);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

static void
kept(void *arg, uint64_t upto, bool good)
{
	struct table *t = arg;

	if (!good) {
		t->failed++;
		return;
	}
	t->kept = upto;
	t->kept_before_disk |= lines_of(t) < upto;
}

static void
open_table(struct table *t)
{
	const struct bridge_state_config config = {.loop = t->loop,
		.counters = &t->counters,
		.addresses =
			{
				.net = 0x7f2a0000,
				.prefix = 16,
				.max = 60000,
				.reuse_days = 14,
			},
		.state_dir = t->dir,
		.wall = wall,
		.kept = kept,
		.arg = t};

	t->state = bridge_state_open(&config);
	assert_non_null(t->state);
}

static int
setup(void **state)
{
	static struct table t;

	memset(&t, 0, sizeof(t));
	slow = false;
	disk_errno = 0;
	syncs = 0;
	wall_s = (int64_t)20000 * DAY;
	sem_init(&go, 0, 0);
	strcpy(t.dir, "/tmp/onionmxd-table-XXXXXX");
	assert_non_null(mkdtemp(t.dir));
	t.loop = loop_new();
	log_capture();
	open_table(&t);
	*state = &t;
	return 0;
}

static int
teardown(void **state)
{
	struct table *t = *state;
	char command[100];

	slow = false;
	for (int i = 0; i < 100; i++)
		sem_post(&go);
	bridge_state_close(t->state);
	loop_free(t->loop);
	log_taken();
	sprintf(command, "rm -r %s", t->dir);
	return system(command);
}

static enum reason
assign(struct table *t, enum route_origin origin, const char *host, unsigned port,
	uint32_t *ipv4, struct bridge_wait *wait)
{
	const struct domain domain = {.len = 11, .text = "example.org"};
	struct map_options options;
	struct answer a = {.origin = origin, .route.n = 1};

	map_options_clear(&options);
	memset(wait, 0, sizeof(*wait));
	a.route.target[0] = (struct target){
		.host = host, .hostlen = (uint8_t)strlen(host), .port = (uint16_t)port};
	return bridge_state_assign(t->state, &domain, &options, &a, ipv4, wait);
}

/* Until it is on the disk. */
static uint32_t
give(struct table *t, const char *host, unsigned port)
{
	struct bridge_wait wait;
	uint32_t ipv4;

	assert_int_equal(assign(t, ORIGIN_MAP, host, port, &ipv4, &wait), REASON_NONE);
	WAIT_UNTIL(t->loop, t->kept >= wait.number);
	return ipv4;
}

static void
leads_to(const struct table *t, uint32_t ipv4, const char *host, unsigned port)
{
	struct bridge_line line;

	assert_true(bridge_state_get(t->state, ipv4, &line));
	assert_int_equal(line.route.n, 1);
	assert_memory_equal(line.route.target[0].host, host, strlen(host));
	assert_int_equal(line.route.target[0].port, port);
}

static void
pass_days(unsigned days)
{
	wall_s += (int64_t)days * DAY;
}

/* The recipients at .onion names that a client of SMTP can name. */
static unsigned
strangers(struct table *t, unsigned first)
{
	struct bridge_wait wait;
	uint32_t ipv4;
	unsigned n = 0;

	while (assign(t, ORIGIN_ONION, B_ONION, first + n, &ipv4, &wait) == REASON_NONE) {
		n++;
		if (n % 1000 == 0)
			run_ready(t->loop);
	}
	return n;
}

/* An answer is held for ten minutes, or for days; meanwhile strangers fill the table. */
static void
an_answer_that_is_held(void **state)
{
	struct table *t = *state;
	struct bridge_wait wait;
	uint32_t held = give(t, A_ONION, 25), ipv4;

	wall_s += 600;
	assert_int_equal(strangers(t, 1), 15000);
	assert_int_equal(t->counters.bridge_full, 1);
	leads_to(t, held, A_ONION, 25);
	for (int day = 1; day <= 16; day++) {
		pass_days(1);
		assert_int_equal(strangers(t, 20000), 0);
		leads_to(t, held, A_ONION, 25);
		/* there is room for others, always */
		assert_int_equal(
			assign(t, ORIGIN_DNS, A_ONION, (unsigned)day + 100, &ipv4, &wait),
			REASON_NONE);
		assert_int_equal(
			assign(t, ORIGIN_MAP, A_ONION, (unsigned)day + 200, &ipv4, &wait),
			REASON_NONE);
	}
	/* now what nobody has used makes room */
	pass_days(1);
	assert_in_range(strangers(t, 20000), 1, 15000);
	assert_int_equal(t->counters.bridge_addresses, 1 + 15000 + 32 + 15000);
}

static void
a_client_that_connects_uses_it(void **state)
{
	struct table *t = *state;
	struct bridge_wait wait;
	uint32_t held = give(t, A_ONION, 25), ipv4;

	for (int i = 0; i < 10; i++) {
		for (int day = 0; day < 10; day++) {
			pass_days(1);
			assign(t, ORIGIN_MAP, B_ONION, (unsigned)(i * 10 + day + 1),
				&ipv4, &wait);
		}
		leads_to(t, held, A_ONION, 25);
		bridge_state_use(t->state, held);
	}
	WAIT_UNTIL(t->loop, t->kept == 111);
	/* and after a restart, too */
	bridge_state_close(t->state);
	open_table(t);
	assign(t, ORIGIN_MAP, B_ONION, 1000, &ipv4, &wait);
	leads_to(t, held, A_ONION, 25);
}

/* If the clock jumps, nothing has gone unused for that long. */
static void
a_clock_that_jumps(void **state)
{
	struct table *t = *state;
	uint32_t held = give(t, A_ONION, 25);

	pass_days(1000);
	give(t, B_ONION, 25);
	give(t, B_ONION, 26);
	leads_to(t, held, A_ONION, 25);
	bridge_state_close(t->state);
	pass_days(10);
	open_table(t);
	give(t, B_ONION, 27);
	leads_to(t, held, A_ONION, 25);
}

static void
nothing_is_answered_before_it_is_on_the_disk(void **state)
{
	struct table *t = *state;
	struct bridge_wait wait;
	uint32_t known = give(t, A_ONION, 25), ipv4, again;
	uint64_t last = 0;

	slow = true;
	for (unsigned i = 1; i <= 1000; i++) {
		assert_int_equal(
			assign(t, ORIGIN_MAP, B_ONION, i, &ipv4, &wait), REASON_NONE);
		assert_true(wait.number > last && !wait.known);
		last = wait.number;
	}
	/* who asks for the same waits, too; what is known doesn't, nor does the loop */
	assert_int_equal(
		assign(t, ORIGIN_MAP, B_ONION, 1000, &again, &wait), REASON_NONE);
	assert_int_equal(again, ipv4);
	assert_true(wait.number >= last);
	assert_int_equal(assign(t, ORIGIN_MAP, A_ONION, 25, &again, &wait), REASON_NONE);
	assert_int_equal(again, known);
	assert_int_equal(wait.number, 0);
	run_ready(t->loop);
	assert_true(t->kept < last);
	/* all that waited goes together */
	syncs = 0;
	sem_post(&go);
	sem_post(&go);
	WAIT_UNTIL(t->loop, t->kept == last);
	assert_in_range(syncs, 1, 2);
	assert_false(t->kept_before_disk);
	assert_int_equal(
		assign(t, ORIGIN_MAP, B_ONION, 1000, &again, &wait), REASON_NONE);
	assert_int_equal(wait.number, 0);
}

/* One that was used long ago is noted before it is answered; if that fails it is answered
 * all the same. */
static void
a_known_one_that_was_long_unused(void **state)
{
	struct table *t = *state;
	struct bridge_wait wait;
	uint32_t ipv4;

	give(t, A_ONION, 25);
	pass_days(1);
	assign(t, ORIGIN_MAP, A_ONION, 25, &ipv4, &wait);
	assert_int_equal(wait.number, 0);
	for (int day = 0; day < 3; day++) {
		pass_days(1);
		give(t, B_ONION, 25);
	}
	assert_int_equal(assign(t, ORIGIN_MAP, A_ONION, 25, &ipv4, &wait), REASON_NONE);
	assert_true(wait.number > 0 && wait.known);
	WAIT_UNTIL(t->loop, t->kept >= wait.number);
	assign(t, ORIGIN_MAP, A_ONION, 25, &ipv4, &wait);
	assert_int_equal(wait.number, 0);
}

static void
a_disk_that_fails(void **state)
{
	struct table *t = *state;
	struct bridge_wait wait;
	uint32_t known = give(t, A_ONION, 25), ipv4, new;

	disk_errno = EIO;
	assert_int_equal(assign(t, ORIGIN_MAP, B_ONION, 25, &new, &wait), REASON_NONE);
	WAIT_UNTIL(t->loop, t->failed > 0);
	assert_true(t->kept < wait.number);
	/* the same, and others, fail at once; those cost nothing */
	assert_int_equal(
		assign(t, ORIGIN_MAP, B_ONION, 25, &ipv4, &wait), REASON_BRIDGE_STATE);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(assign(t, ORIGIN_ONION, B_ONION, 100 + i, &ipv4, &wait),
			REASON_BRIDGE_STATE);
	assert_int_equal(assign(t, ORIGIN_MAP, A_ONION, 25, &ipv4, &wait), REASON_NONE);
	assert_int_equal(ipv4, known);
	assert_int_equal(wait.number, 0);
	/* another try each second */
	disk_errno = 0;
	WAIT_UNTIL(t->loop, t->kept >= 2);
	assert_int_equal(assign(t, ORIGIN_MAP, B_ONION, 25, &ipv4, &wait), REASON_NONE);
	assert_int_equal(ipv4, new);
	assert_int_equal(wait.number, 0);
	assert_int_equal(lines_of(t), 2);
	assert_true(t->counters.state_failures >= 1);
	assert_int_equal(t->counters.bridge_addresses, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_that_is_held, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_client_that_connects_uses_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_jumps, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_answered_before_it_is_on_the_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_known_one_that_was_long_unused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_disk_that_fails, setup, teardown),
	};

	return cmocka_run_group_tests_name("bridge_state", tests, NULL, NULL);
}
