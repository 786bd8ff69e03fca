/* The connections that mail servers have to the bridge. Each is admitted, dialled for,
 * relayed, and in the end told why. */
#ifndef NET_BRIDGE_SESSIONS_H
#define NET_BRIDGE_SESSIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bridge_state.h"
#include "core/counters.h"
#include "dial.h"
#include "net/loop.h"

struct bridge_sessions;

struct bridge_sessions_config {
	struct loop *loop;
	struct counters *counters;
	struct bridge_state *state; /* what the addresses stand for */
	struct dial_config dial;
	bool any_user;     /* everybody on this machine may connect */
	const uid_t *user; /* else only these; kept by the caller */
	size_t nusers;
	int idle_ms;     /* without a byte in any direction */
	int session_ms;  /* in all */
	int farewell_ms; /* how long a client whose server has gone may take to close */
	size_t max;      /* and a reserve, see core/places.h */

	/* The last session has ended. From the loop, or from
	 * bridge_sessions_accept(). */
	void (*none_left)(void *arg);
	void *arg;
};

/* NULL: out of memory. The configuration is copied, and what it points to kept by the
 * caller. */
struct bridge_sessions *bridge_sessions_new(const struct bridge_sessions_config *config);

/* Sessions are cut. NULL is fine. */
void bridge_sessions_free(struct bridge_sessions *sessions);

/* Takes the socket of a client on this machine that has connected to this address. */
void bridge_sessions_accept(
	struct bridge_sessions *sessions, int fd, const struct sockaddr_in *address);

/* All servers are left. The sessions end when their clients have closed. */
void bridge_sessions_end(struct bridge_sessions *sessions);

size_t bridge_sessions_count(const struct bridge_sessions *sessions);

#endif
