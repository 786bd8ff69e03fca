#include "daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "net/cachefile.h"
#include "net/control.h"
#include "net/mapfile.h"
#include "net/notify.h"
#include "net/pinfile.h"
#include "net/resolver.h"
#include "trace.h"

#define DESCRIPTORS_ASIDE 96

struct daemon {
	const struct config *config;
	struct counters counters;
	struct mapfile *map; /* NULL: none is configured */
	struct loop *loop;
	struct resolver *dns[UPSTREAM_SERVERS], *tor;
	size_t ndns;
	struct pins *pins; /* NULL: none are kept */
	struct pinfile *pinfile;
	struct engine *engine;
	struct cachefile *cachefile; /* NULL: none is kept */
	struct control *control;     /* NULL: none */
	struct control_listener *shown;
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

static int64_t
wall_clock(void)
{
	return (int64_t)time(NULL);
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
	control_close(d->control);
	d->control = NULL;
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
		open_listeners(d) &&
		(!config->has_control ||
			(d->control = control_open(&config->control)) != NULL))
		return d;
	daemon_close(d);
	return NULL;
}

/* How long the last answer to a question can be of use. */
static int
whole_timeout(int timeout_ms, int tries)
{
	const int max = 60000;

	for (; tries > 1 && timeout_ms < max; tries--)
		timeout_ms *= 2;
	return timeout_ms < max ? timeout_ms : max;
}

static bool
start_resolver(struct daemon *d, const struct net_addr *server)
{
	const struct config *c = d->config;
	struct resolver_config config = {.server = *server,
		.timeout_ms = whole_timeout(c->dns_timeout_ms, c->dns_tries),
		.ask_ad = c->dnssec != DNSSEC_OFF};

	if (c->dnssec == DNSSEC_REQUIRE && !net_addr_is_local(server)) {
		log_errorx("dnssec = require needs resolvers on this machine, and those "
			   "of /etc/resolv.conf aren't");
		return false;
	}
	if ((d->dns[d->ndns] = resolver_new(d->loop, &config)) == NULL)
		return false;
	d->ndns++;
	return true;
}

static bool
start_resolvers(struct daemon *d)
{
	const struct config *c = d->config;
	struct net_addr system[UPSTREAM_SERVERS];
	const struct net_addr *server = c->resolver;
	size_t n = c->nresolvers;
	struct resolver_config tor = {.server = c->tor_dnsport,
		.timeout_ms = whole_timeout(c->tor_timeout_ms, c->tor_tries),
		.keep_socket = true};

	if (n == 0) {
		n = resolver_of_system(system, UPSTREAM_SERVERS);
		server = system;
	}
	for (size_t i = 0; i < n; i++)
		if (!start_resolver(d, &server[i]))
			return false;
	d->tor = resolver_new(d->loop, &tor);
	return n > 0 && d->tor != NULL;
}

static void
deadline_changed(void *arg)
{
	struct daemon *d = arg;

	if (d->server != NULL)
		server_deadline_changed(d->server);
}

static struct engine_config
engine_config_of(const struct config *c)
{
	return (struct engine_config){.srv_prefix = c->srv_prefix,
		.on_failure = c->on_failure,
		.dnssec = c->dnssec,
		.on_insecure = c->on_insecure,
		.protect_authenticated = c->protect_authenticated,
		.follow_mx = c->follow_mx,
		.dns = {c->dns_timeout_ms, (unsigned)c->dns_tries},
		.tor = {c->tor_timeout_ms, (unsigned)c->tor_tries},
		.ttl_min = (uint32_t)c->min_ttl,
		.ttl_max = (uint32_t)c->max_ttl,
		.negative_ttl_max = (uint32_t)c->max_negative_ttl,
		.cache = {.entries = (size_t)c->cache_entries,
			.bytes = (size_t)c->cache_bytes,
			.stale_s = (uint32_t)c->max_stale,
			.failure_s = (uint32_t)c->failure_ttl,
			.key = {random_number(), random_number()}},
		.max_lookups = (size_t)c->max_lookups,
		.max_flights = (size_t)c->max_flights,
		.max_waiters = (size_t)c->max_waiters};
}

/* No domain may be in the log; the control socket tells. */
static void
pinned(void *arg, const struct domain *domain, enum pin_verdict verdict)
{
	struct daemon *d = arg;

	if (verdict == PIN_CHANGED)
		log_warnx("the route of a pinned domain has changed, and the change is "
			  "held back: see \"onionmap pin held\"");
	pinfile_note(d->pinfile, domain);
}

