/* The parts of the daemon, and who knows whom. */
#ifndef WIRING_H
#define WIRING_H

#include <stdbool.h>

#include "config.h"
#include "descriptors.h"
#include "net/bridge.h"
#include "net/cachefile.h"
#include "net/clients.h"
#include "net/control.h"
#include "net/engine_timer.h"
#include "net/listener.h"
#include "net/mapfile.h"
#include "net/outage.h"
#include "net/pinfile.h"
#include "net/resolver.h"
#include "net/resolvers.h"
#include "net/signals.h"

/* It begins as zeros, and must not move. */
struct wiring {
	const struct config *config;
	struct descriptors descriptors;
	struct counters counters;
	struct loop *loop;
	struct signals *signals;
	struct mapfile *map; /* NULL: none is configured */
	struct resolvers *dns;
	struct resolver *tor;
	struct outage tor_outage;
	struct pins *pins; /* NULL: none are kept */
	struct pinfile *pinfile;
	bool pins_warned;      /* that nearly max_pins are there */
	struct bridge *bridge; /* NULL: no listener answers with it */
	struct engine *engine;
	struct engine_timer *engine_timer;
	struct cachefile *cachefile; /* NULL: none is kept */
	struct clients *clients;
	struct endpoint *endpoint;      /* these two: one for each listener */
	struct listener **listener;     /* NULL there: not open */
	struct control *control;        /* NULL: none */
	struct command_listener *shown; /* the listeners, for the control socket */
};

/* Loads the map and opens the sockets: what may need the rights of who has started the
 * daemon. config must outlive the parts. False on failure, logged; then, too,
 * wiring_close() is due. */
bool wiring_open(struct wiring *wiring, const struct config *config);

/* Creates the loop and all other parts, and connects them; they serve once the loop runs.
 * False on failure, logged. */
bool wiring_start(struct wiring *wiring);

/* Stops the listeners and the control socket: no more clients are taken. Legal in any
 * state. */
void wiring_stop_listening(struct wiring *wiring);

/* Ends all parts at once. Legal in any state. */
void wiring_close(struct wiring *wiring);

#endif
