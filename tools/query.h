/* What a compiled map says. Answers go to standard output. */
#ifndef TOOLS_QUERY_H
#define TOOLS_QUERY_H

#include "arguments.h"

/* The first operand is the map, the others are keys. Status: the greatest of all keys, or
 * STATUS_NO_ANSWER. */
enum exit_status command_query(const struct arguments *args);

/* Writes the map as text that compiles to the same map. */
enum exit_status command_dump(const struct arguments *args);

#endif
