/* SOCKS5 as a client speaks it to tor: CONNECT by name (RFC 1928), with a user name and a
 * password (RFC 1929) that are no secret, but keep circuits apart. */
#ifndef CORE_SOCKS_H
#define CORE_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/domain.h"

#define SOCKS_WORD_MAX 255
#define SOCKS_OUTPUT_MAX 515 /* a user name and a password at their longest */
#define SOCKS_INPUT_MAX 262  /* a reply with a name at its longest */

enum socks_state {
	SOCKS_METHOD,  /* the greeting is to be sent, and answered */
	SOCKS_LOGIN,   /* then the name and the password */
	SOCKS_REQUEST, /* then the request */
	SOCKS_CONNECTED,
	SOCKS_FAILED, /* code says why */
};

/* Where to, and as whom: views, which must live as long as the conversation. */
struct socks_target {
	const char *host; /* not NUL-terminated */
	uint8_t hostlen;
	uint16_t port;
	const char
		*user; /* NULL: nobody, and no password. Else 1 to 255 bytes each; never
			  beginning with "<torS0X>", which means something to tor */
	const char *password;
};

struct socks {
	enum socks_state state;
	uint8_t code; /* for SOCKS_FAILED: of the reply, or 0 if it isn't SOCKS at all */
	struct socks_target target;
};

void socks_begin(struct socks *, const struct socks_target *);

/* What is to be sent in this state: once at the beginning, and again whenever
 * socks_input() has changed the state to one that isn't the end. Returns the length. */
size_t socks_output(const struct socks *, uint8_t out[SOCKS_OUTPUT_MAX]);

/* Looks at what has come in. Returns how much of it was used: 0 if it isn't a whole
 * answer yet. It never needs more than SOCKS_INPUT_MAX bytes. Once connected, the rest of
 * the input is the server's. */
size_t socks_input(struct socks *, const uint8_t *in, size_t len);

/* Why it has failed, in words; tor's own codes, too (its proposal 304). Printable ASCII
 * without quotes. */
const char *socks_reason(uint8_t code);

#endif
