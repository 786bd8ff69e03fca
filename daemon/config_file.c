#include "config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_hint.h"

/* The listeners that there are when the file names none. */
static const char default_listeners[] =
	"listener exim { protocol = readsocket address = "
	"\"unix:/run/onionmxd/exim.sock\" }\n"
	"listener tcp_table { protocol = tcp_table address = \"127.0.0.1:23000\" }\n"
	"listener socketmap { protocol = socketmap"
	" address = \"unix:/run/onionmxd/socketmap.sock\" }\n";

/* Messages */

void
config_file_fault(
	struct config_file *f, struct config_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	config_scan_message(f->name, place, "", format, args);
	va_end(args);
	f->is_good = false;
}

void
config_file_warn(
	const struct config_file *f, struct config_place place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	config_scan_message(f->name, place, "warning: ", format, args);
	va_end(args);
}

static struct config_place
here(const struct config_file *f)
{
	return f->is_preset ? (struct config_place){0, 0} : f->scan.place;
}

/* After a fault of the syntax: goes on in the next line, or with this token if it is not
 * in the line of its key, or ends the section. */
static void
resume(struct config_file *f, enum config_token token)
{
	f->is_good = false;
	f->is_lost = true;
	if (token == CONFIG_CLOSE ||
		(token != CONFIG_BAD && f->scan.place.line > f->line))
		config_scan_again(&f->scan);
	else
		config_scan_skip_line(&f->scan);
}

static bool
expected(struct config_file *f, const char *what, enum config_token token)
{
	if (token != CONFIG_BAD)
		config_file_fault(f, here(f), "expected %s, not %s", what,
			config_scan_describe(&f->scan, token));
	resume(f, token);
	return false;
}

static bool
no_memory(struct config_file *f)
{
	config_file_fault(f, here(f), "out of memory");
	return false;
}

static bool
is_text(enum config_token token)
{
	return token == CONFIG_WORD || token == CONFIG_STRING;
}

/* Structs of sections */

/* Pointers of several types are looked at as one. */
static char *
pointer_at(const char *where)
{
	char *pointer;

	memcpy(&pointer, where, sizeof(pointer));
	return pointer;
}

void *
config_file_struct(const struct config_file *f, const struct config_block *b)
{
	const struct config_section *s = b->section;
	char *config = (char *)f->config;

	return s->name == NULL ? config : pointer_at(config + s->at) + b->index * s->size;
}

/* Makes the array one longer, with zeros. NULL: no memory. */
static void *
grow(char *array, size_t *n, size_t size)
{
	char *longer = realloc(array, (*n + 1) * size);

	if (longer != NULL)
		memset(longer + *n * size, 0, size);
	return longer;
}

static const char *
title_of(const struct config_file *f, const struct config_block *b)
{
	return pointer_at((char *)config_file_struct(f, b) + b->section->title);
}

static bool
add_struct(struct config_file *f, const struct config_section *s, const char *title)
{
	char *config = (char *)f->config;
	size_t *n = (size_t *)(config + s->count);
	char *array = grow(pointer_at(config + s->at), n, s->size);
	char *copy;

	if (array == NULL)
		return false;
	memcpy(config + s->at, &array, sizeof(array));
	if ((copy = strdup(title)) == NULL)
		return false;
	memcpy(array + *n * s->size + s->title, &copy, sizeof(copy));
	(*n)++;
	return true;
}

static bool
add_block(
	struct config_file *f, const struct config_section *s, struct config_place place)
{
	struct config_block *block = grow((char *)f->block, &f->nblocks, sizeof(*block));

	if (block == NULL)
		return false;
	f->block = block;
	block += f->nblocks;
	block->section = s;
	block->place = place;
	if (s->name != NULL && !add_struct(f, s, f->scan.text))
		return false;
	if (s->name != NULL)
		block->index = *(size_t *)((char *)f->config + s->count) - 1;
	f->nblocks++;
	return true;
}

/* Values */

const struct config_mark *
config_file_mark(const struct config_block *b, const char *name)
{
	return &b->mark[config_table_key(b->section, name) - b->section->key];
}

