/* The port of the bridge, on all loopback addresses at once. As long as it is held nobody
 * else on this machine can listen at any of them. */
#ifndef NET_BRIDGE_SOCKET_H
#define NET_BRIDGE_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/counters.h"
#include "net/loop.h"

struct bridge_socket;

struct bridge_socket_config {
	struct loop *loop;
	struct counters *counters;
	uint16_t port;

	/* A client on this machine has connected to that address. The descriptor is the
	 * callee's. */
	void (*accepted)(void *arg, int fd, const struct sockaddr_in *address);
	void *arg;
};

/* Takes the port, or tries again once a second until it can be had, which is logged.
 * NULL: out of memory, logged. The configuration is copied. */
struct bridge_socket *bridge_socket_open(const struct bridge_socket_config *config);

/* Is the port ours at this moment? */
bool bridge_socket_is_held(const struct bridge_socket *socket);

/* Gives the port up. NULL is fine. */
void bridge_socket_close(struct bridge_socket *socket);

#endif
