/* Bytes that wait. Empty, it holds no memory. */
#ifndef NET_BUFFER_H
#define NET_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	char *data;
	size_t len;
};

/* False: out of memory, and the buffer is as it was. In buffer_set() the data may be part
 * of what the buffer holds. */
bool buffer_set(struct buffer *, const char *data, size_t len);
bool buffer_append(struct buffer *, const char *data, size_t len);
void buffer_clear(struct buffer *);

#endif
