/* The options and commands of onionmap, see cli.h. */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

#include <limits.h>

#define ONIONMAP_OPTIONS(X)                                                              \
	X('o', "output", "OUT.cdb",                                                      \
		"the compiled map, instead of the one beside its text")                  \
	X('s', "socket", "SOCKET", "the daemon's control socket")                        \
	X('V', "version", NULL, "print the version and exit")                            \
	X('h', "help", NULL, "print this and exit")

/* Name, letters, least and greatest number of operands, usage, operands, help. */
#define ONIONMAP_COMMANDS(X)                                                             \
	X(compile, "o:h", 1, 1, "[-o OUT.cdb] domains.txt", "*.txt",                     \
		"writes the map beside its text: domains.cdb from domains.txt. "         \
		"The text \"-\" is standard input, and needs -o. A map in use is "       \
		"replaced at once; if anything is wrong, the old one stays.")            \
	X(check, "h", 1, INT_MAX, "domains.txt...", "*.txt",                             \
		"does the checks of compile and writes nothing.")                        \
	X(query, "h", 2, INT_MAX, "MAP.cdb KEY...", "*.cdb",                             \
		"says what the map says of addresses and domains. A line for each: "     \
		"KEY, tab, targets or \"-\" (never over Tor), tab, the map's key. "      \
		"Or KEY, tab, \"not found\".")                                           \
	X(dump, "h", 1, 1, "MAP.cdb", "*.cdb", "writes a map as text.")                  \
	X(explain, "s:h", 1, 1, "[-s SOCKET] KEY", "",                                   \
		"says step by step where the mail of an address or domain goes, "        \
		"and why.")                                                              \
	X(pin, "s:h", 1, 2, "[-s SOCKET] list | held | accept DOMAIN",                   \
		"list held accept",                                                      \
		"lists the routes from DNS that are pinned, or their changes that "      \
		"are held back, or accepts such a change.")                              \
	X(counters, "s:h", 0, 0, "[-s SOCKET]", "", "says what was counted.")

#endif
