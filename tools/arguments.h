/* What the commands of onionmap are given, and what they return: its exit status. */
#ifndef TOOLS_ARGUMENTS_H
#define TOOLS_ARGUMENTS_H

enum exit_status {
	STATUS_OK = 0,
	STATUS_ERRORS = 1,    /* the input has errors, or something failed */
	STATUS_NOT_FOUND = 1, /* query: a key isn't in the map */
	STATUS_USAGE = 2,
	STATUS_NO_ANSWER = 3, /* a map is missing or damaged; no daemon answers */
};

struct arguments {
	const char *output; /* -o, or NULL */
	const char *socket; /* -s, or NULL */
	int n;              /* operands, as many as the table of commands.h allows */
	char **operand;     /* NULL-terminated */
};

#endif
