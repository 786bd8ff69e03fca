/* The options of onionmxd, see cli.h. */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "config.h"

#define ONIONMXD_OPTIONS(X)                                                              \
	X('c', "config", "FILE", "the configuration (" CONFIG_DEFAULT_FILE ")")          \
	X('f', "foreground", NULL, "stay in the foreground and log to standard error")   \
	X('t', "test", NULL, "check the configuration and exit")                         \
	X('V', "version", NULL, "print the version and exit")                            \
	X('h', "help", NULL, "print this and exit")

#endif
