/* What daemon.c and assemble.c share. */
#ifndef DAEMON_INSIDE_H
#define DAEMON_INSIDE_H

#include "daemon.h"

#include "descriptors.h"
#include "net/bridge.h"
#include "net/cachefile.h"
#include "net/control.h"
#include "net/engine_timer.h"
#include "net/mapfile.h"
#include "net/outage.h"
#include "net/pinfile.h"
#include "net/resolver.h"
#include "net/resolvers.h"

struct daemon {
	const struct config *config;
	struct counters counters;
	struct mapfile *map; /* NULL: none is configured */
	struct loop *loop;
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
	struct control *control;     /* NULL: none */
	struct command_listener *shown;
	struct clients *clients;
	struct descriptors descriptors;
	bool ending;
	unsigned draining;         /* parts that still have to */
	struct endpoint *endpoint; /* these two: one for each listener */
	struct listener **listener;
};

/* assemble.c: starts all parts, once the map is loaded and the sockets are open. False on
 * failure, logged. */
bool daemon_assemble(struct daemon *);

#endif