static bool
start_pins(struct daemon *d)
{
	const struct config *c = d->config;
	struct pins_config config = {.max = (size_t)c->max_pins,
		.hold_s = c->pin_hold,
		.key = {random_number(), random_number()}};

	if (!c->pin_srv)
		return true;
	if ((d->pins = pins_new(&config)) == NULL) {
		log_errorx("out of memory");
		return false;
	}
	d->pinfile = pinfile_open(c->state_dir, d->pins, &d->counters);
	return d->pinfile != NULL;
}

static bool
start_cachefile(struct daemon *d)
{
	const struct config *c = d->config;
	struct cachefile_config config = {.dir = c->state_dir,
		.save_s = c->cache_save,
		.srv_prefix = c->srv_prefix,
		.ask_ad = c->dnssec != DNSSEC_OFF,
		.loop = d->loop,
		.engine = d->engine,
		.counters = &d->counters};

	if (c->state_dir == NULL)
		return true;
	d->cachefile = cachefile_open(&config);
	return d->cachefile != NULL && cachefile_start(d->cachefile);
}

static bool
start_engine(struct daemon *d)
{
	const struct config *c = d->config;
	struct engine_config config = engine_config_of(c);
	struct engine_ports ports = {.map = d->map ? mapfile_source(d->map) : NULL,
		.ndns = d->ndns,
		.tor = resolver_source(d->tor),
		.random = random_number,
		.counters = &d->counters,
		.pins = d->pins,
		.wall = wall_clock,
		.pinned = pinned,
		.pinned_arg = d,
		.observe = c->log_level == LOG_LEVEL_DEBUG ? trace_lookup : NULL,
		.alarm = deadline_changed,
		.alarm_arg = d};

	for (size_t i = 0; i < d->ndns; i++)
		ports.dns[i] = resolver_source(d->dns[i]);
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

/* Explanations take as long as an answer to Exim may. */
#define EXPLAIN_MS 4000

static bool
start_control(struct daemon *d)
{
	const struct config *c = d->config;
	struct control_config config = {.loop = d->loop,
		.engine = d->engine,
		.counters = &d->counters,
		.pins = d->pins,
		.pinfile = d->pinfile,
		.names = profile_new(d->engine, STYLE_ONION, EXPLAIN_MS),
		.addresses = profile_new(d->engine, STYLE_ADDRESS, EXPLAIN_MS),
		.nlisteners = c->nlisteners,
		.timeout_ms = c->client_timeout_ms};

	if (d->control == NULL)
		return true;
	d->shown = calloc(c->nlisteners, sizeof(d->shown[0]));
	if (config.names == NULL || config.addresses == NULL || d->shown == NULL) {
		log_errorx("out of memory");
		return false;
	}
	for (size_t i = 0; i < c->nlisteners; i++)
		d->shown[i] = (struct control_listener){
			c->listener[i].net.name, &d->endpoint[i]};
	config.listener = d->shown;
	return control_start(d->control, &config);
}

static bool
watch_signals(struct daemon *d)
{
	return loop_on_signal(d->loop, SIGTERM, end, d) &&
	       loop_on_signal(d->loop, SIGINT, end, d) &&
	       loop_on_signal(d->loop, SIGHUP, reload, d) &&
	       loop_on_signal(d->loop, SIGUSR1, log_counters, d);
}

bool
daemon_start(struct daemon *d)
{
	/* A full disk, or a limit to a file's size, is an error like others. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return (d->loop = loop_new()) != NULL && start_resolvers(d) && start_pins(d) &&
	       start_engine(d) && start_cachefile(d) && start_serving(d) &&
	       start_control(d) && watch_signals(d);
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
	control_close(d->control);
	server_free(d->server);
	for (size_t i = 0; d->listener != NULL && i < d->config->nlisteners; i++)
		listener_free(d->listener[i]);
	cachefile_close(d->cachefile);
	engine_free(d->engine);
	pinfile_close(d->pinfile);
	pins_free(d->pins);
	for (size_t i = 0; i < d->ndns; i++)
		resolver_free(d->dns[i]);
	resolver_free(d->tor);
	mapfile_free(d->map);
	loop_free(d->loop);
	free(d->listener);
	free(d->endpoint);
	free(d->shown);
	free(d);
}
