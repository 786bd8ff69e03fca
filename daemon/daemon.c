#include "daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "net/log.h"
#include "net/sd_notify.h"
#include "wiring.h"

struct daemon {
	struct wiring parts;
	bool ending;
	unsigned draining; /* parts that still have to */
};

/* Signals */

/* Mail that is under way through the bridge has some time to arrive: cut off, it would be
 * sent again, though it may have arrived. */
#define BRIDGE_GRACE_MS 15000

static void
drained(void *arg)
{
	struct daemon *d = arg;

	if (--d->draining == 0)
		loop_stop(d->parts.loop);
}

static void
end(void *arg)
{
	struct daemon *d = arg;

	if (d->ending) {
		log_warnx("second termination signal: not waiting for %zu clients",
			clients_count(d->parts.clients));
		loop_stop(d->parts.loop);
		return;
	}
	d->ending = true;
	sd_notify_send("STOPPING=1");
	log_info("terminating: %zu clients are connected",
		clients_count(d->parts.clients));
	wiring_stop_listening(&d->parts);
	d->draining = d->parts.bridge == NULL ? 1 : 2;
	if (d->parts.bridge != NULL)
		bridge_drain(d->parts.bridge, BRIDGE_GRACE_MS, drained, d);
	clients_drain(d->parts.clients, drained, d);
}

static void
reload(void *arg)
{
	struct daemon *d = arg;

	if (d->parts.map != NULL)
		mapfile_reload(d->parts.map);
}

static void
log_counters(void *arg)
{
	const struct daemon *d = arg;
	const struct counters *c = &d->parts.counters;

#define LOG_COUNTER(name, what) log_report("counter " #name " %" PRIu64, c->name);
	COUNTERS(LOG_COUNTER)
#undef LOG_COUNTER
	for (size_t i = 0; i < d->parts.config->nlisteners; i++) {
		struct listener_counts n = listener_counts(d->parts.listener[i]);
		const char *name = d->parts.config->listener[i].net.name;

		log_report("counter clients_refused.%s %" PRIu64, name, n.refused);
		log_report("counter clients_evicted.%s %" PRIu64, name, n.evicted);
	}
}

/* The whole */

struct daemon *
daemon_open(const struct config *config)
{
	struct daemon *d = calloc(1, sizeof(*d));

	if (d == NULL)
		log_error("daemon");
	else if (wiring_open(&d->parts, config))
		return d;
	daemon_close(d);
	return NULL;
}

static bool
watch_signals(struct daemon *d)
{
	return signals_handle(d->parts.signals, SIGTERM, end, d) &&
	       signals_handle(d->parts.signals, SIGINT, end, d) &&
	       signals_handle(d->parts.signals, SIGHUP, reload, d) &&
	       signals_handle(d->parts.signals, SIGUSR1, log_counters, d);
}

bool
daemon_start(struct daemon *d)
{
	/* A full disk, or a limit to a file's size, is an error like others. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return wiring_start(&d->parts) && watch_signals(d);
}

void
daemon_run(struct daemon *d)
{
	log_info("ready, %zu listeners", d->parts.config->nlisteners);
	sd_notify_send("READY=1");
	loop_run(d->parts.loop);
	log_info("terminated");
}

void
daemon_close(struct daemon *d)
{
	if (d == NULL)
		return;
	wiring_close(&d->parts);
	free(d);
}
