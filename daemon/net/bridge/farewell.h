/* The end of a mail server's connection, when the onion service's has gone: it is told
 * why, and read until it closes.
 *
 * Exim 4.97 and later takes a message for delivered when its connection ends between a
 * recipient's reply and that to DATA, and one reply 421 is too few when it waits for
 * several. So each further line is answered, and nothing is closed. Closing with input
 * unread would reset the connection, and what is still on the way to the client be lost.
 *
 * No memory is allocated. */
#ifndef NET_BRIDGE_FAREWELL_H
#define NET_BRIDGE_FAREWELL_H

#include <stdbool.h>
#include <stddef.h>

#include "../watch.h"
#include "net/loop.h"

#define FAREWELL_TEXT_MAX 160

/* What is said. */
struct farewell_words {
	const char *text; /* a reply's line without its end; NULL: nothing is said */
	unsigned count;   /* of replies at once */
	bool in_line;     /* a reply's line before them has to be ended */
	bool answer;      /* each further line gets the reply, too */
	bool close;       /* behind the replies the client is sent the connection's end */
};

struct farewell {
	struct loop *loop;
	int fd;
	void (*ended)(void *arg);
	void *arg;
	struct watch watch;
	short waits_for; /* what the watch is set for */
	bool close;
	bool read_eof;
	unsigned due;                 /* replies that haven't been sent as a whole */
	unsigned answers;             /* replies that may still be added */
	size_t sent, len;             /* of the text */
	char text[FAREWELL_TEXT_MAX]; /* the end of a line, and the reply */
};

/* The socket stays the caller's, and open until farewell_stop(). ended is called from the
 * loop, once: the client has closed. */
void farewell_start(struct farewell *farewell, struct loop *loop, int fd,
	const struct farewell_words *words, void (*ended)(void *arg), void *arg);

/* Legal in any state but before farewell_start(). */
void farewell_stop(struct farewell *farewell);

/* Closes a client's socket without a reset, as far as possible: what has come in is read
 * before. */
void farewell_close(int fd);

#endif
