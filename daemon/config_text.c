#include "config_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (1024L * 1024)

static char *
read_all(FILE *f, size_t *len)
{
	char *text = malloc(FILE_MAX + 1);
	size_t n;

	if (text == NULL)
		return NULL;
	n = fread(text, 1, FILE_MAX + 1, f);
	if (ferror(f) || n > FILE_MAX) {
		if (n > FILE_MAX)
			errno = EFBIG;
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = n;
	return text;
}

char *
config_text_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text;
	int saved;

	if (f == NULL)
		return NULL;
	text = read_all(f, len);
	saved = errno;
	fclose(f);
	errno = saved;
	return text;
}
