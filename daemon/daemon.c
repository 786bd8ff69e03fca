#include "daemon_inside.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "net/log.h"
#include "net/sd_notify.h"

/* Signals */

/* Mail that is under way through the bridge has some time to arrive: cut off, it would be
 * sent again, though it may have arrived. */
#define BRIDGE_GRACE_MS 15000

static void
drained(void *arg)
{
	struct daemon *d = arg;

	if (--d->draining == 0)
		loop_stop(d->loop);
}

static void
end(void *arg)
{
	struct daemon *d = arg;

	if (d->ending) {
		log_warnx("told to end again: not waiting for %zu clients",
			clients_count(d->clients));
		loop_stop(d->loop);
		return;
	}
	d->ending = true;
	sd_notify_send("STOPPING=1");
	log_info("ending");
	for (size_t i = 0; i < d->config->nlisteners; i++)
		listener_stop(d->listener[i]);
	control_close(d->control);
	d->control = NULL;
	d->draining = d->bridge == NULL ? 1 : 2;
	if (d->bridge != NULL)
		bridge_drain(d->bridge, BRIDGE_GRACE_MS, drained, d);
	clients_drain(d->clients, drained, d);
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
	const struct daemon *d = arg;
	const struct counters *c = &d->counters;

#define LOG_COUNTER(name, what) log_report("counter " #name " %" PRIu64, c->name);
	COUNTERS(LOG_COUNTER)
#undef LOG_COUNTER
	for (size_t i = 0; i < d->config->nlisteners; i++) {
		struct listener_counts n = listener_counts(d->listener[i]);
		const char *name = d->config->listener[i].net.name;

		log_report("counter clients_refused.%s %" PRIu64, name, n.refused);
		log_report("counter clients_evicted.%s %" PRIu64, name, n.evicted);
	}
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
	d->descriptors = descriptors_share(config);
	if ((config->map == NULL || (d->map = mapfile_open(config->map, config->map_max,
					     &d->counters)) != NULL) &&
		open_listeners(d) &&
		(!config->has_control ||
			(d->control = control_open(&config->control)) != NULL))
		return d;
	daemon_close(d);
	return NULL;
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
	return (d->loop = loop_new()) != NULL && daemon_assemble(d) && watch_signals(d);
}

void
daemon_run(struct daemon *d)
{
	log_info("ready, %zu listeners", d->config->nlisteners);
	sd_notify_send("READY=1");
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
	clients_free(d->clients);
	engine_timer_free(d->engine_timer);
	d->engine_timer = NULL;
	for (size_t i = 0; d->listener != NULL && i < d->config->nlisteners; i++)
		listener_free(d->listener[i]);
	cachefile_close(d->cachefile);
	engine_free(d->engine);
	bridge_close(d->bridge);
	pinfile_close(d->pinfile);
	pins_free(d->pins);
	resolvers_close(d->dns);
	resolver_free(d->tor);
	mapfile_free(d->map);
	loop_free(d->loop);
	free(d->listener);
	free(d->endpoint);
	free(d->shown);
	free(d);
}
