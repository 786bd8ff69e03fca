#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void
report_error(struct report *r, uint32_t line, size_t column, const char *fmt, ...)
{
	va_list ap;

	progress_clear(&r->progress);
	fprintf(stderr, "%s:%" PRIu32 ":%zu: ", r->name, line, column);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	r->errors++;
}
