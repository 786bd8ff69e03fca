/* Exim's ${readsocket}: one question a connection, "route KEY\n", one line as answer, and
 * the daemon closes. */
#ifndef CORE_READSOCKET_H
#define CORE_READSOCKET_H

#include "core/proto.h"

extern const struct proto proto_readsocket;

#endif
