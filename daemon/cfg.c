#include "cfg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_scan.h"
#include "config_renamed.h"

struct cfg {
	struct cfg_scan *scan; /* one for the file and its sections */
	cfg_opt_t *opt;        /* a copy of the table */
	char *title;           /* of a section; NULL: the whole file */
	unsigned line;         /* where a section begins */
};

void
cfg_error(const cfg_t *cfg, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	cfg_scan_verror(cfg->scan, format, args);
	va_end(args);
}

static bool
no_memory(const cfg_t *cfg)
{
	cfg_error(cfg, "out of memory");
	return false;
}

/* Options */

static cfg_opt_t *
find(cfg_opt_t *opt, const char *name, size_t len)
{
	for (; opt->name != NULL; opt++)
		if (strlen(opt->name) == len && memcmp(opt->name, name, len) == 0)
			return opt;
	return NULL;
}

/* One that there is. */
static cfg_opt_t *
get(const cfg_t *cfg, const char *name)
{
	cfg_opt_t *opt = find(cfg->opt, name, strlen(name));

	if (opt == NULL)
		abort();
	return opt;
}

void
cfg_error_at(const cfg_t *cfg, const char *name, const char *message)
{
	const unsigned line = get(cfg, name)->line;

	if (line > 0)
		cfg->scan->line = line;
	cfg_error(cfg, "%s", message);
}

void
cfg_set_validate_func(cfg_t *cfg, const char *name, cfg_validate_callback_t check)
{
	const size_t len = strcspn(name, "|");
	cfg_opt_t *opt = find(cfg->opt, name, len);

	if (opt != NULL && name[len] == '|')
		opt = find(opt->options, name + len + 1, strlen(name + len + 1));
	if (opt == NULL)
		abort();
	opt->check = check;
}

static cfg_opt_t *
copy_table(const cfg_opt_t *table)
{
	size_t n = 1;
	cfg_opt_t *copy;

	while (table[n - 1].name != NULL)
		n++;
	if ((copy = calloc(n, sizeof(*copy))) != NULL)
		memcpy(copy, table, n * sizeof(*copy));
	return copy;
}

cfg_t *
cfg_new(cfg_opt_t *table)
{
	cfg_t *cfg = calloc(1, sizeof(*cfg));

	if (cfg == NULL)
		return NULL;
	cfg->scan = calloc(1, sizeof(*cfg->scan));
	cfg->opt = copy_table(table);
	if (cfg->scan != NULL && cfg->opt != NULL)
		return cfg;
	cfg_free(cfg);
	return NULL;
}

static void
free_option(cfg_opt_t *opt)
{
	for (unsigned i = 0; opt->value != NULL && i < opt->n; i++)
		free(opt->value[i]);
	for (unsigned i = 0; opt->section != NULL && i < opt->n; i++)
		cfg_free(opt->section[i]);
	free(opt->value);
	free(opt->section);
}

void
cfg_free(cfg_t *cfg)
{
	if (cfg == NULL)
		return;
	for (cfg_opt_t *opt = cfg->opt; opt != NULL && opt->name != NULL; opt++)
		free_option(opt);
	free(cfg->opt);
	if (cfg->title == NULL)
		free(cfg->scan);
	free(cfg->title);
	free(cfg);
}

/* Reading values */

static bool
expected(const cfg_t *cfg, const char *what, const cfg_opt_t *opt, enum cfg_token token)
{
	if (token != CFG_BAD)
		cfg_error(cfg, "%s: expected %s, not %s", opt->name, what,
			cfg_scan_describe(cfg->scan, token));
	return false;
}

static bool
read_number(const cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = cfg->scan->text;
	const size_t sign = *text == '-';
	const size_t digits = strspn(text + sign, "0123456789");

	if (digits == 0 || digits > 18 || text[sign + digits] != '\0') {
		cfg_error(cfg, "%s = \"%s\": expected a number", opt->name, text);
		return false;
	}
	opt->number = strtol(text, NULL, 10);
	return true;
}

