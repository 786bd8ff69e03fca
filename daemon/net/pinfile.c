#include "net/pinfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/stored.h"
#include "net/log.h"
#include "statefile.h"

/* When so many lines more than needed are there, the file is written anew. */
#define EXCESS_MIN 1000

struct pinfile {
	char path[STATEFILE_PATH_MAX];
	struct pins *pins;
	struct counters *counters;
	int fd; /* to append; -1: the whole file must be written first */
	size_t lines;
	size_t damaged;
	bool failed; /* was logged */
	FILE *out;   /* while the whole file is written */
};

/* Reading */

static void
take_line(void *arg, const char *text, size_t len)
{
	struct pinfile *f = arg;
	struct stored s;

	f->lines++;
	if (!stored_read(text, len, &s) || s.kind == STORED_CACHE ||
		!pins_load(f->pins, &s))
		f->damaged++;
}

/* Writing */

static void
put_line(void *arg, const struct stored *s)
{
	struct pinfile *f = arg;
	char line[STORED_MAX];

	fwrite(line, 1, stored_write(line, s), f->out);
	f->lines++;
}

static bool
write_all(struct pinfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	if ((f->out = statefile_create(f->path)) == NULL)
		return false;
	f->lines = 0;
	pins_walk(f->pins, put_line, f);
	if (!statefile_commit(f->out, f->path, true))
		return false;
	f->fd = open(f->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	return f->fd >= 0;
}

/* Half a line would be a damaged one, and the next would continue it. */
static void
append_line(void *arg, const struct stored *s)
{
	struct pinfile *f = arg;
	char line[STORED_MAX];
	size_t n = stored_write(line, s);
	ssize_t written;

	if (f->fd < 0)
		return;
	if ((written = write(f->fd, line, n)) == (ssize_t)n) {
		f->lines++;
		return;
	}
	if (written >= 0)
		errno = ENOSPC;
	close(f->fd);
	f->fd = -1;
}

void
pinfile_note(struct pinfile *f, const struct domain *d)
{
	if (f->fd >= 0 && f->lines < 2 * pins_count(f->pins) + EXCESS_MIN)
		pins_walk_domain(f->pins, d, append_line, f);
	else
		write_all(f);
	if (f->fd >= 0) {
		f->failed = false;
		return;
	}
	f->counters->state_failures++;
	if (!f->failed)
		log_warn("%s: what was pinned isn't kept", f->path);
	f->failed = true;
}

/* What isn't taken over is still there, under another name. */
static bool
keep_old(const struct pinfile *f)
{
	char old[STATEFILE_PATH_MAX];

	if (f->damaged == 0)
		return true;
	snprintf(old, sizeof(old), "%.*s.old", STATEFILE_PATH_MAX - 5, f->path);
	log_warnx("%s: %zu lines are damaged, or more than max_pins; they are left in %s",
		f->path, f->damaged, old);
	return (unlink(old) == 0 || errno == ENOENT) && link(f->path, old) == 0;
}

struct pinfile *
pinfile_open(const char *dir, struct pins *pins, struct counters *counters)
{
	struct pinfile *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		log_error("pins");
		return NULL;
	}
	f->pins = pins;
	f->counters = counters;
	f->fd = -1;
	if (!statefile_path(f->path, dir, "pins")) {
		free(f);
		return NULL;
	}
	if (!statefile_read(f->path, take_line, f) || !keep_old(f) || !write_all(f)) {
		log_error("%s", f->path);
		free(f);
		return NULL;
	}
	return f;
}

void
pinfile_close(struct pinfile *f)
{
	if (f == NULL)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}
