/* How the file descriptors of the process are shared out. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stddef.h>

#include "config.h"

struct descriptors {
	size_t clients;        /* there are enough for so many, of all listeners */
	size_t reserve;        /* of these, for each listener */
	size_t bridge_clients; /* bridge_max_clients, or fewer */
};

/* Raises the limit of the process as far as it must and may be. If that is too little for
 * the configuration, it is logged, and each part gets a share. */
struct descriptors descriptors_share(const struct config *config);

#endif
