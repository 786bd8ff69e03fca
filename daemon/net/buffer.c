#include "buffer.h"

#include <stdlib.h>
#include <string.h>

bool
buffer_set(struct buffer *b, const char *data, size_t len)
{
	char *copy = NULL;

	if (len > 0 && (copy = malloc(len)) == NULL)
		return false;
	if (len > 0)
		memcpy(copy, data, len);
	free(b->data);
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
	free(b->data);
	*b = (struct buffer){NULL, 0};
}
