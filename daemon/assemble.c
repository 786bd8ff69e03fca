/* The parts of the daemon, and who knows whom. */
#include <stdlib.h>
#include <time.h>

#include "daemon_inside.h"
#include "lookup_log.h"
#include "net/log.h"
#include "net/statedir.h"

/* Many at once: each call of arc4random is one of the kernel. */
static uint64_t
random_number(void)
{
	static uint64_t ready[64];
	static size_t left;

	if (left == 0) {
		arc4random_buf(ready, sizeof(ready));
		left = sizeof(ready) / sizeof(ready[0]);
	}
	return ready[--left];
}

static int64_t
wall_clock(void)
{
	return (int64_t)time(NULL);
}

static bool
start_resolvers(struct daemon *d)
{
	const struct config *c = d->config;
	const struct resolvers_config config = {.loop = d->loop,
		.counters = &d->counters,
		.server = c->resolver,
		.n = c->nresolvers,
		.file = "/etc/resolv.conf",
		.tcp_ms = c->dns_timeout_ms,
		.dnssec = c->dnssec};
	const struct resolver_config tor = {.loop = d->loop,
		.counters = &d->counters,
		.server = c->tor_dnsport,
		.is_tor = true};

	d->dns = resolvers_open(&config);
	d->tor = resolver_new(&tor);
	if (d->tor != NULL)
		d->tor_outage = (struct outage){
			.what = "tor's DNSPort", .name = resolver_source(d->tor)->name};
	return d->dns != NULL && d->tor != NULL;
}

static void
server_event(void *arg, const struct dns_source *source, enum upstream_event event)
{
	struct daemon *d = arg;

	if (source != resolver_source(d->tor))
		resolvers_event(d->dns, source, event);
	else if (event == UPSTREAM_DOWN)
		outage_seen(&d->tor_outage, loop_now());
	else if (event == UPSTREAM_UP)
		outage_over(&d->tor_outage, loop_now());
}

static void
tor_nearly_full(void *arg, unsigned percent)
{
	(void)arg;
	log_warnx("tor was asked for %u %% of a share of max_tor_names, and frees none "
		  "until it is restarted",
		percent);
}

static void
deadline_changed(void *arg)
{
	struct daemon *d = arg;

	if (d->engine_timer != NULL)
		engine_timer_update(d->engine_timer);
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
		.bare_negative = c->bare_negative,
		.dns = {c->dns_timeout_ms, (unsigned)c->dns_tries},
		.tor = {c->tor_timeout_ms, (unsigned)c->tor_tries},
		.tor_addresses = c->tor_addresses,
		.ntor_addresses = c->ntor_addresses,
		.ttl_min = (uint32_t)c->min_ttl,
		.ttl_max = (uint32_t)c->max_ttl,
		.negative_ttl_max = (uint32_t)c->max_negative_ttl,
		.cache = {.entries = (size_t)c->cache_entries,
			.bytes = (size_t)c->cache_bytes,
			.stale_s = (uint32_t)c->max_stale,
			.failure_s = (uint32_t)c->failure_ttl,
			.key = {random_number(), random_number()}},
		.max_lookups = (size_t)c->max_lookups,
		.max_queries = (size_t)c->max_queries,
		.max_waiters = (size_t)c->max_waiters,
		.max_tor_names = (size_t)c->max_tor_names};
}

/* That there is hardly room for more is told once, until there is. */
static void
watch_pins(struct daemon *d)
{
	const size_t percent = 100 * pins_count(d->pins) / (size_t)d->config->max_pins;

	if (percent >= 80 && !d->pins_warned)
		log_warnx("%zu %% of max_pins domains are pinned", percent);
	d->pins_warned = percent >= (d->pins_warned ? 70 : 80);
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
	watch_pins(d);
}

static bool
can_pin(void *arg)
{
	struct daemon *d = arg;

	return pinfile_has_room(d->pinfile);
}

static bool
start_pins(struct daemon *d)
{
	const struct config *c = d->config;
	struct pins_config config = {.max = (size_t)c->max_pins,
		.hold_s = c->pin_hold,
		.key = {random_number(), random_number()}};
	struct pinfile_config file = {.loop = d->loop,
		.dir = c->state_dir,
		.pins_config = config,
		.counters = &d->counters,
		.wall = wall_clock()};

	if (!c->pin_srv)
		return true;
	if ((d->pins = pins_new(&config)) == NULL) {
		log_errorx("out of memory");
		return false;
	}
	file.pins = d->pins;
	d->pinfile = pinfile_open(&file);
	return d->pinfile != NULL;
}

static void
bridge_kept(void *arg, uint64_t upto, bool good)
{
	struct daemon *d = arg;

	if (d->engine != NULL)
		engine_bridge_kept(d->engine, upto, good, loop_now());
}

