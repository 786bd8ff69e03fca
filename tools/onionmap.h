/* The commands of onionmap, and what they return. */
#ifndef TOOLS_ONIONMAP_H
#define TOOLS_ONIONMAP_H

enum exit_status {
	STATUS_OK = 0,
	STATUS_ERRORS = 1,    /* the input has errors, or something failed */
	STATUS_NOT_FOUND = 1, /* query: a key isn't in the map */
	STATUS_USAGE = 2,
	STATUS_NO_ANSWER = 3, /* query: the map can't be read, or is damaged */
};

struct arguments {
	const char *output; /* -o, or NULL */
	int n;
	char **operand; /* NULL-terminated */
};

/* compile.c */
enum exit_status command_compile(const struct arguments *);
enum exit_status command_check(const struct arguments *);

/* query.c */
enum exit_status command_query(const struct arguments *);
enum exit_status command_dump(const struct arguments *);

#endif
