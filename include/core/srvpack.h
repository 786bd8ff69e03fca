/* A set of records in one piece of memory, as it is kept for long. */
#ifndef CORE_SRVPACK_H
#define CORE_SRVPACK_H

#include <stddef.h>

#include "core/srv.h"

/* Bytes; any alignment will do. */
size_t srvpack_size(const struct srv_set *);
void srvpack_put(char *to, const struct srv_set *);

/* The names are views of the packed set. Returns what follows it. */
const char *srvpack_get(const char *from, struct srv_set *);

#endif
