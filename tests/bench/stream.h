/* What stream and sink say to each other: a header, then that many bytes of a pattern,
 * and after an upload one byte as a receipt; or to quit. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stdint.h>
#include <string.h>

#define UPLOAD 'u'
#define DOWNLOAD 'd'
#define QUIT 'q'
#define RECEIPT 'k'

#define BLOCK 65536
#define PATTERN                                                                          \
	251 /* bytes after which it repeats: no power of two, so that what is left       \
	       out or comes twice shows */

struct header {
	uint64_t bytes;
	char direction;
} __attribute__((packed));

/* A block, at any place of the stream. */
static inline const char *
pattern_at(uint64_t offset)
{
	static char bytes[BLOCK + PATTERN];

	if (bytes[1] == 0)
		for (int i = 0; i < BLOCK + PATTERN; i++)
			bytes[i] = (char)(i % PATTERN);
	return bytes + offset % PATTERN;
}

#endif
