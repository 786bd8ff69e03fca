#include "net/pinfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/state_line.h"
#include "net/log.h"
#include "statefile.h"
#include "statelog.h"

struct pinfile {
	struct pinfile_config config;
	char path[STATEFILE_PATH_MAX];
	struct statelog *log;
	bool failing; /* was logged */
};

/* Reading: at the start, and in the log's thread, which has pins of its own */

struct reading {
	struct pins *pins;
	uint32_t today;
	size_t lines, damaged;
	bool no_memory; /* for all that was read */
};

static void
read_line(void *arg, const char *text, size_t len)
{
	struct reading *r = arg;
	struct state_line s;

	r->lines++;
	if (!state_line_read(text, len, &s)) {
		r->damaged++;
		return;
	}
	switch (pins_load(r->pins, &s, r->today)) {
	case PINS_LOADED:
		break;
	case PINS_LEFT_OUT:
		r->damaged++;
		break;
	case PINS_NO_MEMORY:
		r->no_memory = true;
	}
}

/* Writing */

struct writing {
	FILE *to;
	size_t lines;
};

static void
write_line(void *arg, const struct state_line *s)
{
	struct writing *w = arg;
	char line[STATE_LINE_MAX];

	fwrite(line, 1, state_line_write(line, s), w->to);
	w->lines++;
}

static size_t
tidy(void *arg, FILE *from, FILE *to)
{
	const struct pins_config *config = arg;
	struct reading r = {.pins = pins_new(config), .today = UINT32_MAX};
	struct writing w = {.to = to};
	bool good = r.pins != NULL && statefile_read_from(from, read_line, &r) &&
		    !r.no_memory;

	if (good)
		pins_walk(r.pins, write_line, &w);
	pins_free(r.pins);
	return good ? w.lines : SIZE_MAX;
}

/* A disk that can't be written now is no reason not to start. */
static bool
may_pass(int error)
{
	return error == EROFS || error == EACCES || error == EPERM || error == ENOSPC ||
	       error == EDQUOT || error == EFBIG || error == EIO;
}

/* Writes only what still counts. False: that can't be, and won't pass. */
static bool
write_all(struct pinfile *f, size_t *lines)
{
	struct writing w = {.to = statefile_create(f->path)};

	if (w.to == NULL)
		return may_pass(errno);
	pins_walk(f->config.pins, write_line, &w);
	if (!statefile_commit(w.to, f->path, true))
		return may_pass(errno);
	*lines = w.lines;
	return true;
}

static void
append_line(void *arg, const struct state_line *s)
{
	struct pinfile *f = arg;
	char line[STATE_LINE_MAX];

	if (statelog_append(f->log, line, state_line_write(line, s)) == 0) {
		f->config.counters->state_failures++;
		log_warnx("%s: no room to queue a changed pin: the change is lost at a "
			  "restart",
			f->path);
	}
}

void
pinfile_note(struct pinfile *f, const struct domain *d)
{
	pins_walk_domain(f->config.pins, d, append_line, f);
}

bool
pinfile_has_room(struct pinfile *f)
{
	return statelog_has_room(f->log);
}

static void
kept(void *arg, uint64_t upto)
{
	struct pinfile *f = arg;

	(void)upto;
	if (f->failing)
		log_warnx("%s is writable again", f->path);
	f->failing = false;
}

static void
failed(void *arg, int error)
{
	struct pinfile *f = arg;

	f->config.counters->state_failures++;
	if (!f->failing) {
		errno = error;
		log_warn(
			"can't write %s: until then changed pins don't survive a restart",
			f->path);
	}
	f->failing = true;
}

/* The whole */

/* What isn't taken over is still there, under another name. */
static bool
keep_damaged(const struct pinfile *f, size_t damaged)
{
	char old[STATEFILE_PATH_MAX];

	if (damaged == 0)
		return true;
	if (!statefile_keep_old(f->path, old)) {
		log_warn("%s: %zu lines are damaged or beyond max_pins, and no copy of "
			 "the file can be made",
			f->path, damaged);
		return false;
	}
	log_warnx("%s: ignored %zu lines that are damaged or beyond max_pins; a copy of "
		  "the file is %s",
		f->path, damaged, old);
	return true;
}

static bool
open_log(struct pinfile *f, size_t lines, size_t needed, bool never_tidy)
{
	const struct statelog_config log = {.loop = f->config.loop,
		.path = f->path,
		.size = statefile_size(f->path),
		.lines = lines,
		.needed = needed,
		.never_tidy = never_tidy,
		.tidy = tidy,
		.tidy_arg = &f->config.pins_config,
		.kept = kept,
		.failed = failed,
		.arg = f};

	return (f->log = statelog_open(&log)) != NULL;
}

/* False: errno tells why. */
static bool
open_file(struct pinfile *f)
{
	struct reading r = {.pins = f->config.pins, .today = pins_day(f->config.wall)};
	bool kept_damaged;
	size_t lines;

	if (!statefile_read(f->path, read_line, &r))
		return false;
	if (r.no_memory) {
		errno = ENOMEM;
		return false;
	}
	lines = r.lines;
	kept_damaged = keep_damaged(f, r.damaged);
	if (!kept_damaged && !may_pass(errno))
		return false;
	if (kept_damaged && !write_all(f, &lines))
		return false;
	return open_log(f, lines, pins_count(f->config.pins), !kept_damaged);
}

struct pinfile *
pinfile_open(const struct pinfile_config *config)
{
	struct pinfile *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		log_error("pins");
		return NULL;
	}
	f->config = *config;
	if (statefile_path(f->path, config->dir, "pins")) {
		if (open_file(f))
			return f;
		log_error("%s", f->path);
	}
	free(f);
	return NULL;
}

void
pinfile_close(struct pinfile *f)
{
	if (f == NULL)
		return;
	if (!statelog_close(f->log))
		log_warnx("%s: the last changes can't be written and are lost", f->path);
	free(f);
}
