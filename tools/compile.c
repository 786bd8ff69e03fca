#include "compile.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cdbfile.h"
#include "cdbwriter.h"
#include "core/mapimage.h"
#include "core/maptext.h"
#include "dup_hash.h"
#include "dup_report.h"
#include "input.h"
#include "outfile.h"
#include "report.h"

#define LINES_A_LOOK 65536 /* at the progress; few maps are that long */

/* One text on its way to a map, or to nothing but its errors. */
struct compile {
	struct report report;
	struct input *in;
	struct dup_hash *keys;
	struct outfile *out;      /* NULL: only check */
	struct cdbwriter *writer; /* NULL: nothing is to be written any more */
	uint64_t size;            /* of the map */
	uint64_t entries;
	struct onion_memo memo;
};

static void
stop_writing(struct compile *c)
{
	cdbwriter_abandon(c->writer);
	c->writer = NULL;
}

static bool
failed(struct compile *c)
{
	progress_clear(&c->report.progress);
	warn("%s", c->report.name);
	return false;
}

/* A map without entries; its checksum is counted with as many digits as it may have. */
#define SIZE_EMPTY                                                                       \
	(MAP_IMAGE_EMPTY + MAP_IMAGE_RECORD(strlen(MAP_SUM_KEY), MAP_SUM_VALUE_MAX))

/* The first line that doesn't fit is an error; nothing is written from there on, but
 * the rest is still checked. */
static void
count_size(struct compile *c, uint32_t line, size_t keylen, size_t len)
{
	bool fitted = c->size <= CDBFILE_SIZE_MAX;

	c->size += MAP_IMAGE_RECORD(keylen, len);
	if (fitted && c->size > CDBFILE_SIZE_MAX)
		report_error(&c->report, line, 1,
			"the map gets too large: a cdb file ends at 4 GiB");
}

static bool
add_entry(struct compile *c, const struct map_entry *e, uint32_t line)
{
	char key[MAP_KEY_MAX], value[MAP_VALUE_MAX];
	size_t keylen = maptext_key(e, key), len = maptext_value(e, value);

	c->entries++;
	if (!dup_hash_add(c->keys, line, key, keylen))
		return failed(c);
	count_size(c, line, keylen, len);
	if (c->report.errors > 0)
		stop_writing(c);
	if (c->writer == NULL || cdbwriter_add(c->writer, key, keylen, value, len))
		return true;
	progress_clear(&c->report.progress);
	warn("%s", outfile_name(c->out));
	return false;
}

/* False: it is no use to go on. */
static bool
take_line(struct compile *c, const struct input_line *line)
{
	struct map_error error;
	struct map_entry entry;

	if (line->too_long) {
		report_error(&c->report, line->number, INPUT_LINE_MAX + 1,
			"a line has at most %d bytes", INPUT_LINE_MAX);
		return true;
	}
	if (line->nul != NULL) {
		report_error(&c->report, line->number,
			(size_t)(line->nul - line->text) + 1,
			"a NUL byte: this is no text");
		return true;
	}
	switch (maptext_parse(line->text, line->len, &entry, &error, &c->memo)) {
	case MAPTEXT_EMPTY:
		return true;
	case MAPTEXT_ENTRY:
		return add_entry(c, &entry, line->number);
	case MAPTEXT_ERROR:
		report_error(&c->report, line->number, error.column, "%s", error.message);
		return true;
	case MAPTEXT_NOMEM:
		break;
	}
	errno = ENOMEM;
	return failed(c);
}

static bool
take_lines(struct compile *c)
{
	struct progress *progress = &c->report.progress;
	struct input_line line;
	enum input_status st;

	progress_start(progress);
	while ((st = input_next(c->in, &line)) == INPUT_LINE) {
		if (!take_line(c, &line))
			return false;
		if (line.number % LINES_A_LOOK == 0)
			progress_show(progress, input_position(c->in), input_size(c->in));
	}
	progress_clear(progress);
	if (st == INPUT_FAILED)
		return failed(c);
	return true;
}

/* Reads it all, reports all its errors, writes all but the end. False: it couldn't. */
static bool
read_text(struct compile *c)
{
	bool done;

	if (!take_lines(c))
		return false;
	if (c->writer != NULL)
		cdbwriter_end(c->writer);
	done = dup_report_all(c->keys, c->in, &c->report);
	if (input_changed(c->in)) {
		warnx("%s: changed while it was being read", c->report.name);
		return false;
	}
	return done || failed(c);
}

static bool
write_map(struct compile *c)
{
	struct outfile *out = c->out;
	struct cdbwriter *writer = c->writer;

	c->writer = NULL;
	if (!cdbwriter_finish(writer)) {
		warn("%s", outfile_name(out));
		return false;
	}
	c->out = NULL;
	return outfile_commit(out);
}

static bool
summarise(const struct compile *c)
{
	uint64_t n = c->report.errors;

	if (n > 0)
		warnx("%s: %" PRIu64 " error%s%s", c->report.name, n, n == 1 ? "" : "s",
			c->out == NULL ? "" : ", nothing written");
	else if (c->entries == 0)
		warnx("%s: warning: no entries", c->report.name);
	return n == 0;
}

static bool
start(struct compile *c, const char *text, const char *map)
{
	if ((c->in = input_open(text)) == NULL || (c->keys = dup_hash_new()) == NULL)
		return failed(c);
	if (map == NULL)
		return true;
	if (input_is(c->in, map)) {
		warnx("%s: would replace the text that it is made from", map);
		return false;
	}
	if ((c->out = outfile_new(map)) == NULL)
		return false;
	if ((c->writer = cdbwriter_new(outfile_fd(c->out))) == NULL)
		return failed(c);
	return true;
}

/* map: where to write, or NULL to check the text only. */
static enum exit_status
compile(const char *text, const char *map)
{
	struct compile c = {.size = SIZE_EMPTY};
	bool done;

	c.report.name = strcmp(text, "-") == 0 ? "<stdin>" : text;
	done = start(&c, text, map) && read_text(&c) && summarise(&c) &&
	       (map == NULL || write_map(&c));
	stop_writing(&c);
	outfile_abandon(c.out);
	dup_hash_free(c.keys);
	input_close(c.in);
	return done ? STATUS_OK : STATUS_ERRORS;
}

/* NAME.cdb for NAME.txt, and for any other NAME. NULL: out of memory. */
static char *
map_name(const char *text)
{
	size_t len = strlen(text);
	char *name;

	if (len > 4 && strcmp(text + len - 4, ".txt") == 0 && text[len - 5] != '/')
		len -= 4;
	return asprintf(&name, "%.*s.cdb", (int)len, text) < 0 ? NULL : name;
}

enum exit_status
command_compile(const struct arguments *args)
{
	const char *text = args->operand[0];
	enum exit_status st;
	char *map;

	if (args->output != NULL)
		return compile(text, args->output);
	if (strcmp(text, "-") == 0) {
		warnx("compile: standard input needs -o OUT.cdb");
		return STATUS_USAGE;
	}
	if ((map = map_name(text)) == NULL) {
		warn("%s", text);
		return STATUS_ERRORS;
	}
	st = compile(text, map);
	free(map);
	return st;
}

enum exit_status
command_check(const struct arguments *args)
{
	enum exit_status st = STATUS_OK;

	for (int i = 0; i < args->n; i++)
		if (compile(args->operand[i], NULL) != STATUS_OK)
			st = STATUS_ERRORS;
	return st;
}
