/* Writing text that is known to fit, where printf would take longer than the rest. Each
 * returns the end of what it has written; there is no NUL. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline char *
text_put(char *to, const char *text, size_t len)
{
	memcpy(to, text, len);
	return to + len;
}

static inline char *
text_put_word(char *to, const char *text)
{
	return text_put(to, text, strlen(text));
}

#define TEXT_NUMBER_MAX 10 /* digits of a uint32_t */

static inline char *
text_put_number(char *to, uint32_t n)
{
	size_t digits = 1;

	for (uint32_t rest = n; rest >= 10; rest /= 10)
		digits++;
	for (char *p = to + digits; p > to; n /= 10)
		*--p = (char)('0' + n % 10);
	return to + digits;
}

/* Four numbers with dots; the address is in host byte order. */
#define TEXT_IPV4_MAX 15

static inline char *
text_put_ipv4(char *to, uint32_t ip)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		to = text_put_number(to, ip >> shift & 0xff);
		if (shift > 0)
			*to++ = '.';
	}
	return to;
}

#endif
