/* Postfix's tcp_table(5): "get KEY\n", with %XX for what isn't printable ASCII, for white
 * space and for the percent sign. */
#ifndef CORE_TCP_TABLE_H
#define CORE_TCP_TABLE_H

#include "core/proto.h"

extern const struct proto proto_tcp_table;

#endif
