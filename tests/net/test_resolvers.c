/* Which resolvers there are: those of the configuration or of a file, as it changes. The
 * engine is a fake that takes them, or has no memory. */
#include "shell.h"

#include <fcntl.h>
#include <unistd.h>

#include "net/resolvers.h"

struct engine {
	bool no_memory;
	unsigned refused;
	size_t n;
	struct dns_source *source[UPSTREAM_SERVERS];
};

bool
engine_set_dns(
	struct engine *e, struct dns_source *const dns[], size_t n, struct monotime now)
{
	(void)now;
	if (e->no_memory) {
		e->refused++;
		return false;
	}
	assert_true(n <= UPSTREAM_SERVERS);
	e->n = n;
	memcpy(e->source, dns, n * sizeof(dns[0]));
	return true;
}

static struct loop *loop;
static struct counters counters;
static struct engine engine;
static char file[64];

static void
begin(void)
{
	memset(&faults, 0, sizeof(faults));
	memset(&engine, 0, sizeof(engine));
	loop = loop_new();
	log_capture();
}

static const char *
end(struct resolvers *r)
{
	resolvers_close(r);
	run_ready(loop);
	loop_free(loop);
	unlink(file);
	return log_taken();
}

static void
write_file(const char *text)
{
	FILE *f;

	snprintf(file, sizeof(file), "/tmp/resolvers.%ld", (long)getpid());
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static struct resolvers *
open_file(const char *text, enum dnssec dnssec)
{
	struct resolvers *r;

	write_file(text);
	r = resolvers_open(&(struct resolvers_config){.loop = loop,
		.counters = &counters,
		.file = file,
		.tcp_ms = 1000,
		.dnssec = dnssec});
	assert_non_null(r);
	engine.n = resolvers_sources(r, engine.source);
	assert_true(resolvers_start(r, &engine));
	return r;
}

/* Are these the engine's, and the only ones? */
static bool
has(const char *names)
{
	char text[UPSTREAM_SERVERS * (NET_ADDR_TEXT + 1)] = "";

	for (size_t i = 0; i < engine.n; i++)
		strcat(strcat(text, i > 0 ? " " : ""), engine.source[i]->name);
	return strcmp(text, names) == 0;
}

static void
the_file_changes(void **state)
{
	struct dns_source *stays;
	struct resolvers *r;

	(void)state;
	begin();
	r = open_file("nameserver 127.0.0.1\nnameserver 127.0.0.2\n", DNSSEC_OFF);
	assert_true(has("127.0.0.1:53 127.0.0.2:53"));
	stays = engine.source[1];
	write_file("nameserver 127.0.0.2\nnameserver 127.0.0.3\n");
	WAIT_UNTIL(loop, has("127.0.0.2:53 127.0.0.3:53"));
	assert_ptr_equal(engine.source[0], stays);
	write_file("nameserver 127.0.0.3\nnameserver 127.0.0.3\n");
	WAIT_UNTIL(loop, has("127.0.0.3:53"));
	end(r);
}

/* What couldn't be taken is taken later, though the file changes no more. */
static void
without_memory_it_is_tried_again(void **state)
{
	struct resolvers *r;

	(void)state;
	begin();
	r = open_file("nameserver 127.0.0.1\n", DNSSEC_OFF);
	engine.no_memory = true;
	write_file("nameserver 127.0.0.2\n");
	WAIT_UNTIL(loop, engine.refused > 1);
	assert_true(has("127.0.0.1:53"));
	engine.no_memory = false;
	WAIT_UNTIL(loop, has("127.0.0.2:53"));
	end(r);
}

static void
one_that_is_configured_twice_counts_once(void **state)
{
	struct net_addr server[3];
	struct resolvers *r;

	(void)state;
	begin();
	for (size_t i = 0; i < 3; i++)
		assert_null(net_addr_parse(
			&server[i], i == 1 ? "127.0.0.2" : "127.0.0.1:53", 53));
	r = resolvers_open(&(struct resolvers_config){.loop = loop,
		.counters = &counters,
		.server = server,
		.n = 3,
		.tcp_ms = 1000});
	assert_non_null(r);
	engine.n = resolvers_sources(r, engine.source);
	assert_true(has("127.0.0.1:53 127.0.0.2:53"));
	end(r);
}

/* Whether they validate is being asked when they leave, or when all ends. */
static void
resolvers_leave_while_they_are_asked(void **state)
{
	struct resolvers *r;

	(void)state;
	begin();
	r = open_file("nameserver 127.0.0.1\nnameserver 127.0.0.2\n", DNSSEC_PREFER);
	write_file("nameserver 127.0.0.3\n");
	WAIT_UNTIL(loop, has("127.0.0.3:53"));
	end(r);
	begin();
	r = open_file("nameserver 127.0.0.1\n", DNSSEC_PREFER);
	end(r);
}

static unsigned
verdicts(const char *log)
{
	return count_words(log, "no resolver on this machine validates DNSSEC");
}

/* One has answered without AD and another not yet when the file changes: that is no
 * verdict. It falls when all that there are have answered. */
static void
a_change_is_no_verdict(void **state)
{
	struct test_server plain, silent;
	struct resolvers *r;

	(void)state;
	begin();
	server_start(&plain, loop, 1);
	server_start_beside(&silent, &plain, 2);
	faults.dns_port = server_port(&plain);
	plain.by_udp = BY_UDP_ANSWER;
	r = open_file("nameserver 127.0.0.1\nnameserver 127.0.0.2\n", DNSSEC_PREFER);
	WAIT_UNTIL(loop, plain.udp_seen > 0 && silent.udp_seen > 0);
	run_ready(loop);
	write_file("nameserver 127.0.0.2\n");
	WAIT_UNTIL(loop, has("127.0.0.2:53"));
	WAIT_UNTIL(loop, silent.udp_seen > 1);
	assert_int_equal(verdicts(log_taken()), 0);
	log_capture();
	silent.by_udp = BY_UDP_ANSWER;
	write_file("nameserver 127.0.0.2\nnameserver 127.0.0.1\n");
	WAIT_UNTIL(loop, has("127.0.0.2:53 127.0.0.1:53"));
	WAIT_UNTIL(loop, plain.udp_seen > 1);
	run_ready(loop);
	server_stop(&plain);
	server_stop(&silent);
	assert_int_equal(verdicts(end(r)), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_changes),
		cmocka_unit_test(without_memory_it_is_tried_again),
		cmocka_unit_test(one_that_is_configured_twice_counts_once),
		cmocka_unit_test(resolvers_leave_while_they_are_asked),
		cmocka_unit_test(a_change_is_no_verdict),
	};

	return cmocka_run_group_tests_name("net/resolvers", tests, NULL, NULL);
}
