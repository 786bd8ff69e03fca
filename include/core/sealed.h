/* Lines of text with a checksum at their end, against damage (not against malice). */
#ifndef CORE_SEALED_H
#define CORE_SEALED_H

#include <stdbool.h>
#include <stddef.h>

#define SEAL_LEN (1 + 16 + 1) /* a blank, the checksum, the newline */

/* Adds it, and the newline, and a NUL: room for SEAL_LEN + 1 bytes behind the text.
 * Returns the new length, without the NUL. */
size_t seal_line(char *text, size_t len);

/* Is a line without its newline whole? *len becomes that of the text. */
bool sealed_line(const char *line, size_t *len);

#endif
