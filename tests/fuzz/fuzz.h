/* What the fuzz targets share. A target checks what the headers promise, for whatever
 * bytes it is given, and aborts if that doesn't hold. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define require(cond)                                                                    \
	do {                                                                             \
		if (!(cond)) {                                                           \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);       \
			abort();                                                         \
		}                                                                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory of exactly this size, so that a sanitizer sees a byte beyond it. */
static inline void *
fuzz_alloc(size_t size)
{
	void *p = malloc(size > 0 ? size : 1);

	require(p != NULL);
	return p;
}

static inline bool
fuzz_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* Of the bytes that a name in an answer can have, and not by the parsers' own word. */
static inline bool
fuzz_host(const char *host, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (host[i] == '\0' || strchr("abcdefghijklmnopqrstuvwxyz0123456789-._",
					       host[i]) == NULL)
			return false;
	return len > 0;
}

#endif
