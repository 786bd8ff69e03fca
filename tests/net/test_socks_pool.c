/* SOCKS ports that go and come back, and probes for which there is no memory. */
#include "shell.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../daemon/net/bridge/socks_pool.h"
#include "core/breaker.h"

static struct loop *loop;
static struct counters counters;
static struct net_addr address;
static struct socks_pool *pool;

static int
bind_port(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (const struct sockaddr *)&address.sa, address.len), 0);
	getsockname(fd, (struct sockaddr *)&address.sa, &address.len);
	return fd;
}

/* A port that nobody listens on. */
static void
begin(void)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address.sa;

	memset(&faults, 0, sizeof(faults));
	memset(&counters, 0, sizeof(counters));
	*in = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	address.len = sizeof(*in);
	close(bind_port());
	loop = loop_new();
	pool = socks_pool_new(loop, &address, 1, &counters);
	log_capture();
}

static void
end(void)
{
	socks_pool_free(pool);
	loop_free(loop);
}

static void
fail_connections(void)
{
	for (int i = 0; i < BREAKER_FAILURES; i++)
		socks_pool_failed(pool, 0);
}

static bool
works(void)
{
	return socks_pool_choose(pool, 0) == 0;
}

static void
it_goes_and_comes_back(void **state)
{
	const char *log;
	char greeting[3];
	int fd, client;

	(void)state;
	begin();
	fail_connections();
	assert_true(works());
	WAIT_UNTIL(loop, !works());
	assert_int_equal(counters.socks_down, 1);
	fd = bind_port();
	assert_int_equal(listen(fd, 8), 0);
	WAIT_UNTIL(loop, (client = accept(fd, NULL, NULL)) >= 0);
	WAIT_UNTIL(loop, recv(client, greeting, 3, MSG_DONTWAIT) == 3);
	assert_int_equal(send(client, "\5\0", 2, MSG_NOSIGNAL), 2);
	WAIT_UNTIL(loop, works());
	close(client);
	close(fd);
	end();
	log = log_taken();
	assert_int_equal(count_words(log, "is down"), 1);
	assert_int_equal(count_words(log, "is back"), 1);
}

static bool
probed_in_vain(void)
{
	return counters.socks_down > 0 && faults.event_adds > 10;
}

/* There is no memory for any event while it is probed. Later it comes back, though
 * nothing but its probes can find that out. */
static void
without_events_it_is_probed_all_the_same(void **state)
{
	int fd, client = -1;

	(void)state;
	begin();
	faults.event_add = true;
	fail_connections();
	WAIT_UNTIL(loop, probed_in_vain());
	assert_false(works());
	faults.event_add = false;
	fd = bind_port();
	assert_int_equal(listen(fd, 8), 0);
	WAIT_UNTIL(loop, (client = accept(fd, NULL, NULL)) >= 0);
	assert_int_equal(send(client, "\5\0", 2, MSG_NOSIGNAL), 2);
	WAIT_UNTIL(loop, works());
	close(client);
	close(fd);
	end();
	assert_int_equal(count_words(log_taken(), "is back"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_and_comes_back),
		cmocka_unit_test(without_events_it_is_probed_all_the_same),
	};

	return cmocka_run_group_tests_name("net/socks_pool", tests, NULL, NULL);
}
