/* Each part that adds events, when one of its calls is refused: by libevent, for lack of
 * memory, or by the kernel. Each call is refused once, and the part must work in the end.
 * The parts that only look at a file now and then have no memory all the time. */
#include "shell.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../daemon/net/acceptor.h"
#include "../../daemon/net/bridge/bridge_socket.h"
#include "core/readsocket.h"
#include "net/bridge.h"
#include "net/cachefile.h"
#include "net/control.h"
#include "net/listener.h"
#include "net/mapfile.h"
#include "net/resolvconf.h"

#define ONION "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion"

static struct loop *loop;
static struct counters counters;
static char dir[] = "/tmp/onionmxd-refused-XXXXXX";
static char socket_name[5 + sizeof(dir) + 16]; /* "unix:" and its path */
static const char *const socket_path = socket_name + 5;
static unsigned nth;
static bool by_kernel;

/* From here on the nth call is refused. */
static void
arm(void)
{
	*(by_kernel ? &faults.nth_epoll_ctl : &faults.nth_event_add) = nth;
}

static void
refuse_each(void (*scenario)(void))
{
	unsigned calls = 0;

	for (int i = 0; i <= 1; i++) {
		by_kernel = i == 1;
		nth = 0;
		do {
			nth++;
			memset(&faults, 0, sizeof(faults));
			memset(&counters, 0, sizeof(counters));
			loop = loop_new();
			assert_non_null(loop);
			log_capture();
			scenario();
			log_taken();
			loop_free(loop);
		} while (faults.event_adds > 0);
		calls += nth - 1;
	}
	assert_true(calls > 0);
}

static int
make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(socket_name, sizeof(socket_name), "unix:%s/socket", dir);
	return 0;
}

static int
remove_dir(void **state)
{
	char command[sizeof(dir) + 16];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command); // NOLINT(cert-env33-c)
}

/* Sockets */

static char name[] = "test";
static struct listener_config listener_config;

static void
prepare_listener(void)
{
	listener_config = (struct listener_config){.name = name,
		.max_clients = 8,
		.mode = 0600,
		.owner = (uid_t)-1,
		.group = (gid_t)-1};
	assert_null(net_addr_parse(&listener_config.addr, socket_name, 0));
}

static int
connect_unix(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	strcpy(un.sun_path, socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* What a client is told until the end of its connection; "" if it is told nothing. */
static const char *
talk(const char *words)
{
	static char text[16 * 1024];
	size_t len = 0;
	int fd = connect_unix();
	ssize_t n = -1;

	assert_int_equal(
		send(fd, words, strlen(words), MSG_NOSIGNAL), (ssize_t)strlen(words));
	WAIT_UNTIL(loop, (n = recv(fd, text + len, sizeof(text) - 1 - len, 0)) == 0 ||
				 (n < 0 && errno == ECONNRESET) ||
				 (n > 0 && (len += (size_t)n) == 0));
	close(fd);
	text[len] = '\0';
	return text;
}

/* Its listener works, though the first client may have been sent away. */
static void
assert_serves(const char *words, const char *answer)
{
	const char *first = talk(words);

	if (strncmp(first, answer, strlen(answer)) == 0)
		return;
	assert_string_equal(first, "");
	first = talk(words);
	assert_memory_equal(first, answer, strlen(answer));
}

/* The acceptor */

static unsigned accepted;

static void
take(void *arg, int fd)
{
	(void)arg;
	close(fd);
	accepted++;
}

static void
open_acceptor(struct acceptor *a)
{
	const struct acceptor_user user = {.accepted = take, .counters = &counters};

	prepare_listener();
	accepted = 0;
	assert_true(acceptor_open(a, &listener_config));
	acceptor_start(a, loop, &user);
}

static void
accept_some(void)
{
	struct acceptor a;
	int fd;

	arm();
	open_acceptor(&a);
	faults.accept_errno = EMFILE;
	fd = connect_unix();
	WAIT_UNTIL(loop, counters.accepts_paused > 1);
	faults.accept_errno = 0;
	WAIT_UNTIL(loop, accepted == 1);
	close(fd);
	acceptor_close(&a);
}

static void
an_acceptor_accepts(void **state)
{
	(void)state;
	refuse_each(accept_some);
}

/* Whatever the error, it isn't met again and again without a pause. */
static void
no_error_of_accept_spins(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EIO, EPROTO,
		ENETDOWN, EHOSTUNREACH, ENOSR, EINVAL};
	struct acceptor a;
	const char *log;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int fd;

		memset(&faults, 0, sizeof(faults));
		memset(&counters, 0, sizeof(counters));
		loop = loop_new();
		log_capture();
		open_acceptor(&a);
		faults.accept_errno = errors[i];
		fd = connect_unix();
		run_ready(loop);
		assert_int_equal(faults.accepts, 1);
		WAIT_UNTIL(loop, faults.accepts == 2);
		faults.accept_errno = 0;
		WAIT_UNTIL(loop, accepted == 1);
		close(fd);
		acceptor_close(&a);
		loop_free(loop);
		log = log_taken();
		assert_int_equal(count_words(log, "can't accept more clients"), 1);
		assert_int_equal(count_words(log, strerror(errors[i])), 1);
	}
}

