/* The table of all protocols of mail servers. */
#ifndef CORE_PROTOCOLS_H
#define CORE_PROTOCOLS_H

#include "core/proto.h"

/* The protocol of this name, as the configuration writes it; NULL: there is none. */
const struct proto *protocols_by_name(const char *name);

#endif
