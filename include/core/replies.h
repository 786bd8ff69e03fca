/* What an SMTP server has said last, read beside a connection that isn't ours. */
#ifndef CORE_REPLIES_H
#define CORE_REPLIES_H

#include <stdbool.h>
#include <stddef.h>

struct replies {
	char line[4]; /* the beginning of the line that is under way */
	size_t len;   /* of it */
	bool in_line; /* the line goes on behind that */
	char last[4]; /* the beginning of the last whole line */
	bool unlike; /* something else than SMTP in the clear: TLS, or another protocol */
};

/* The next bytes from the server, cut anywhere. The struct begins as zeros. */
void replies_feed(struct replies *replies, const char *data, size_t len);

/* Would one more reply be understood as one? Not in TLS, not in the middle of a reply,
 * and not behind one by which the server itself has taken leave (221, 421), or before
 * any. */
bool replies_can_follow(const struct replies *replies);

#endif
