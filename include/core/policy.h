/* Postfix's policy delegation (SMTPD_POLICY_README): attributes "name=value\n" up to an
 * empty line. smtpd asks at RCPT, and waits until the lookup has ended; the answer is
 * always DUNNO, so that nothing depends on it but what the cache knows afterwards. */
#ifndef CORE_POLICY_H
#define CORE_POLICY_H

#include "core/proto.h"

extern const struct proto proto_policy;

#endif
