/* The words and signs of a configuration file, for cfg.c.
 *
 * Nothing is passed over: whatever isn't a blank, a comment, a word, a string or one of
 * the signs { } = , is a fault. */
#ifndef CFG_SCAN_H
#define CFG_SCAN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define CFG_VALUE_MAX 4096 /* bytes of a word or a string */

enum cfg_token {
	CFG_BAD, /* a fault, which has been told */
	CFG_EOF,
	CFG_WORD,
	CFG_STRING, /* in quotes */
	CFG_OPEN,
	CFG_CLOSE,
	CFG_EQUALS,
	CFG_COMMA,
};

struct cfg_scan {
	const char *file; /* its name, for messages */
	const char *p;    /* what comes next */
	unsigned next;    /* the line of p */
	unsigned line;    /* that of the last token, and of messages */
	size_t len;
	char text[CFG_VALUE_MAX + 1]; /* of the last word or string */
};

/* Begins with a text of len bytes, behind which stands a NUL. Both belong to the caller.
 * False, and a message, if there are control characters in it. */
bool cfg_scan_start(struct cfg_scan *, const char *file, const char *text, size_t len);

enum cfg_token cfg_scan_next(struct cfg_scan *);

/* What to call the last token in a message. */
const char *cfg_scan_describe(const struct cfg_scan *, enum cfg_token);

/* Prints a message to standard error, with the name of the file and the line. */
__attribute__((format(printf, 2, 3))) void cfg_scan_error(
	const struct cfg_scan *, const char *format, ...);
__attribute__((format(printf, 2, 0))) void cfg_scan_verror(
	const struct cfg_scan *, const char *format, va_list);

#endif
