/* The commands of the control socket: "explain NAME", "pins", "held", "accept DOMAIN" and
 * "counters". */
#ifndef NET_COMMAND_H
#define NET_COMMAND_H

#include <stddef.h>
#include <stdio.h>

#include "core/counters.h"
#include "core/pins.h"
#include "flow/lookup.h"
#include "net/bridge.h"
#include "net/endpoint.h"
#include "net/listener.h"
#include "net/pinfile.h"

#define COMMAND_MAX 512 /* bytes of a command, with the newline or NUL at its end */

/* How a listener would answer. */
struct command_listener {
	const char *name;
	const struct endpoint *endpoint;
	const struct listener *listener;
};

/* What commands work on; all of it belongs to the caller. */
struct command_deps {
	struct engine *engine;
	struct profile *profile[STYLES]; /* for explanations */
	struct counters *counters;
	struct pins *pins; /* NULL: none are kept, and pinfile isn't used */
	struct pinfile *pinfile;
	const struct bridge *bridge; /* NULL: there is none */
	const struct command_listener *listener;
	size_t nlisteners;
};

struct command;

enum command_status {
	COMMAND_OK,      /* out has the answer */
	COMMAND_ERROR,   /* out says what is wrong */
	COMMAND_PENDING, /* *pending is set; done will run once */
};

/* status is COMMAND_OK or COMMAND_ERROR. The command has gone. */
typedef void command_done(void *arg, enum command_status status);

struct command_request {
	const char *line; /* without its newline, shorter than COMMAND_MAX; not kept */
	FILE *out; /* for the answer; that writing has failed is for the caller to find */
	command_done *done;
	void *arg;
};

/* Carries out a command. deps and the request's out must stay until it has ended or is
 * cancelled. */
enum command_status command_start(const struct command_deps *deps,
	const struct command_request *request, struct command **pending);

/* done doesn't run any more. Not after done. */
void command_cancel(struct command *command);

#endif
