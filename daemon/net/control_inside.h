/* What control.c and command.c share. */
#ifndef NET_CONTROL_INSIDE_H
#define NET_CONTROL_INSIDE_H

#include <stdio.h>
#include <sys/queue.h>

#include "acceptor.h"
#include "net/control.h"
#include "watch.h"

#define COMMAND_MAX 512

/* The lookups of an explanation: with onion names first, and then in each style in which
 * a listener answers. */
struct explanation {
	struct trail trail;
	struct lookup *lookup; /* NULL: none is pending */
	enum answer_style style;
	char key[COMMAND_MAX];
};

struct control_client {
	LIST_ENTRY(control_client) entry;
	struct control *control;
	int fd;
	struct watch watch;
	struct monotime deadline; /* for the whole command, then for the whole answer */
	size_t len;               /* of the command so far */
	char command[COMMAND_MAX];
	struct explanation *explanation; /* NULL: none is asked for */
	FILE *text;                      /* of the answer; it grows in memory */
	char *data;
	size_t size;
	bool failed; /* the text says why */
	size_t headlen, sent;
	char head[32];
};

struct control {
	struct acceptor socket;
	struct control_config config;
	LIST_HEAD(, control_client) clients;
	size_t count;
};

/* command.c: carries a command out. It ends with control_answer(), now or later. */
void command_run(struct control_client *, char *command);

/* Forgets what is under way. */
void command_cancel(struct control_client *);

/* control.c: sends the text. The client may be gone after it. */
void control_answer(struct control_client *);

/* Adds to the text. */
__attribute__((format(printf, 2, 3))) void control_print(
	struct control_client *, const char *format, ...);

#endif
