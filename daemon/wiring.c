#include "wiring.h"

#include <stdlib.h>
#include <time.h>

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
start_resolvers(struct wiring *w)
{
	const struct config *c = w->config;
	const struct resolvers_config config = {.loop = w->loop,
		.counters = &w->counters,
		.server = c->resolvers,
		.n = c->nresolvers,
		.file = "/etc/resolv.conf",
		.tcp_ms = c->dns_timeout_ms,
		.dnssec = c->dnssec};
	const struct resolver_config tor = {.loop = w->loop,
		.counters = &w->counters,
		.server = c->tor_dnsport,
		.is_tor = true};

	w->dns = resolvers_open(&config);
	w->tor = resolver_new(&tor);
	if (w->tor != NULL)
		w->tor_outage = (struct outage){
			.what = "tor's DNSPort", .name = resolver_source(w->tor)->name};
	return w->dns != NULL && w->tor != NULL;
}

static void
server_event(void *arg, const struct dns_source *source, enum upstream_event event)
{
	struct wiring *w = arg;

	if (source != resolver_source(w->tor))
		resolvers_event(w->dns, source, event);
	else if (event == UPSTREAM_DOWN)
		outage_seen(&w->tor_outage, loop_now());
	else if (event == UPSTREAM_UP)
		outage_over(&w->tor_outage, loop_now());
}

static void
tor_nearly_full(void *arg, unsigned percent)
{
	(void)arg;
	log_warnx("tor holds addresses for %u %% of a share of max_tor_names, and frees "
		  "none until it is restarted",
		percent);
}

