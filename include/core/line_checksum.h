/* The checksum at the end of each line of the state files, against damage (not against
 * malice). */
#ifndef CORE_LINE_CHECKSUM_H
#define CORE_LINE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>

#define LINE_CHECKSUM_LEN (1 + 16 + 1) /* a blank, the checksum, the newline */

/* Adds the checksum to a text of len bytes, with a newline and a NUL behind it: the text
 * has room for LINE_CHECKSUM_LEN + 1 more bytes. Returns the new length without the NUL.
 */
size_t line_checksum_add(char *text, size_t len);

/* Is the checksum of a line right? *len: that of the line without its newline, on return
 * that of the text before the checksum. */
bool line_checksum_check(const char *line, size_t *len);

#endif
