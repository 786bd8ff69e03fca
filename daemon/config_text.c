#include "config_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1024L * 1024)

static char *
skip_quoted(char *p)
{
	char quote = *p++;

	while (*p != '\0' && *p != quote)
		p += p[0] == '\\' && p[1] != '\0' ? 2 : 1;
	return *p == '\0' ? p : p + 1;
}

/* Overwrites what is before end, but for the newlines. */
static char *
blank(char *p, const char *end)
{
	for (; p < end; p++)
		if (*p != '\n')
			*p = ' ';
	return p;
}

static char *
blank_block(char *p)
{
	const char *end = strstr(p + 2, "*/");

	/* Without its end it is a fault that libconfuse will report. */
	return end == NULL ? p + strlen(p) : blank(p, end + 2);
}

/* A slash in the middle of a word, as in unix:/path, begins no comment. */
static bool
between_words(const char *text, const char *p)
{
	return p == text || strchr(" \t\n\"'{}=,", p[-1]) != NULL;
}

static void
blank_comments(char *text)
{
	char *p = text;

	while (*p != '\0') {
		if (*p == '"' || *p == '\'')
			p = skip_quoted(p);
		else if (*p == '#' ||
			 (p[0] == '/' && p[1] == '/' && between_words(text, p)))
			p = blank(p, p + strcspn(p, "\n"));
		else if (p[0] == '/' && p[1] == '*' && between_words(text, p))
			p = blank_block(p);
		else
			p++;
	}
}

static char *
read_all(FILE *f)
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
	return text;
}

char *
config_text_read(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text;
	int saved;

	if (f == NULL)
		return NULL;
	text = read_all(f);
	saved = errno;
	fclose(f);
	errno = saved;
	if (text != NULL)
		blank_comments(text);
	return text;
}
