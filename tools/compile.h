/* From a text to a map. Errors of a text go to standard error as
 * "FILE:LINE:COLUMN: message", all of them in one run. */
#ifndef TOOLS_COMPILE_H
#define TOOLS_COMPILE_H

#include "arguments.h"

/* Writes the map of a text. Status: STATUS_ERRORS if anything is wrong; then the old map
 * is still there. */
enum exit_status command_compile(const struct arguments *args);

/* Does the same checks of each text, and writes nothing. */
enum exit_status command_check(const struct arguments *args);

#endif
