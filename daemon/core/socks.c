#include "core/socks.h"

#include <string.h>

#define VERSION 5
#define LOGIN_VERSION 1
#define METHOD_NONE 0
#define METHOD_LOGIN 2
#define CONNECT 1

enum address_type {
	ADDRESS_IPV4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_IPV6 = 4,
};

void
socks_begin(struct socks *s, const struct socks_target *target)
{
	s->state = SOCKS_METHOD;
	s->code = 0;
	s->target = *target;
}

/* Output */

static uint8_t *
put_word(uint8_t *p, const char *word, size_t len)
{
	*p++ = (uint8_t)len;
	memcpy(p, word, len);
	return p + len;
}

static size_t
output_greeting(const struct socks *s, uint8_t *out)
{
	out[0] = VERSION;
	out[1] = 1;
	out[2] = s->target.user != NULL ? METHOD_LOGIN : METHOD_NONE;
	return 3;
}

static size_t
output_login(const struct socks *s, uint8_t *out)
{
	uint8_t *p = out;

	*p++ = LOGIN_VERSION;
	p = put_word(p, s->target.user, strlen(s->target.user));
	p = put_word(p, s->target.password, strlen(s->target.password));
	return (size_t)(p - out);
}

static size_t
output_request(const struct socks *s, uint8_t *out)
{
	uint8_t *p = out;

	*p++ = VERSION;
	*p++ = CONNECT;
	*p++ = 0;
	*p++ = ADDRESS_NAME;
	p = put_word(p, s->target.host, s->target.hostlen);
	*p++ = (uint8_t)(s->target.port >> 8);
	*p++ = (uint8_t)s->target.port;
	return (size_t)(p - out);
}

size_t
socks_output(const struct socks *s, uint8_t out[SOCKS_OUTPUT_MAX])
{
	switch (s->state) {
	case SOCKS_METHOD:
		return output_greeting(s, out);
	case SOCKS_LOGIN:
		return output_login(s, out);
	case SOCKS_REQUEST:
		return output_request(s, out);
	default:
		return 0;
	}
}

/* Input */

static void
fail(struct socks *s, uint8_t code)
{
	s->state = SOCKS_FAILED;
	s->code = code;
}

static size_t
input_method(struct socks *s, const uint8_t *in, size_t len)
{
	uint8_t want = s->target.user != NULL ? METHOD_LOGIN : METHOD_NONE;

	if (in[0] != VERSION) {
		fail(s, 0);
		return 1;
	}
	if (len < 2)
		return 0;
	if (in[1] != want)
		fail(s, 0);
	else
		s->state = want == METHOD_LOGIN ? SOCKS_LOGIN : SOCKS_REQUEST;
	return 2;
}

static size_t
input_login(struct socks *s, const uint8_t *in, size_t len)
{
	if (in[0] != LOGIN_VERSION) {
		fail(s, 0);
		return 1;
	}
	if (len < 2)
		return 0;
	if (in[1] != 0)
		fail(s, 0);
	else
		s->state = SOCKS_REQUEST;
	return 2;
}

/* The length of a reply by its first five bytes; 0: there is no such address type. */
static size_t
reply_length(const uint8_t *in)
{
	const size_t frame = 4 + 2; /* before the address, and the port after it */

	switch (in[3]) {
	case ADDRESS_IPV4:
		return frame + 4;
	case ADDRESS_NAME:
		return frame + 1 + in[4];
	case ADDRESS_IPV6:
		return frame + 16;
	default:
		return 0;
	}
}

static size_t
input_reply(struct socks *s, const uint8_t *in, size_t len)
{
	size_t whole;

	if (in[0] != VERSION) {
		fail(s, 0);
		return 1;
	}
	if (len >= 2 && in[1] != 0) {
		fail(s, in[1]); /* nothing comes after it */
		return len;
	}
	if (len < 5)
		return 0;
	if ((whole = reply_length(in)) == 0) {
		fail(s, 0);
		return len;
	}
	if (len < whole)
		return 0;
	s->state = SOCKS_CONNECTED;
	return whole;
}

size_t
socks_input(struct socks *s, const uint8_t *in, size_t len)
{
	if (len == 0)
		return 0;
	switch (s->state) {
	case SOCKS_METHOD:
		return input_method(s, in, len);
	case SOCKS_LOGIN:
		return input_login(s, in, len);
	case SOCKS_REQUEST:
		return input_reply(s, in, len);
	default:
		return 0;
	}
}

const char *
socks_reason(uint8_t code)
{
	static const char *const standard[] = {
		"not a SOCKS5 server",
		"tor couldn't connect",
		"not allowed",
		"network unreachable",
		"host unreachable",
		"connection refused",
		"timed out",
		"command not supported",
		"address type not supported",
	};
	static const char *const onion[] = {
		"descriptor not found",
		"descriptor is invalid",
		"introduction failed",
		"rendezvous failed",
		"client authorization is missing",
		"client authorization is wrong",
		"no onion service can have this name",
		"introduction timed out",
	};

	if (code < sizeof(standard) / sizeof(standard[0]))
		return standard[code];
	if (code >= 0xf0 && code - 0xf0U < sizeof(onion) / sizeof(onion[0]))
		return onion[code - 0xf0];
	return "unknown failure";
}
