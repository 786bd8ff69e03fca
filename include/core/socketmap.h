/* socketmap_table(5), as Postfix, sendmail and MeTA1 speak it: netstrings, a map's name
 * and a key in the request, a word and a value in the reply. */
#ifndef CORE_SOCKETMAP_H
#define CORE_SOCKETMAP_H

#include "core/proto.h"

extern const struct proto proto_socketmap;

#endif