/* Clients of a listener and of the control socket */

static uint64_t
no_number(void)
{
	return 1;
}

static struct engine *
open_engine(void)
{
	const struct engine_config config = {.srv_prefix = "_onion-mx._tcp.",
		.dns = {60000, 1},
		.cache = {.entries = 100, .bytes = 100000},
		.max_lookups = 10,
		.max_queries = 10,
		.max_waiters = 10};
	const struct engine_ports ports = {.random = no_number, .counters = &counters};
	struct engine *engine = engine_new(&config, &ports);

	assert_non_null(engine);
	return engine;
}

static void
serve_clients(void)
{
	struct engine *engine = open_engine();
	struct endpoint endpoint = {.proto = &proto_readsocket,
		.render = {.style = STYLE_ONION, .transport = "smtptor"},
		.profile = engine_profile_new(engine, STYLE_ONION, 1000),
		.engine = engine};
	struct listener *listener;
	struct clients *clients;

	prepare_listener();
	arm();
	clients = clients_new(&(struct clients_config){.loop = loop,
		.counters = &counters,
		.client_timeout_ms = 1000,
		.max_clients = 8});
	listener = listener_open(&listener_config);
	assert_true(clients != NULL && listener != NULL && endpoint.profile != NULL);
	listener_start(listener, clients, &endpoint);
	assert_serves("route " ONION "\n", "OK ");
	assert_serves("nonsense\n", "TEMP ");
	assert_serves("rou", "TEMP "); /* after client_timeout_ms */
	listener_stop(listener);
	clients_free(clients);
	listener_free(listener);
	engine_free(engine);
}

static void
a_listener_serves(void **state)
{
	(void)state;
	refuse_each(serve_clients);
}

static void
serve_commands(void)
{
	struct control *control;

	prepare_listener();
	arm();
	control = control_open(&listener_config);
	assert_non_null(control);
	control_start(control, &(struct control_config){.loop = loop,
				       .counters = &counters,
				       .commands = {.counters = &counters},
				       .timeout_ms = 1000});
	assert_serves("counters\n", "ok ");
	control_close(control);
}

static void
the_control_socket_serves(void **state)
{
	(void)state;
	refuse_each(serve_commands);
}

/* The bridge */

static uint16_t
free_port(int *fd)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	*fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(*fd, 8), 0);
	getsockname(*fd, (struct sockaddr *)&in, &len);
	return ntohs(in.sin_port);
}

static void
never(void *arg, int fd, const struct sockaddr_in *address)
{
	(void)arg;
	(void)fd;
	(void)address;
	fail();
}

static void
take_a_port_from_another(void)
{
	struct bridge_socket_config config = {
		.loop = loop, .counters = &counters, .accepted = never};
	struct bridge_socket *first, *second;
	int fd;

	config.port = free_port(&fd);
	close(fd);
	first = bridge_socket_open(&config);
	assert_true(bridge_socket_is_held(first));
	arm();
	second = bridge_socket_open(&config);
	assert_non_null(second);
	assert_false(bridge_socket_is_held(second));
	bridge_socket_close(first);
	WAIT_UNTIL(loop, bridge_socket_is_held(second));
	bridge_socket_close(second);
}