static bool
read_bool(const cfg_t *cfg, cfg_opt_t *opt)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(cfg->scan->text, words[i]) == 0) {
			opt->number = i % 2 == 1 ? cfg_true : cfg_false;
			return true;
		}
	cfg_error(cfg, "%s = \"%s\": expected yes or no", opt->name, cfg->scan->text);
	return false;
}

static bool
read_string(const cfg_t *cfg, cfg_opt_t *opt)
{
	char **value = realloc(opt->value, (opt->n + 1) * sizeof(*value));

	if (value == NULL)
		return no_memory(cfg);
	opt->value = value;
	if ((value[opt->n] = strdup(cfg->scan->text)) == NULL)
		return no_memory(cfg);
	opt->n++;
	return true;
}

/* The value is the last token. */
static bool
read_value(cfg_t *cfg, cfg_opt_t *opt, enum cfg_token token)
{
	bool ok;

	if (token != CFG_WORD && token != CFG_STRING)
		return expected(cfg, "a value", opt, token);
	if (opt->type == CFGT_INT)
		ok = read_number(cfg, opt);
	else if (opt->type == CFGT_BOOL)
		ok = read_bool(cfg, opt);
	else
		ok = read_string(cfg, opt);
	return ok && (opt->check == NULL || opt->check(cfg, opt) == 0);
}

/* A list, or its only value. */
static bool
read_list(cfg_t *cfg, cfg_opt_t *opt)
{
	enum cfg_token token = cfg_scan_next(cfg->scan);

	if (token != CFG_OPEN)
		return read_value(cfg, opt, token);
	if ((token = cfg_scan_next(cfg->scan)) == CFG_CLOSE)
		return true;
	while (read_value(cfg, opt, token)) {
		if ((token = cfg_scan_next(cfg->scan)) == CFG_CLOSE)
			return true;
		if (token != CFG_COMMA)
			return expected(cfg, "a comma or }", opt, token);
		token = cfg_scan_next(cfg->scan);
	}
	return false;
}

static bool
read_option(cfg_t *cfg, cfg_opt_t *opt)
{
	enum cfg_token token;

	if (opt->line > 0) {
		cfg_error(
			cfg, "%s is there twice, first in line %u", opt->name, opt->line);
		return false;
	}
	opt->line = cfg->scan->line;
	if ((token = cfg_scan_next(cfg->scan)) != CFG_EQUALS)
		return expected(cfg, "=", opt, token);
	if (opt->type == CFGT_STR_LIST)
		return read_list(cfg, opt);
	return read_value(cfg, opt, cfg_scan_next(cfg->scan));
}

/* Sections */

static bool
title_free(const cfg_t *cfg, const cfg_opt_t *opt)
{
	const char *title = cfg->scan->text;

	if (*title == '\0') {
		cfg_error(cfg, "a %s needs a name", opt->name);
		return false;
	}
	for (unsigned i = 0; i < opt->n; i++)
		if (strcmp(opt->section[i]->title, title) == 0) {
			cfg_error(cfg, "%s \"%s\" is there twice, first in line %u",
				opt->name, title, opt->section[i]->line);
			return false;
		}
	return true;
}

/* Its title is the last token. */
static cfg_t *
section_new(const cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t **section = realloc(opt->section, (opt->n + 1) * sizeof(*section));
	cfg_t *sec;

	if (section == NULL)
		return NULL;
	opt->section = section;
	if ((sec = calloc(1, sizeof(*sec))) == NULL)
		return NULL;
	sec->scan = cfg->scan;
	sec->line = cfg->scan->line;
	sec->title = strdup(cfg->scan->text);
	sec->opt = copy_table(opt->options);
	if (sec->title != NULL && sec->opt != NULL) {
		section[opt->n++] = sec;
		return sec;
	}
	free(sec->title);
	free(sec->opt);
	free(sec);
	return NULL;
}

static bool read_options(cfg_t *);

static bool
read_section(cfg_t *cfg, cfg_opt_t *opt)
{
	enum cfg_token token = cfg_scan_next(cfg->scan);
	cfg_t *sec;

	if (token != CFG_WORD && token != CFG_STRING)
		return expected(cfg, "a name", opt, token);
	if (!title_free(cfg, opt))
		return false;
	if ((sec = section_new(cfg, opt)) == NULL)
		return no_memory(cfg);
	if ((token = cfg_scan_next(cfg->scan)) != CFG_OPEN)
		return expected(cfg, "{", opt, token);
	if (!read_options(sec))
		return false;
	cfg->scan->line = sec->line;
	return opt->check == NULL || opt->check(cfg, opt) == 0;
}

