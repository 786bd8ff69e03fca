/* Connects to the onion service of one address of the bridge. The targets are tried one
 * after the other, each with as many tors as it takes to find one that works. */
#ifndef NET_BRIDGE_DIAL_H
#define NET_BRIDGE_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "core/bridge_line.h"
#include "core/counters.h"
#include "failures.h"
#include "net/bridge.h"
#include "net/loop.h"
#include "socks_pool.h"

struct dial;

/* What all have in common. */
struct dial_config {
	struct loop *loop;
	struct counters *counters;
	struct socks_pool *pool;
	struct failures *failures; /* learns why a target has failed, or that it hasn't */
	enum bridge_isolation isolation;
	uint64_t secret; /* for the passwords that keep circuits apart */
	int connect_ms;  /* for one target */
};

struct dialled {
	int fd;     /* the connection, the callee's; -1: there is none */
	size_t tor; /* that has it: socks_pool_end() is for the callee, too */
	const uint8_t *greeting; /* what the server has said already; valid during the
				    call */
	size_t len;              /* of the greeting */

	/* Without a connection: the enhanced status code (RFC 3463), what is wrong, and
	 * why, which can be NULL. Printable ASCII; these aren't freed. */
	const char *code, *what, *why;
};

/* done is called once, from the loop, unless the dial is cancelled before; then the dial
 * has gone. The configuration is kept by the caller; of the line a copy is made. NULL:
 * out of memory. */
struct dial *dial_start(const struct dial_config *config, const struct bridge_line *line,
	void (*done)(void *arg, const struct dialled *dialled), void *arg);

/* Legal until done has been called. */
void dial_cancel(struct dial *dial);

#endif
