#include "config_scan.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNS "{}=,"
#define BLANKS " \t\r\n"

void
config_scan_message(const char *file, struct config_place place, const char *kind,
	const char *format, va_list args)
{
	fprintf(stderr, "%s:", file);
	if (place.line > 0)
		fprintf(stderr, "%u:%u:", place.line, place.column);
	fprintf(stderr, " %s", kind);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

static struct config_place
place_of(const struct config_scan *s, const char *p)
{
	return (struct config_place){s->line, (unsigned)(p - s->start) + 1};
}

__attribute__((format(printf, 3, 4))) static void
fault(const struct config_scan *s, struct config_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	config_scan_message(s->file, place, "", format, args);
	va_end(args);
}

static void
pass_newline(struct config_scan *s, const char *newline)
{
	s->line++;
	s->start = newline + 1;
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
config_scan_start(struct config_scan *s, const char *file, const char *text, size_t len)
{
	*s = (struct config_scan){.file = file, .start = text, .line = 1};
	for (const char *p = text; p < text + len; p++) {
		if (is_control(p)) {
			fault(s, place_of(s, p), "a control character, 0x%02x",
				(unsigned)(unsigned char)*p);
			return false;
		}
		if (*p == '\n')
			pass_newline(s, p);
	}
	s->next = s->start = text;
	s->line = 1;
	return true;
}

/* Blanks and comments */

static bool
skip_block(struct config_scan *s)
{
	const char *end = strstr(s->next + 2, "*/");

	if (end == NULL) {
		fault(s, place_of(s, s->next), "the comment that begins here has no end");
		s->next += strlen(s->next);
		return false;
	}
	for (; s->next < end + 2; s->next++)
		if (*s->next == '\n')
			pass_newline(s, s->next);
	return true;
}

void
config_scan_skip_line(struct config_scan *s)
{
	s->next += strcspn(s->next, "\n");
}

/* False if a comment has no end. */
static bool
skip_blanks(struct config_scan *s)
{
	for (;;) {
		if (*s->next == '\n')
			pass_newline(s, s->next);
		if (*s->next != '\0' && strchr(BLANKS, *s->next) != NULL) {
			s->next++;
		} else if (*s->next == '#' || strncmp(s->next, "//", 2) == 0) {
			config_scan_skip_line(s);
		} else if (strncmp(s->next, "/*", 2) == 0) {
			if (!skip_block(s))
				return false;
		} else {
			return true;
		}
	}
}

/* Words and strings */

/* Of a text that is too long the beginning is kept. */
static void
put(struct config_scan *s, const char *text, size_t len)
{
	if (len > CONFIG_VALUE_MAX - s->len) {
		if (!s->bad_text)
			fault(s, s->place, "longer than %d characters", CONFIG_VALUE_MAX);
		s->bad_text = true;
		return;
	}
	memcpy(s->text + s->len, text, len);
	s->len += len;
	s->text[s->len] = '\0';
}

static enum config_token
scan_word(struct config_scan *s)
{
	const size_t len = strcspn(s->next, BLANKS SIGNS "\"'#");

	put(s, s->next, len);
	s->next += len;
	if (*s->next == '\0' || strchr("\"'#", *s->next) == NULL)
		return CONFIG_WORD;
	fault(s, s->place, "%s%c: this belongs in quotes, or needs a blank", s->text,
		*s->next);
	return CONFIG_BAD;
}

static const char *
variable(const char *name, size_t len)
{
	char copy[64];

	if (len >= sizeof(copy))
		return NULL;
	memcpy(copy, name, len);
	copy[len] = '\0';
	return getenv(copy);
}

/* Puts a variable of the environment in the place of ${NAME}. */
static void
put_variable(struct config_scan *s)
{
	const char *name = s->next + 2;
	const size_t len = strcspn(name, "}\"\n");
	const char *value = name[len] == '}' ? variable(name, len) : NULL;
	const char *wrong = NULL;

	if (name[len] != '}')
		wrong = "${ without }";
	else if (value == NULL)
		wrong = "the environment has no such variable";
	for (const char *p = value; p != NULL && *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			wrong = "the variable has a control character";
	if (wrong == NULL) {
		put(s, value, strlen(value));
	} else {
		fault(s, place_of(s, s->next), "${%.*s%s: %s", (int)(len < 64 ? len : 64),
			name, name[len] == '}' ? "}" : "", wrong);
		s->bad_text = true;
	}
	s->next = name + len + (name[len] == '}');
}

static void
put_escaped(struct config_scan *s, char quote)
{
	if (s->next[1] == '\\' || s->next[1] == quote) {
		put(s, s->next + 1, 1);
		s->next += 2;
		return;
	}
	fault(s, place_of(s, s->next), "a backslash is written \\\\");
	s->bad_text = true;
	s->next++;
}

static enum config_token
scan_string(struct config_scan *s)
{
	const char quote = *s->next++;

	while (*s->next != quote) {
		if (*s->next == '\0' || *s->next == '\n') {
			fault(s, s->place, "the string that begins here has no end");
			return CONFIG_BAD;
		}
		if (*s->next == '\\')
			put_escaped(s, quote);
		else if (quote == '"' && strncmp(s->next, "${", 2) == 0)
			put_variable(s);
		else
			put(s, s->next++, 1);
	}
	s->next++;
	return CONFIG_STRING;
}

enum config_token
config_scan_next(struct config_scan *s)
{
	static const enum config_token signs[] = {
		CONFIG_OPEN, CONFIG_CLOSE, CONFIG_EQUALS, CONFIG_COMMA};
	const char *sign;

	s->bad_text = false;
	s->len = 0;
	s->text[0] = '\0';
	if (!skip_blanks(s))
		return CONFIG_BAD;
	s->place = place_of(s, s->next);
	if (*s->next == '\0')
		return CONFIG_EOF;
	if (*s->next == '"' || *s->next == '\'')
		return scan_string(s);
	if ((sign = strchr(SIGNS, *s->next)) == NULL)
		return scan_word(s);
	s->next++;
	return signs[sign - SIGNS];
}

void
config_scan_again(struct config_scan *s)
{
	s->next = s->start + s->place.column - 1;
}

const char *
config_scan_describe(const struct config_scan *s, enum config_token token)
{
	static const char *const names[] = {
		[CONFIG_BAD] = "a fault",
		[CONFIG_EOF] = "the end of the file",
		[CONFIG_OPEN] = "{",
		[CONFIG_CLOSE] = "}",
		[CONFIG_EQUALS] = "=",
		[CONFIG_COMMA] = ",",
	};

	return token == CONFIG_WORD || token == CONFIG_STRING ? s->text : names[token];
}