static bool
unknown_option(const cfg_t *cfg)
{
	const char *name = cfg->scan->text, *now = config_renamed(name);

	if (now != NULL)
		cfg_error(cfg, "\"%s\" is called \"%s\" now", name, now);
	else
		cfg_error(cfg, "there is no option \"%s\" here", name);
	return false;
}

/* Up to the end of the section, or of the file. */
static bool
read_options(cfg_t *cfg)
{
	struct cfg_scan *s = cfg->scan;
	enum cfg_token token;
	cfg_opt_t *opt;

	while ((token = cfg_scan_next(s)) == CFG_WORD) {
		if ((opt = find(cfg->opt, s->text, s->len)) == NULL)
			return unknown_option(cfg);
		if (!(opt->type == CFGT_SEC ? read_section : read_option)(cfg, opt))
			return false;
	}
	if (token == (cfg->title == NULL ? CFG_EOF : CFG_CLOSE))
		return true;
	if (token == CFG_EOF) {
		s->line = cfg->line;
		cfg_error(cfg, "the { of \"%s\" has no }", cfg->title);
	} else if (token != CFG_BAD) {
		cfg_error(cfg, "expected the name of an option, not %s",
			cfg_scan_describe(s, token));
	}
	return false;
}

/* The lists that the file doesn't have. Their defaults need no check. */
static bool
read_default_lists(cfg_t *cfg)
{
	const unsigned line = cfg->scan->line;
	cfg_opt_t list;
	bool ok = true;

	for (cfg_opt_t *opt = cfg->opt; ok && opt->name != NULL; opt++) {
		if (opt->type != CFGT_STR_LIST || opt->line > 0 || opt->n > 0 ||
			opt->string == NULL)
			continue;
		list = *opt;
		list.check = NULL;
		ok = cfg_scan_start(cfg->scan, cfg->scan->file, opt->string,
			     strlen(opt->string)) &&
		     read_list(cfg, &list);
		opt->value = list.value;
		opt->n = list.n;
	}
	cfg->scan->line = line;
	return ok;
}

bool
cfg_read(cfg_t *cfg, const char *file, const char *text, size_t len)
{
	return cfg_scan_start(cfg->scan, file, text, len) && read_options(cfg) &&
	       read_default_lists(cfg);
}

/* What has been read */

const char *
cfg_opt_name(const cfg_opt_t *opt)
{
	return opt->name;
}

unsigned
cfg_opt_size(const cfg_opt_t *opt)
{
	return opt->n;
}

long
cfg_opt_getnint(const cfg_opt_t *opt, unsigned i)
{
	(void)i;
	return opt->number;
}

const char *
cfg_opt_getnstr(const cfg_opt_t *opt, unsigned i)
{
	return i < opt->n ? opt->value[i] : opt->string;
}

cfg_t *
cfg_opt_getnsec(const cfg_opt_t *opt, unsigned i)
{
	return opt->section[i];
}

long
cfg_getint(cfg_t *cfg, const char *name)
{
	return get(cfg, name)->number;
}

bool
cfg_getbool(cfg_t *cfg, const char *name)
{
	return get(cfg, name)->number != 0;
}

const char *
cfg_getnstr(cfg_t *cfg, const char *name, unsigned i)
{
	return cfg_opt_getnstr(get(cfg, name), i);
}

const char *
cfg_getstr(cfg_t *cfg, const char *name)
{
	return cfg_getnstr(cfg, name, 0);
}

unsigned
cfg_size(cfg_t *cfg, const char *name)
{
	return get(cfg, name)->n;
}

cfg_t *
cfg_getnsec(cfg_t *cfg, const char *name, unsigned i)
{
	return get(cfg, name)->section[i];
}

const char *
cfg_title(const cfg_t *cfg)
{
	return cfg->title;
}
