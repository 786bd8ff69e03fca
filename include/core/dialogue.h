/* What an SMTP client and a server have said last, read beside a connection that isn't
 * ours: whether a reply of ours would be understood, if one has to be given. */
#ifndef CORE_DIALOGUE_H
#define CORE_DIALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIALOGUE_OWED_MAX 1000 /* commands are counted up to this number */

struct dialogue {
	char line[4];      /* the beginning of the server's line under way */
	size_t len;        /* of it */
	bool in_line;      /* the line goes on behind that */
	char last[4];      /* the beginning of the server's last whole line */
	char command[24];  /* the beginning of the client's line under way */
	size_t commandlen; /* of it */
	uint64_t chunk;    /* bytes of a message that are still to come (BDAT) */
	bool greeted;      /* the server's first reply, its greeting, is whole */
	bool client_spoke;
	bool starttls; /* the client's last whole line */
	unsigned owed; /* replies to the client's lines */
	bool tls;
	bool unlike; /* the server speaks neither SMTP nor, by its first byte, TLS */
};

enum dialogue_state {
	DIALOGUE_SMTP, /* in the clear; a reply would be understood */
	DIALOGUE_TLS,
	DIALOGUE_OVER,  /* the server has taken leave by a reply 221 */
	DIALOGUE_OTHER, /* another protocol */
};

/* The next bytes that have been sent to the client, and that the client has sent, cut
 * anywhere. The struct begins as zeros. A client's text isn't read: in a message
 * "STARTTLS" is a word. */
void dialogue_server(struct dialogue *dialogue, const char *data, size_t len);
void dialogue_client(struct dialogue *dialogue, const char *data, size_t len);

enum dialogue_state dialogue_state(const struct dialogue *dialogue);

/* In SMTP: is a reply's line under way, which has to be ended before another? */
bool dialogue_in_line(const struct dialogue *dialogue);

/* In SMTP: how many replies can be given at once: one for each that the client waits for.
 * The greeting is one of them. There is one as well if it waits for none or for that to a
 * message's end, which isn't known, since the next command takes it, but not if the
 * server has said 421 itself. */
unsigned dialogue_owed(const struct dialogue *dialogue);

#endif
