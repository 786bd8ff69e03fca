#include "cfg_scan.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNS "{}=,"
#define BLANKS " \t\r\n"

void
cfg_scan_verror(const struct cfg_scan *s, const char *format, va_list args)
{
	fprintf(stderr, "%s:%u: ", s->file, s->line);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void
cfg_scan_error(const struct cfg_scan *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	cfg_scan_verror(s, format, args);
	va_end(args);
}

/* A carriage return belongs to the end of a line. One anywhere else would hide the lines
 * that it looks like ending. */
static bool
is_control(const char *p)
{
	if (*p == '\r')
		return p[1] != '\n';
	return ((unsigned char)*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f;
}

bool
cfg_scan_start(struct cfg_scan *s, const char *file, const char *text, size_t len)
{
	*s = (struct cfg_scan){.file = file, .p = text, .next = 1, .line = 1};
	for (const char *p = text; p < text + len; p++) {
		if (is_control(p)) {
			cfg_scan_error(s, "a control character, 0x%02x",
				(unsigned)(unsigned char)*p);
			return false;
		}
		s->line += *p == '\n';
	}
	return true;
}

/* Blanks and comments */

static bool
skip_block(struct cfg_scan *s)
{
	const char *end = strstr(s->p + 2, "*/");

	if (end == NULL) {
		s->line = s->next;
		cfg_scan_error(s, "the comment that begins here has no end");
		return false;
	}
	for (; s->p < end + 2; s->p++)
		s->next += *s->p == '\n';
	return true;
}

/* False if a comment has no end. */
static bool
skip_blanks(struct cfg_scan *s)
{
	for (;;) {
		if (*s->p == '\n')
			s->next++;
		if (*s->p != '\0' && strchr(BLANKS, *s->p) != NULL) {
			s->p++;
		} else if (*s->p == '#' || strncmp(s->p, "//", 2) == 0) {
			s->p += strcspn(s->p, "\n");
		} else if (strncmp(s->p, "/*", 2) == 0) {
			if (!skip_block(s))
				return false;
		} else {
			return true;
		}
	}
}

/* Words and strings */

static bool
put(struct cfg_scan *s, const char *text, size_t len)
{
	if (len > CFG_VALUE_MAX - s->len) {
		cfg_scan_error(s, "longer than %d characters", CFG_VALUE_MAX);
		return false;
	}
	memcpy(s->text + s->len, text, len);
	s->len += len;
	s->text[s->len] = '\0';
	return true;
}

static enum cfg_token
scan_word(struct cfg_scan *s)
{
	const size_t len = strcspn(s->p, BLANKS SIGNS "\"'#");

	if (!put(s, s->p, len))
		return CFG_BAD;
	s->p += len;
	if (*s->p != '\0' && strchr("\"'#", *s->p) != NULL) {
		cfg_scan_error(s, "%s%c: this belongs in quotes, or needs a blank",
			s->text, *s->p);
		return CFG_BAD;
	}
	return CFG_WORD;
}

/* Puts a variable of the environment in the place of ${NAME}. */
static bool
put_variable(struct cfg_scan *s)
{
	char name[64];
	const size_t len = strcspn(s->p + 2, "}\"\n");
	const char *value = NULL;

	if (s->p[2 + len] == '}' && len < sizeof(name)) {
		memcpy(name, s->p + 2, len);
		name[len] = '\0';
		value = getenv(name);
	}
	if (value == NULL) {
		cfg_scan_error(s, "%.*s}: the environment has no such variable",
			(int)(len < sizeof(name) ? len + 2 : sizeof(name)), s->p);
		return false;
	}
	for (const char *p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			cfg_scan_error(s, "${%s} has a control character", name);
			return false;
		}
	s->p += 2 + len + 1;
	return put(s, value, strlen(value));
}

static bool
put_escaped(struct cfg_scan *s, char quote)
{
	if (s->p[1] != '\\' && s->p[1] != quote) {
		cfg_scan_error(s, "a backslash is written \\\\");
		return false;
	}
	s->p += 2;
	return put(s, s->p - 1, 1);
}

static enum cfg_token
scan_string(struct cfg_scan *s)
{
	const char quote = *s->p++;
	bool ok = true;

	while (ok && *s->p != quote) {
		if (*s->p == '\0' || *s->p == '\n') {
			cfg_scan_error(s, "the string that begins here has no end");
			ok = false;
		} else if (*s->p == '\\') {
			ok = put_escaped(s, quote);
		} else if (quote == '"' && strncmp(s->p, "${", 2) == 0) {
			ok = put_variable(s);
		} else {
			ok = put(s, s->p++, 1);
		}
	}
	s->p += ok;
	return ok ? CFG_STRING : CFG_BAD;
}

enum cfg_token
cfg_scan_next(struct cfg_scan *s)
{
	static const enum cfg_token signs[] = {
		CFG_OPEN, CFG_CLOSE, CFG_EQUALS, CFG_COMMA};
	const char *sign;

	if (!skip_blanks(s))
		return CFG_BAD;
	s->line = s->next;
	s->len = 0;
	s->text[0] = '\0';
	if (*s->p == '\0')
		return CFG_EOF;
	if (*s->p == '"' || *s->p == '\'')
		return scan_string(s);
	if ((sign = strchr(SIGNS, *s->p)) == NULL)
		return scan_word(s);
	s->p++;
	return signs[sign - SIGNS];
}

const char *
cfg_scan_describe(const struct cfg_scan *s, enum cfg_token token)
{
	static const char *const names[] = {
		[CFG_BAD] = "a fault",
		[CFG_EOF] = "the end of the file",
		[CFG_OPEN] = "{",
		[CFG_CLOSE] = "}",
		[CFG_EQUALS] = "=",
		[CFG_COMMA] = ",",
	};

	return token == CFG_WORD || token == CFG_STRING ? s->text : names[token];
}