static void
deadline_changed(void *arg)
{
	struct wiring *w = arg;

	if (w->engine_timer != NULL)
		engine_timer_update(w->engine_timer);
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
watch_pins(struct wiring *w)
{
	const size_t percent = 100 * pins_count(w->pins) / (size_t)w->config->max_pins;

	if (percent >= 80 && !w->pins_warned)
		log_warnx("%zu %% of max_pins domains are pinned", percent);
	w->pins_warned = percent >= (w->pins_warned ? 70 : 80);
}

/* No domain may be in the log; the control socket tells. */
static void
pinned(void *arg, const struct domain *domain, enum pin_verdict verdict)
{
	struct wiring *w = arg;

	if (verdict == PIN_CHANGED)
		log_warnx("the route of a pinned domain has changed, and the change is "
			  "held back: see \"onionmap pin held\"");
	pinfile_note(w->pinfile, domain);
	watch_pins(w);
}

static bool
can_pin(void *arg)
{
	struct wiring *w = arg;

	return pinfile_has_room(w->pinfile);
}

static bool
start_pins(struct wiring *w)
{
	const struct config *c = w->config;
	struct pins_config config = {.max = (size_t)c->max_pins,
		.hold_s = c->pin_hold,
		.key = {random_number(), random_number()}};
	struct pinfile_config file = {.loop = w->loop,
		.dir = c->state_dir,
		.pins_config = config,
		.counters = &w->counters,
		.wall = wall_clock()};

	if (!c->pin_srv)
		return true;
	if ((w->pins = pins_new(&config)) == NULL) {
		log_errorx("out of memory");
		return false;
	}
	file.pins = w->pins;
	w->pinfile = pinfile_open(&file);
	return w->pinfile != NULL;
}

static void
bridge_kept(void *arg, uint64_t upto, bool good)
{
	struct wiring *w = arg;

	if (w->engine != NULL)
		engine_bridge_kept(w->engine, upto, good, loop_now());
}

static bool
start_bridge(struct wiring *w)
{
	const struct config *c = w->config;
	struct bridge_config config = {.loop = w->loop,
		.counters = &w->counters,
		.addresses = {.net = c->bridge_network.address,
			.prefix = c->bridge_network.prefix,
			.max = (size_t)c->bridge_addresses,
			.reuse_days = (uint32_t)c->bridge_reuse},
		.port = (uint16_t)c->bridge_port,
		.state_dir = c->state_dir,
		.wall = wall_clock,
		.kept = bridge_kept,
		.kept_arg = w,
		.socks = c->socks,
		.nsocks = c->nsocks,
		.isolation = c->bridge_isolation,
		.any_user = c->any_bridge_user,
		.user = c->bridge_users,
		.nusers = c->nbridge_users,
		.connect_ms = c->bridge_connect_ms,
		.idle_ms = c->bridge_idle_ms,
		.session_ms = c->bridge_session_ms,
		.farewell_ms = c->bridge_farewell_ms,
		.max_clients = w->descriptors.bridge_clients};

	if (!config_has_bridge(c))
		return true;
	w->bridge = bridge_open(&config);
	return w->bridge != NULL;
}

static enum reason
cross_bridge(void *arg, const struct domain *domain, const struct map_options *options,
	struct answer *answer, struct bridge_wait *wait)
{
	struct wiring *w = arg;

	return bridge_route(w->bridge, domain, options, answer, wait);
}

static bool
start_cachefile(struct wiring *w)
{
	const struct config *c = w->config;
	struct cachefile_config config = {.dir = c->state_dir,
		.save_s = c->cache_save,
		.srv_prefix = c->srv_prefix,
		.ask_ad = c->dnssec != DNSSEC_OFF,
		.loop = w->loop,
		.signals = w->signals,
		.engine = w->engine,
		.counters = &w->counters};

	if (c->state_dir == NULL)
		return true;
	w->cachefile = cachefile_open(&config);
	return w->cachefile != NULL && cachefile_start(w->cachefile);
}

static bool
start_engine(struct wiring *w)
{
	const struct config *c = w->config;
	struct engine_config config = engine_config_of(c);
	struct engine_ports ports = {.map = w->map ? mapfile_source(w->map) : NULL,
		.tor = resolver_source(w->tor),
		.tor_nearly_full = tor_nearly_full,
		.random = random_number,
		.counters = &w->counters,
		.pins = w->pins,
		.wall = wall_clock,
		.pinned = pinned,
		.can_pin = can_pin,
		.pinned_arg = w,
		.bridge = cross_bridge,
		.bridge_arg = w,
		.observe = c->log_level == LOG_LEVEL_DEBUG ? lookup_log : NULL,
		.server_event = server_event,
		.server_event_arg = w,
		.alarm = deadline_changed,
		.alarm_arg = w};

	ports.ndns = resolvers_sources(w->dns, ports.dns);
	w->engine = engine_new(&config, &ports);
	if (w->engine == NULL) {
		log_errorx("out of memory");
		return false;
	}
	w->engine_timer = engine_timer_new(w->loop, w->engine);
	return w->engine_timer != NULL;
}

static bool
start_listener(struct wiring *w, size_t i)
{
	const struct listener_options *o = &w->config->listener[i];
	struct endpoint *e = &w->endpoint[i];

	e->proto = o->protocol;
	e->render = (struct render){.style = o->answer,
		.transport = o->transport,
		.temp_as_retry = o->temp_as_retry};
	e->engine = w->engine;
	e->bridge = w->bridge;
	e->profile = o->protocol->cache_only
			     ? engine_profile_cache_only(w->engine, o->deadline_ms)
			     : engine_profile_new(w->engine, o->answer, o->deadline_ms);
	if (e->profile == NULL)
		return false;
	listener_start(w->listener[i], w->clients, e);
	return true;
}

static bool
start_serving(struct wiring *w)
{
	const struct clients_config config = {.loop = w->loop,
		.counters = &w->counters,
		.client_timeout_ms = w->config->client_timeout_ms,
		.max_clients = w->descriptors.clients,
		.reserve = w->descriptors.reserve};

	if ((w->clients = clients_new(&config)) == NULL)
		return false;
	for (size_t i = 0; i < w->config->nlisteners; i++)
		if (!start_listener(w, i))
			return false;
	if (w->map != NULL)
		mapfile_watch(w->map, w->loop);
	return resolvers_start(w->dns, w->engine);
}

/* Explanations take as long as an answer to Exim may. */
#define EXPLAIN_MS 4000

static bool
start_control(struct wiring *w)
{
	const struct config *c = w->config;
	struct control_config config = {.loop = w->loop,
		.counters = &w->counters,
		.commands = {.engine = w->engine,
			.counters = &w->counters,
			.pins = w->pins,
			.pinfile = w->pinfile,
			.bridge = w->bridge,
			.nlisteners = c->nlisteners},
		.timeout_ms = c->client_timeout_ms};

	if (w->control == NULL)
		return true;
	w->shown = calloc(c->nlisteners, sizeof(w->shown[0]));
	for (enum answer_style s = 0; s < STYLES; s++)
		if ((config.commands.profile[s] = engine_profile_new(
			     w->engine, s, EXPLAIN_MS)) == NULL ||
			w->shown == NULL) {
			log_errorx("out of memory");
			return false;
		}
	for (size_t i = 0; i < c->nlisteners; i++)
		w->shown[i] = (struct command_listener){
			c->listener[i].net.name, &w->endpoint[i], w->listener[i]};
	config.commands.listener = w->shown;
	control_start(w->control, &config);
	return true;
}

static bool
has_safe_state(const struct config *c)
{
	return c->state_dir == NULL || statedir_is_safe(c->state_dir);
}

bool
wiring_start(struct wiring *w)
{
	return (w->loop = loop_new()) != NULL &&
	       (w->signals = signals_new(w->loop)) != NULL && has_safe_state(w->config) &&
	       start_resolvers(w) && start_pins(w) && start_bridge(w) &&
	       start_engine(w) && start_cachefile(w) && start_serving(w) &&
	       start_control(w);
}

static bool
open_listeners(struct wiring *w)
{
	const struct config *c = w->config;

	w->listener = calloc(c->nlisteners, sizeof(*w->listener));
	w->endpoint = calloc(c->nlisteners, sizeof(*w->endpoint));
	if (w->listener == NULL || w->endpoint == NULL) {
		log_error("listeners");
		return false;
	}
	for (size_t i = 0; i < c->nlisteners; i++) {
		if (!net_addr_is_local(&c->listener[i].net.addr))
			log_warnx("listener %s: can be reached from other machines",
				c->listener[i].net.name);
		if ((w->listener[i] = listener_open(&c->listener[i].net)) == NULL)
			return false;
	}
	return true;
}

bool
wiring_open(struct wiring *w, const struct config *config)
{
	w->config = config;
	w->descriptors = descriptors_share(config);
	return (config->map == NULL ||
		       (w->map = mapfile_open(config->map, (size_t)config->map_max_bytes,
				&w->counters)) != NULL) &&
	       open_listeners(w) &&
	       (!config->has_control ||
		       (w->control = control_open(&config->control_socket)) != NULL);
}

void
wiring_stop_listening(struct wiring *w)
{
	for (size_t i = 0; w->listener != NULL && i < w->config->nlisteners; i++)
		if (w->listener[i] != NULL)
			listener_stop(w->listener[i]);
	control_close(w->control);
	w->control = NULL;
}

void
wiring_close(struct wiring *w)
{
	wiring_stop_listening(w);
	clients_free(w->clients);
	for (size_t i = 0; w->listener != NULL && i < w->config->nlisteners; i++)
		listener_free(w->listener[i]);
	engine_timer_free(w->engine_timer);
	w->engine_timer = NULL;
	cachefile_close(w->cachefile);
	engine_free(w->engine);
	bridge_close(w->bridge);
	pinfile_close(w->pinfile);
	pins_free(w->pins);
	resolvers_close(w->dns);
	resolver_free(w->tor);
	mapfile_free(w->map);
	signals_free(w->signals);
	loop_free(w->loop);
	free(w->listener);
	free(w->endpoint);
	free(w->shown);
}
