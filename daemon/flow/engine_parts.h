/* The parts of an engine, for a lookup, which uses them all. Only engine.c makes and
 * frees them. */
#ifndef FLOW_ENGINE_PARTS_H
#define FLOW_ENGINE_PARTS_H

#include "crossing.h"
#include "inquiry.h"
#include "pending.h"
#include "tor_addresses.h"

struct engine_parts {
	struct engine_config config;
	struct engine_ports ports;
	struct inquiry_env env; /* with DNS and the cache */
	struct tor *tor;        /* NULL: there is none */
	struct pending_set *pending;
	struct crossings crossings;
	struct domain domain; /* of a ready answer, whose names may point into it */
};

struct engine_parts *engine_parts(struct engine *engine);

#endif