static bool
start_bridge(struct daemon *d)
{
	const struct config *c = d->config;
	struct bridge_config config = {.loop = d->loop,
		.counters = &d->counters,
		.addresses = c->bridge,
		.port = c->bridge_port,
		.state_dir = c->state_dir,
		.wall = wall_clock,
		.kept = bridge_kept,
		.kept_arg = d,
		.socks = c->socks,
		.nsocks = c->nsocks,
		.isolation = c->bridge_isolation,
		.any_user = c->any_bridge_user,
		.user = c->bridge_user,
		.nusers = c->nbridge_users,
		.connect_ms = c->bridge_connect_ms,
		.idle_ms = c->bridge_idle_ms,
		.session_ms = c->bridge_session_ms,
		.max_clients = d->descriptors.bridge_clients};

	if (!config_has_bridge(c))
		return true;
	d->bridge = bridge_open(&config);
	return d->bridge != NULL;
}

static enum reason
cross_bridge(void *arg, const struct domain *domain, const struct policy *policy,
	struct answer *answer, struct bridge_wait *wait)
{
	struct daemon *d = arg;

	return bridge_route(d->bridge, domain, policy, answer, wait);
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
		.tor = resolver_source(d->tor),
		.tor_nearly_full = tor_nearly_full,
		.random = random_number,
		.counters = &d->counters,
		.pins = d->pins,
		.wall = wall_clock,
		.pinned = pinned,
		.can_pin = can_pin,
		.pinned_arg = d,
		.bridge = cross_bridge,
		.bridge_arg = d,
		.observe = c->log_level == LOG_LEVEL_DEBUG ? lookup_log : NULL,
		.server_event = server_event,
		.server_event_arg = d,
		.alarm = deadline_changed,
		.alarm_arg = d};

	ports.ndns = resolvers_sources(d->dns, ports.dns);
	d->engine = engine_new(&config, &ports);
	if (d->engine == NULL) {
		log_errorx("out of memory");
		return false;
	}
	d->engine_timer = engine_timer_new(d->loop, d->engine);
	return d->engine_timer != NULL;
}

static bool
start_listener(struct daemon *d, size_t i)
{
	const struct listener_options *o = &d->config->listener[i];
	struct endpoint *e = &d->endpoint[i];

	e->proto = o->proto;
	e->render = (struct render){.style = o->style, .transport = o->transport};
	e->engine = d->engine;
	e->bridge = d->bridge;
	e->profile = engine_profile_new(d->engine, o->style, o->deadline_ms);
	if (e->profile == NULL)
		return false;
	listener_start(d->listener[i], d->clients, e);
	return true;
}

static bool
start_serving(struct daemon *d)
{
	const struct clients_config config = {.loop = d->loop,
		.counters = &d->counters,
		.client_timeout_ms = d->config->client_timeout_ms,
		.max_clients = d->descriptors.clients,
		.reserve = d->descriptors.reserve};

	if ((d->clients = clients_new(&config)) == NULL)
		return false;
	for (size_t i = 0; i < d->config->nlisteners; i++)
		if (!start_listener(d, i))
			return false;
	if (d->map != NULL)
		mapfile_watch(d->map, d->loop);
	return resolvers_start(d->dns, d->engine);
}

/* Explanations take as long as an answer to Exim may. */
#define EXPLAIN_MS 4000

static bool
start_control(struct daemon *d)
{
	const struct config *c = d->config;
	struct control_config config = {.loop = d->loop,
		.counters = &d->counters,
		.commands = {.engine = d->engine,
			.counters = &d->counters,
			.pins = d->pins,
			.pinfile = d->pinfile,
			.bridge = d->bridge,
			.nlisteners = c->nlisteners},
		.timeout_ms = c->client_timeout_ms};

	if (d->control == NULL)
		return true;
	d->shown = calloc(c->nlisteners, sizeof(d->shown[0]));
	for (enum answer_style s = 0; s < STYLES; s++)
		if ((config.commands.profile[s] = engine_profile_new(
			     d->engine, s, EXPLAIN_MS)) == NULL ||
			d->shown == NULL) {
			log_errorx("out of memory");
			return false;
		}
	for (size_t i = 0; i < c->nlisteners; i++)
		d->shown[i] = (struct command_listener){
			c->listener[i].net.name, &d->endpoint[i], d->listener[i]};
	config.commands.listener = d->shown;
	control_start(d->control, &config);
	return true;
}

static bool
has_safe_state(const struct config *c)
{
	return c->state_dir == NULL || statedir_is_safe(c->state_dir);
}

bool
daemon_assemble(struct daemon *d)
{
	return has_safe_state(d->config) && start_resolvers(d) && start_pins(d) &&
	       start_bridge(d) && start_engine(d) && start_cachefile(d) &&
	       start_serving(d) && start_control(d);
}