static void
the_port_of_the_bridge_is_taken(void **state)
{
	(void)state;
	refuse_each(take_a_port_from_another);
}

static int64_t
wall(void)
{
	return 0;
}

static void
kept(void *arg, uint64_t upto, bool good)
{
	(void)arg;
	(void)upto;
	(void)good;
}

static struct bridge *
open_bridge(const struct net_addr *socks)
{
	struct bridge_config config = {.loop = loop,
		.counters = &counters,
		.addresses = {.net = 0x7f2a0000, .prefix = 16, .max = 8},
		.state_dir = dir,
		.socks = socks,
		.nsocks = 1,
		.any_user = true,
		.connect_ms = 60000,
		.idle_ms = 60000,
		.max_clients = 8,
		.wall = wall,
		.kept = kept};
	struct bridge *bridge;
	int fd;

	config.port = free_port(&fd);
	close(fd);
	bridge = bridge_open(&config);
	assert_non_null(bridge);
	return bridge;
}

static int
connect_bridge(struct bridge *bridge)
{
	struct answer a = {.route = {.n = 1,
				   .target = {{.host = ONION,
					   .port = 25,
					   .hostlen = sizeof(ONION) - 1}}}};
	const struct map_options options = {0};
	struct domain domain = {0};
	struct bridge_wait wait = {0};
	struct sockaddr_in in = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bridge_route(bridge, &domain, &options, &a, &wait), REASON_NONE);
	in.sin_addr.s_addr = htonl(a.route.target[0].ipv4);
	in.sin_port = htons(a.route.target[0].port);
	assert_true(connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0 ||
		    errno == EINPROGRESS);
	return fd;
}

static void
wait_for_bytes(int fd, ssize_t n)
{
	char bytes[256];
	ssize_t got = 0, more;

	WAIT_UNTIL(loop,
		(more = recv(fd, bytes, sizeof(bytes), 0)) > 0 && (got += more) >= n);
}

static void
send_bytes(int fd, const char *bytes, size_t n)
{
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void
relay_mail(void)
{
	struct bridge *bridge;
	struct net_addr socks;
	char text[32];
	int listening, tor = -1, client;

	snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)free_port(&listening));
	assert_null(net_addr_parse(&socks, text, 0));
	arm();
	bridge = open_bridge(&socks);
	client = connect_bridge(bridge);
	WAIT_UNTIL(loop, (tor = accept(listening, NULL, NULL)) >= 0);
	fcntl(tor, F_SETFL, O_NONBLOCK);
	wait_for_bytes(tor, 3);
	send_bytes(tor, "\5\0", 2);
	wait_for_bytes(tor, 4 + 1 + (ssize_t)strlen(ONION) + 2);
	send_bytes(tor, "\5\0\0\1\0\0\0\0\0\0", 10);
	send_bytes(tor, "220 there\r\n", 11);
	wait_for_bytes(client, 11);
	send_bytes(client, "QUIT\r\n", 6);
	wait_for_bytes(tor, 6);
	close(tor);
	WAIT_UNTIL(loop, recv(client, text, sizeof(text), 0) == 0);
	close(client);
	close(listening);
	bridge_close(bridge);
}

static void
mail_goes_through_the_bridge(void **state)
{
	(void)state;
	refuse_each(relay_mail);
}

static void
note(void *arg)
{
	*(bool *)arg = true;
}

/* Its time for those that are connected is over, though it can't be waited for. */
static void
the_bridge_ends(void **state)
{
	struct net_addr socks;
	struct bridge *bridge;
	bool ended = false;
	char text[32];
	int listening, client;

	(void)state;
	memset(&faults, 0, sizeof(faults));
	loop = loop_new();
	snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)free_port(&listening));
	assert_null(net_addr_parse(&socks, text, 0));
	bridge = open_bridge(&socks);
	client = connect_bridge(bridge);
	WAIT_UNTIL(loop, counters.bridge_clients > 0);
	faults.event_add = true;
	bridge_drain(bridge, 100, note, &ended);
	WAIT_UNTIL(loop, ended);
	assert_true(faults.event_adds > 0);
	faults.event_add = false;
	close(client);
	close(listening);
	bridge_close(bridge);
	loop_free(loop);
}

