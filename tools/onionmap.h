/* The commands of onionmap, and what they return. */
#ifndef TOOLS_ONIONMAP_H
#define TOOLS_ONIONMAP_H

enum exit_status {
	STATUS_OK = 0,
	STATUS_ERRORS = 1,    /* the input has errors, or something failed */
	STATUS_NOT_FOUND = 1, /* query: a key isn't in the map */
	STATUS_USAGE = 2,
	STATUS_NO_ANSWER =
		3, /* the map can't be read, or is damaged; no daemon answers */
};

struct arguments {
	const char *output; /* -o, or NULL */
	const char *socket; /* -s, or NULL */
	int n;
	char **operand; /* NULL-terminated */
};

/* compile.c */
enum exit_status command_compile(const struct arguments *);
enum exit_status command_check(const struct arguments *);

/* query.c */
enum exit_status command_query(const struct arguments *);
enum exit_status command_dump(const struct arguments *);

/* control.c */
enum exit_status command_explain(const struct arguments *);
enum exit_status command_pin(const struct arguments *);
enum exit_status command_counters(const struct arguments *);

#endif
