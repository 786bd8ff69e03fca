#include "daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "net/mapfile.h"
#include "net/notify.h"
#include "net/resolver.h"
#include "trace.h"

#define DESCRIPTORS_ASIDE 48

struct daemon {
	const struct config *config;
	struct counters counters;
	struct mapfile *map; /* NULL: none is configured */
	struct loop *loop;
	struct resolver *srv, *tor;
	struct engine *engine;
	struct server *server;
	size_t max_clients;
	bool ending;
	struct endpoint *endpoint; /* these two: one for each listener */
	struct listener **listener;
};

static uint64_t
random_number(void)
{
	uint64_t n;

	arc4random_buf(&n, sizeof(n));
	return n;
}

/* Each client is a file descriptor; some are set aside for DNS, tor and the map. Returns
 * for how many clients there are enough. */
static size_t
raise_file_limit(const struct config *config)
{
	rlim_t aside = DESCRIPTORS_ASIDE + config->nlisteners, clients = 0, have;
	struct rlimit limit;

	for (size_t i = 0; i < config->nlisteners; i++)
		clients += config->listener[i].net.max_clients;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return clients;
	if (limit.rlim_cur < aside + clients) {
		limit.rlim_cur = limit.rlim_max < aside + clients ? limit.rlim_max
								  : aside + clients;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	have = limit.rlim_cur;
	if (have >= aside + clients)
		return clients;
	log_warnx("only %ju file descriptors, %ju needed for max_clients",
		(uintmax_t)have, (uintmax_t)(aside + clients));
	return have - (aside < have / 2 ? aside : have / 2);
}

/* Signals */

static void
drained(void *arg)
{
	struct daemon *d = arg;

	loop_stop(d->loop);
}

static void
end(void *arg)
{
	struct daemon *d = arg;

	if (d->ending) {
		log_warnx("told to end again: not waiting for %zu clients",
			server_clients(d->server));
		loop_stop(d->loop);
		return;
	}
	d->ending = true;
	notify_manager("STOPPING=1");
	log_info("ending");
	for (size_t i = 0; i < d->config->nlisteners; i++)
		listener_stop(d->listener[i]);
	server_drain(d->server, drained, d);
}

static void
reload(void *arg)
{
	struct daemon *d = arg;

	if (d->map != NULL)
		mapfile_reload(d->map);
}

static void
log_counters(void *arg)
{
	const struct counters *c = &((struct daemon *)arg)->counters;

#define LOG_COUNTER(name) log_report("counter " #name " %" PRIu64, c->name);
	COUNTERS(LOG_COUNTER)
#undef LOG_COUNTER
}

/* Parts */

static bool
open_listeners(struct daemon *d)
{
	const struct config *c = d->config;

	d->listener = calloc(c->nlisteners, sizeof(*d->listener));
	d->endpoint = calloc(c->nlisteners, sizeof(*d->endpoint));
	if (d->listener == NULL || d->endpoint == NULL) {
		log_error("listeners");
		return false;
	}
	for (size_t i = 0; i < c->nlisteners; i++) {
		if (!net_addr_is_local(&c->listener[i].net.addr))
			log_warnx("listener %s: can be reached from other machines",
				c->listener[i].net.name);
		if ((d->listener[i] = listener_open(&c->listener[i].net)) == NULL)
			return false;
	}
	return true;
}

struct daemon *
daemon_open(const struct config *config)
{
	struct daemon *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		log_error("daemon");
		return NULL;
	}
	d->config = config;
	d->max_clients = raise_file_limit(config);
	if ((config->map == NULL ||
		    (d->map = mapfile_open(config->map, &d->counters)) != NULL) &&
		open_listeners(d))
		return d;
	daemon_close(d);
	return NULL;
}

