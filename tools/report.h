/* Errors in a text: "file:line:column: message" on standard error. */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "progress.h"

struct report {
	const char *name; /* of the text */
	uint64_t errors;
	struct progress progress; /* makes way for each error */
};

/* column counts bytes, from 1. */
void report_error(struct report *, uint32_t line, size_t column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