/* Files that are looked at now and then */

static void
write_file(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void
begin_without_memory(void)
{
	memset(&faults, 0, sizeof(faults));
	memset(&counters, 0, sizeof(counters));
	loop = loop_new();
	assert_non_null(loop);
	log_capture();
	faults.event_add = true;
}

static void
end_without_memory(void)
{
	assert_true(faults.event_adds > 0);
	faults.event_add = false;
	log_taken();
	loop_free(loop);
}

/* Without memory no new map is loaded, but as soon as there is some. */
static void
a_map_is_looked_at(void **state)
{
	char path[sizeof(dir) + 8], empty[2048] = {0};
	struct mapfile *map;

	(void)state;
	for (size_t i = 0; i < sizeof(empty); i += 8)
		empty[i + 1] = 8; /* a table of no slots, at 2048 */
	snprintf(path, sizeof(path), "%s/map", dir);
	write_file(path, empty, sizeof(empty));
	begin_without_memory();
	map = mapfile_open(path, 1 << 20, &counters);
	assert_non_null(map);
	mapfile_watch(map, loop);
	unlink(path);
	write_file(path, empty, sizeof(empty));
	WAIT_UNTIL(loop, counters.map_load_failures == 1);
	assert_int_equal(counters.map_loads, 1);
	faults.event_add = false;
	WAIT_UNTIL(loop, counters.map_loads == 2);
	mapfile_free(map);
	end_without_memory();
}

static bool
file_changed(void *arg)
{
	return *(bool *)arg = true;
}

static void
resolv_conf_is_looked_at(void **state)
{
	static const char first[] = "nameserver 127.0.0.1\n";
	static const char second[] = "nameserver 127.0.0.2\n";
	struct resolvconf_watch *watch;
	struct resolvconf known;
	char path[sizeof(dir) + 12];
	bool changed = false;

	(void)state;
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	write_file(path, first, strlen(first));
	resolvconf_read(path, &known);
	begin_without_memory();
	watch = resolvconf_watch_start(loop, path, &known, file_changed, &changed);
	assert_non_null(watch);
	write_file(path, second, strlen(second));
	WAIT_UNTIL(loop, changed);
	resolvconf_watch_cancel(watch);
	end_without_memory();
}

static void
the_cache_is_written(void **state)
{
	struct engine *engine = open_engine();
	struct signals *signals;
	struct cachefile *file;
	char path[sizeof(dir) + 8];

	(void)state;
	snprintf(path, sizeof(path), "%s/cache", dir);
	begin_without_memory();
	assert_non_null(signals = signals_new(loop));
	file = cachefile_open(&(struct cachefile_config){.dir = dir,
		.save_s = 1,
		.srv_prefix = "_onion-mx._tcp.",
		.loop = loop,
		.signals = signals,
		.engine = engine,
		.counters = &counters});
	assert_non_null(file);
	faults.event_add = false; /* without its signal it doesn't start */
	assert_true(cachefile_start(file));
	for (int i = 0; i < 2; i++) {
		faults.event_add = true;
		WAIT_UNTIL(loop, access(path, F_OK) == 0);
		unlink(path);
	}
	cachefile_close(file);
	signals_free(signals);
	engine_free(engine);
	end_without_memory();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_acceptor_accepts),
		cmocka_unit_test(no_error_of_accept_spins),
		cmocka_unit_test(a_listener_serves),
		cmocka_unit_test(the_control_socket_serves),
		cmocka_unit_test(the_port_of_the_bridge_is_taken),
		cmocka_unit_test(mail_goes_through_the_bridge),
		cmocka_unit_test(the_bridge_ends),
		cmocka_unit_test(a_map_is_looked_at),
		cmocka_unit_test(resolv_conf_is_looked_at),
		cmocka_unit_test(the_cache_is_written),
	};

	return cmocka_run_group_tests_name("net/refused", tests, make_dir, remove_dir);
}