static bool
start_resolvers(struct daemon *d)
{
	const struct config *c = d->config;
	struct resolver_config srv = {.type = DNS_TYPE_SRV,
		.servers = c->resolvers,
		.timeout_ms = c->dns_timeout_ms,
		.tries = c->dns_tries};
	struct resolver_config tor = {.type = DNS_TYPE_A,
		.servers = c->tor_dnsport,
		.timeout_ms = c->tor_timeout_ms,
		.tries = c->tor_tries,
		.keep_socket = true};

	d->srv = resolver_new(d->loop, &srv);
	d->tor = resolver_new(d->loop, &tor);
	return d->srv != NULL && d->tor != NULL;
}

static bool
start_engine(struct daemon *d)
{
	const struct config *c = d->config;
	struct engine_config config = {.srv_prefix = c->srv_prefix,
		.on_failure = c->on_failure,
		.ttl_min = (uint32_t)c->min_ttl,
		.ttl_max = (uint32_t)c->max_ttl,
		.negative_ttl_max = (uint32_t)c->max_negative_ttl,
		.cache_entries = (size_t)c->cache_entries,
		.max_lookups = (size_t)c->max_lookups,
		.max_flights = (size_t)c->max_flights,
		.hash_key = {random_number(), random_number()}};
	struct engine_ports ports = {.map = d->map ? mapfile_source(d->map) : NULL,
		.srv = resolver_source(d->srv),
		.tor = resolver_source(d->tor),
		.random = random_number,
		.counters = &d->counters,
		.observe = c->log_level == LOG_LEVEL_DEBUG ? trace_lookup : NULL};

	d->engine = engine_new(&config, &ports);
	if (d->engine == NULL)
		log_errorx("out of memory");
	return d->engine != NULL;
}

static bool
start_listener(struct daemon *d, size_t i)
{
	const struct listener_options *o = &d->config->listener[i];
	struct endpoint *e = &d->endpoint[i];

	e->proto = o->proto;
	e->render = (struct render){.style = o->style, .transport = o->transport};
	e->profile = profile_new(d->engine, o->style, o->deadline_ms);
	return e->profile != NULL && listener_start(d->listener[i], d->server, e);
}

static bool
start_serving(struct daemon *d)
{
	struct server_config config = {.loop = d->loop,
		.engine = d->engine,
		.counters = &d->counters,
		.client_timeout_ms = d->config->client_timeout_ms,
		.max_clients = d->max_clients};

	if ((d->server = server_new(&config)) == NULL)
		return false;
	for (size_t i = 0; i < d->config->nlisteners; i++)
		if (!start_listener(d, i))
			return false;
	return d->map == NULL || mapfile_watch(d->map, d->loop);
}

static bool
watch_signals(struct daemon *d)
{
	signal(SIGPIPE, SIG_IGN);
	return loop_on_signal(d->loop, SIGTERM, end, d) &&
	       loop_on_signal(d->loop, SIGINT, end, d) &&
	       loop_on_signal(d->loop, SIGHUP, reload, d) &&
	       loop_on_signal(d->loop, SIGUSR1, log_counters, d);
}

bool
daemon_start(struct daemon *d)
{
	return (d->loop = loop_new()) != NULL && start_resolvers(d) && start_engine(d) &&
	       start_serving(d) && watch_signals(d);
}

void
daemon_run(struct daemon *d)
{
	log_info("ready, %zu listeners", d->config->nlisteners);
	notify_manager("READY=1");
	loop_run(d->loop);
	log_info("ended");
}

void
daemon_close(struct daemon *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; d->listener != NULL && i < d->config->nlisteners; i++)
		if (d->listener[i] != NULL)
			listener_stop(d->listener[i]);
	server_free(d->server);
	for (size_t i = 0; d->listener != NULL && i < d->config->nlisteners; i++)
		listener_free(d->listener[i]);
	engine_free(d->engine);
	resolver_free(d->srv);
	resolver_free(d->tor);
	mapfile_free(d->map);
	loop_free(d->loop);
	free(d->listener);
	free(d->endpoint);
	free(d);
}
