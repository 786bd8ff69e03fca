/* The commands that ask a running onionmxd, by its control socket. Its answer goes to
 * standard output, its error to standard error. Status: STATUS_ERRORS if the daemon says
 * so, STATUS_NO_ANSWER if there is no whole answer. */
#ifndef TOOLS_DAEMON_CLIENT_H
#define TOOLS_DAEMON_CLIENT_H

#include "arguments.h"

enum exit_status command_explain(const struct arguments *args);
enum exit_status command_pin(const struct arguments *args);
enum exit_status command_counters(const struct arguments *args);

#endif
