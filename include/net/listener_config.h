/* A socket that clients connect to. */
#ifndef NET_LISTENER_CONFIG_H
#define NET_LISTENER_CONFIG_H

#include <stddef.h>
#include <sys/types.h>

#include "net/addr.h"

struct listener_config {
	char *name; /* for the log */
	struct net_addr addr;
	size_t max_clients; /* and a reserve, see core/places.h */

	/* Of a Unix socket; -1 leaves the owner or group as it is. */
	mode_t mode;
	uid_t owner;
	gid_t group;
};

#endif
