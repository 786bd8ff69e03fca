/* The words and signs of a configuration file.
 *
 * Nothing is passed over: whatever isn't a blank, a comment, a word, a string or one of
 * the signs { } = , is a fault, which is printed to standard error as
 * FILE:LINE:COLUMN: message. */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_VALUE_MAX 4096 /* bytes of a word or a string */

enum config_token {
	CONFIG_BAD, /* a fault, which has been printed; the rest of the line is unknown */
	CONFIG_EOF,
	CONFIG_WORD,
	CONFIG_STRING, /* in quotes */
	CONFIG_OPEN,
	CONFIG_CLOSE,
	CONFIG_EQUALS,
	CONFIG_COMMA,
};

struct config_place {
	unsigned line;   /* from 1; 0: not in the file */
	unsigned column; /* from 1, in bytes */
};

struct config_scan {
	const char *file;          /* its name, for messages */
	const char *next;          /* where the next token is looked for */
	const char *start;         /* the first byte of its line */
	unsigned line;             /* the line of next */
	struct config_place place; /* of the last token */
	bool bad_text; /* the last string has a fault, which has been printed */
	size_t len;
	char text[CONFIG_VALUE_MAX + 1]; /* of the last word or string */
};

/* Begins with a text of len bytes, behind which stands a NUL. file and text belong to the
 * caller. False, and a message, if there are control characters in it. */
bool config_scan_start(
	struct config_scan *, const char *file, const char *text, size_t len);

enum config_token config_scan_next(struct config_scan *);

/* Passes over the rest of the line. */
void config_scan_skip_line(struct config_scan *);

/* What to call the last token in a message. */
const char *config_scan_describe(const struct config_scan *, enum config_token);

/* Gives the last token once more. */
void config_scan_again(struct config_scan *);

/* Prints a message to standard error, with the name of the file and the place, if it is
 * in the file. kind stands before the message. */
__attribute__((format(printf, 4, 0))) void config_scan_message(const char *file,
	struct config_place, const char *kind, const char *format, va_list);

#endif