/* Returns NULL, or what is wrong, with errno as config_type says. */
static const char *
set_value(const struct config_file *f, const struct config_block *b,
	const struct config_key *key, const char *text)
{
	static char too_many[40];
	char *section = config_file_struct(f, b);
	size_t *n = (size_t *)(section + key->count);
	const char *wrong;

	errno = 0;
	if (key->room == 0)
		return key->type(key, text, section + key->at);
	if (*n == key->room) {
		snprintf(too_many, sizeof(too_many), "at most %zu values", key->room);
		return too_many;
	}
	wrong = key->type(key, text, section + key->at + *n * key->item);
	*n += wrong == NULL;
	return wrong;
}

/* The value is the last token. */
static bool
read_value(struct config_file *f, const struct config_block *b,
	const struct config_key *key, enum config_token token)
{
	const char *quote = token == CONFIG_STRING ? "\"" : "";
	const char *wrong;

	if (f->scan.bad_text) {
		f->is_good = false;
		return false;
	}
	if ((wrong = set_value(f, b, key, f->scan.text)) == NULL)
		return true;
	config_file_fault(f, here(f), "%s = %s%s%s: %s", key->name, quote, f->scan.text,
		quote, wrong);
	return false;
}

/* Behind its {. */
static bool
read_list(
	struct config_file *f, const struct config_block *b, const struct config_key *key)
{
	enum config_token token = config_scan_next(&f->scan);
	bool good = true;

	if (token == CONFIG_CLOSE)
		return true;
	for (;; token = config_scan_next(&f->scan)) {
		if (!is_text(token))
			return expected(f, "a value", token);
		good = read_value(f, b, key, token) && good;
		if ((token = config_scan_next(&f->scan)) == CONFIG_CLOSE)
			return good;
		if (token != CONFIG_COMMA)
			return expected(f, "a comma or }", token);
	}
}

/* Behind its name. */
static bool
read_key(struct config_file *f, struct config_block *b, const struct config_key *key,
	struct config_mark *mark)
{
	enum config_token token = config_scan_next(&f->scan);

	if (token != CONFIG_EQUALS)
		return expected(f, "=", token);
	token = config_scan_next(&f->scan);
	mark->value = here(f);
	if (token == CONFIG_OPEN && key->room > 0)
		return read_list(f, b, key);
	return is_text(token) ? read_value(f, b, key, token)
			      : expected(f, "a value", token);
}

/* Defaults */

/* What is wrong with an item of a list isn't told: a default may name users that this
 * system doesn't have. */
static void
set_preset(struct config_file *f, const struct config_block *b,
	const struct config_key *key, const char *text)
{
	const char *wrong = set_value(f, b, key, text);

	if (wrong != NULL && (key->room == 0 || errno != 0))
		config_file_fault(f, (struct config_place){0, 0}, "%s = %s: %s",
			key->name, text, wrong);
}

static void
set_preset_list(
	struct config_file *f, const struct config_block *b, const struct config_key *key)
{
	char item[64];

	for (const char *p = key->preset; p != NULL && *p != '\0'; p += strspn(p, ", ")) {
		const size_t len = strcspn(p, ",");

		snprintf(item, sizeof(item), "%.*s", (int)len, p);
		set_preset(f, b, key, item);
		p += len;
	}
}

static void
set_presets(struct config_file *f, const struct config_block *b)
{
	for (size_t i = 0; i < b->section->n; i++) {
		const struct config_key *key = &b->section->key[i];
		const struct config_mark *mark = &b->mark[i];
		const char *preset = key->preset_of != NULL
					     ? key->preset_of(config_file_struct(f, b))
					     : key->preset;

		if (!mark->is_set && key->is_required && !f->is_lost)
			config_file_fault(f, b->place, "%s \"%s\" needs a key \"%s\"",
				b->section->name, title_of(f, b), key->name);
		if (mark->is_set && !mark->is_bad)
			continue;
		if (key->room > 0)
			set_preset_list(f, b, key);
		else if (preset != NULL)
			set_preset(f, b, key, preset);
	}
}

/* Keys and sections */

/* Behind a key that isn't read: passes over its value, or over a section. */
static void
skip(struct config_file *f)
{
	enum config_token token = config_scan_next(&f->scan);
	size_t depth = 1;

	if (token == CONFIG_EQUALS || (is_text(token) && f->scan.place.line == f->line)) {
		const bool is_section = token != CONFIG_EQUALS;

		token = config_scan_next(&f->scan);
		if (!is_section && is_text(token))
			return;
	}
	if (token != CONFIG_OPEN) {
		resume(f, token);
		return;
	}
	while (depth > 0 && token != CONFIG_EOF) {
		token = config_scan_next(&f->scan);
		depth += token == CONFIG_OPEN;
		depth -= token == CONFIG_CLOSE;
	}
}

