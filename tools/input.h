/* A text, line by line, and any of its lines again: dup_report.c needs that. What isn't
 * a regular file is copied into memory first. */
#ifndef TOOLS_INPUT_H
#define TOOLS_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INPUT_LINE_MAX 65536 /* bytes, without the newline */

struct input;

struct input_line {
	uint32_t number;  /* from 1 */
	bool too_long;    /* longer than INPUT_LINE_MAX; text, len and nul aren't set */
	uint64_t offset;  /* for input_reread() */
	const char *text; /* without its newline, valid until the next call */
	size_t len;
	const char *nul; /* the first NUL byte in it; NULL: there is none */
};

enum input_status {
	INPUT_LINE,
	INPUT_END,
	INPUT_FAILED, /* errno tells */
};

/* "-" is standard input. NULL: errno tells. */
struct input *input_open(const char *path);
void input_close(struct input *);

/* A byte order mark at the beginning is left out. */
enum input_status input_next(struct input *, struct input_line *);

/* How many bytes of it have been read, and how many there are. */
uint64_t input_position(const struct input *);
uint64_t input_size(const struct input *);

/* Back to the first line. */
void input_rewind(struct input *);

/* The line that stands at an offset, which may be cut off at INPUT_LINE_MAX.
 * INPUT_END: there is none any more. */
enum input_status input_reread(
	const struct input *, uint64_t offset, char buf[INPUT_LINE_MAX], size_t *len);

/* Has somebody written to the file since it was opened? */
bool input_changed(const struct input *);

/* Is this the file that path names? */
bool input_is(const struct input *, const char *path);

#endif
