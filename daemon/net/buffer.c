#include "buffer.h"

#include <stdlib.h>
#include <string.h>

/* It may have held the key of a request. */
static void
wipe_and_free(struct buffer *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->len);
	free(b->data);
}

bool
buffer_set(struct buffer *b, const char *data, size_t len)
{
	char *copy = NULL;

	if (len > 0 && (copy = malloc(len)) == NULL)
		return false;
	if (len > 0)
		memcpy(copy, data, len);
	wipe_and_free(b);
	b->data = copy;
	b->len = len;
	return true;
}

bool
buffer_append(struct buffer *b, const char *data, size_t len)
{
	char *grown = realloc(b->data, b->len + len);

	if (grown == NULL)
		return false;
	memcpy(grown + b->len, data, len);
	b->data = grown;
	b->len += len;
	return true;
}

void
buffer_clear(struct buffer *b)
{
	wipe_and_free(b);
	*b = (struct buffer){NULL, 0};
}