static void
read_name(struct config_file *f, struct config_block *b)
{
	const struct config_key *key = config_table_key(b->section, f->scan.text);
	struct config_mark *mark;
	char hint[CONFIG_HINT_MAX];

	if (key == NULL) {
		config_hint(b->section, f->scan.text, hint);
		config_file_fault(f, here(f), "%s", hint);
		skip(f);
		return;
	}
	mark = &b->mark[key - b->section->key];
	if (mark->is_set) {
		config_file_fault(f, here(f), "%s is there twice, first in line %u",
			key->name, mark->name.line);
		skip(f);
		return;
	}
	mark->is_set = true;
	mark->name = here(f);
	mark->is_bad = !read_key(f, b, key, mark);
}

static void
check_title(struct config_file *f, const struct config_section *s)
{
	const char *title = f->scan.text;

	if (*title == '\0')
		config_file_fault(f, here(f), "a %s needs a name", s->name);
	for (size_t i = 1; i < f->nblocks; i++)
		if (f->block[i].section == s &&
			strcmp(title_of(f, &f->block[i]), title) == 0) {
			config_file_fault(f, here(f),
				"%s \"%s\" is there twice, first in line %u", s->name,
				title, f->block[i].place.line);
			return;
		}
}

/* Up to its {. The block becomes the current one. False: no memory. */
static bool
read_section(struct config_file *f, const struct config_section *s, size_t *current)
{
	const struct config_place place = here(f);
	enum config_token token;

	if (*current > 0) {
		config_file_fault(f, place, "a %s in %s \"%s\", whose { has no }",
			s->name, f->block[*current].section->name,
			title_of(f, &f->block[*current]));
		f->is_lost = true;
	}
	*current = 0;
	token = config_scan_next(&f->scan);
	if (!is_text(token)) {
		expected(f, "a name", token);
		return true;
	}
	check_title(f, s);
	if (!add_block(f, s, place))
		return no_memory(f);
	*current = f->nblocks - 1;
	if ((token = config_scan_next(&f->scan)) != CONFIG_OPEN)
		expected(f, "{", token);
	return true;
}

/* The text of the scanner. False: no memory. */
static bool
read_text(struct config_file *f)
{
	const struct config_section *s;
	enum config_token token;
	size_t current = 0;

	while ((token = config_scan_next(&f->scan)) != CONFIG_EOF) {
		f->line = f->scan.place.line;
		if (token == CONFIG_CLOSE && current > 0) {
			current = 0;
		} else if (token != CONFIG_WORD) {
			if (token == CONFIG_CLOSE)
				config_file_fault(f, here(f), "a } without a {");
			else
				expected(f, "the name of a key", token);
		} else if ((s = config_table_section(f->scan.text)) == NULL) {
			read_name(f, &f->block[current]);
		} else if (!read_section(f, s, &current)) {
			return false;
		}
	}
	if (current > 0 && !f->is_lost)
		config_file_fault(f, f->block[current].place,
			"the { of %s \"%s\" has no }", f->block[current].section->name,
			title_of(f, &f->block[current]));
	return true;
}

/* Without listeners in the file there are the default ones. */
static bool
read_listeners(struct config_file *f)
{
	bool good;

	if (f->config->nlisteners > 0)
		return true;
	f->is_preset = true;
	good = config_scan_start(&f->scan, f->name, default_listeners,
		       sizeof(default_listeners) - 1) &&
	       read_text(f);
	f->is_preset = false;
	return good;
}

static void
read_file(struct config_file *f, const char *text, size_t len)
{
	if (!config_scan_start(&f->scan, f->name, text, len)) {
		f->is_good = false;
		return;
	}
	f->is_good = add_block(f, &config_table[0], (struct config_place){0, 0});
	if (!f->is_good)
		no_memory(f);
	else if (read_text(f) && read_listeners(f))
		for (size_t i = 0; i < f->nblocks; i++)
			set_presets(f, &f->block[i]);
}

struct config_file *
config_file_read(const char *name, const char *text, size_t len, struct config *config)
{
	struct config_file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->name = name;
	f->config = config;
	read_file(f, text, len);
	return f;
}

void
config_file_free(struct config_file *f)
{
	if (f == NULL)
		return;
	free(f->block);
	free(f);
}
