#include "net/mapfile.h"

#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/domain.h"
#include "core/maprec.h"
#include "loop_base.h"
#include "net/log.h"

#define WATCH_MS 1000

/* A map up to this size is copied when it is loaded, and read through, which takes about
 * a millisecond; then nobody can damage it under our feet. A larger one is mapped as it
 * is: only its structure is checked, and each record when it is asked for. */
#define COPY_MAX (1024 * 1024)

/* tinycdb's header: 256 hash tables, a position and a number of slots for each. */
#define TABLES 256
#define HEADER (TABLES * 8)
#define SLOT 8

/* What tells one file from the next. All zero: no file. */
struct identity {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct mapfile {
	struct map_source source;
	const char *path;
	struct counters *counters;
	struct cdb cdb;
	int fd; /* of a mapped file, to see if it has been written to; -1: a copy */
	struct identity loaded;
	struct identity seen; /* the last that was looked at, good or bad */
	bool broken;
	struct event watch;
	bool watching;
};

/* A file that is truncated in place takes pages away from under the mapping. Each
 * access to it runs inside this guard. */
static sigjmp_buf guard;
static volatile sig_atomic_t guarded;

static void
on_sigbus(int signo)
{
	if (guarded)
		siglongjmp(guard, 1);
	signal(signo, SIG_DFL);
	raise(signo);
}

static void
catch_sigbus(void)
{
	struct sigaction sa = {.sa_handler = on_sigbus, .sa_flags = SA_NODEFER};

	sigemptyset(&sa.sa_mask);
	sigaction(SIGBUS, &sa, NULL);
}

static bool
same(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static struct identity
identity_of(const struct stat *st)
{
	return (struct identity){st->st_dev, st->st_ino, st->st_size, st->st_mtim};
}

/* Checks */

/* The tables follow the records without a gap, and the last one ends the file: what
 * every cdb writer does, and what a truncated or foreign file doesn't have. */
static bool
structure_valid(struct cdb *cdb, off_t size)
{
	const unsigned char *header = cdb_get(cdb, HEADER, 0);
	uint64_t expected;

	if (header == NULL)
		return false;
	expected = cdb_unpack(header);
	if (expected < HEADER)
		return false;
	for (int i = 0; i < TABLES; i++) {
		if (cdb_unpack(header + i * 8) != expected)
			return false;
		expected += (uint64_t)cdb_unpack(header + i * 8 + 4) * SLOT;
	}
	return expected == (uint64_t)size;
}

/* Is the record that cdb_seqnext() stands at a good one, and found by its key? */
static bool
record_valid(struct cdb *cdb)
{
	unsigned klen = cdb_keylen(cdb), vlen = cdb_datalen(cdb), pos = cdb_datapos(cdb);
	const char *key = cdb_getkey(cdb), *value = cdb_getdata(cdb);
	struct route route;
	struct policy policy;

	if (key == NULL || value == NULL || !map_key_valid(key, klen) ||
		maprec_parse(value, vlen, &route, &policy, NULL) == MAPREC_BAD)
		return false;
	return cdb_find(cdb, key, klen) > 0 && cdb_datapos(cdb) == pos;
}

static bool
records_valid(struct cdb *cdb)
{
	unsigned pos;
	int more;

	cdb_seqinit(&pos, cdb);
	while ((more = cdb_seqnext(&pos, cdb)) > 0)
		if (!record_valid(cdb))
			return false;
	return more == 0;
}

static bool
map_valid(struct cdb *cdb, off_t size)
{
	bool valid = false;

	if (sigsetjmp(guard, 0) == 0) {
		guarded = 1;
		valid = structure_valid(cdb, size) &&
			(size > COPY_MAX || records_valid(cdb));
	}
	guarded = 0;
	return valid;
}

/* Loading */

struct loaded {
	struct cdb cdb;
	struct identity id;
	int fd;
};

/* A copy that is ours alone, as a file without a name. -1 on failure. */
static int
copy_file(int from, off_t size)
{
	int to = memfd_create("onionmxd map", MFD_CLOEXEC);
	off_t done = 0;

	while (to >= 0 && done < size) {
		ssize_t n = sendfile(to, from, &done, (size_t)(size - done));

		if (n > 0)
			continue;
		if (n == 0)
			errno = EIO; /* it has shrunk */
		close(to);
		to = -1;
	}
	return to;
}

/* NULL, or what is wrong; "" stands for errno. Takes the descriptor if all is well. */
static const char *
load_fd(int fd, const struct stat *st, struct loaded *l)
{
	int copy = -1, error;

	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_size < HEADER)
		return "damaged: too short for a map";
	if (st->st_size <= COPY_MAX && (copy = copy_file(fd, st->st_size)) < 0)
		return "";
	error = cdb_init(&l->cdb, copy >= 0 ? copy : fd) < 0 ? errno : 0;
	if (copy >= 0)
		close(copy); /* the mapping stays */
	errno = error;
	if (error != 0)
		return error == EPROTO ? "damaged: not a cdb file" : "";
	if (!map_valid(&l->cdb, st->st_size)) {
		cdb_free(&l->cdb);
		return "damaged";
	}
	l->fd = copy >= 0 ? -1 : fd;
	return NULL;
}

static const char *
load(const char *path, struct loaded *l)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *wrong = "";
	struct stat st;

	l->id = (struct identity){0};
	l->fd = -1;
	if (fd < 0)
		return wrong;
	if (fstat(fd, &st) == 0) {
		l->id = identity_of(&st);
		wrong = load_fd(fd, &st, l);
	}
	if (l->fd != fd)
		close(fd);
	return wrong;
}

static void
complain(const struct mapfile *m, const char *wrong, const char *then)
{
	if (*wrong == '\0')
		log_warn("map %s%s", m->path, then);
	else
		log_warnx("map %s: %s%s", m->path, wrong, then);
}

static void
set_broken(struct mapfile *m)
{
	m->broken = true;
	m->source.epoch++;
}

static void
load_failed(struct mapfile *m, const char *wrong, const struct identity *id)
{
	m->counters->map_load_failures++;
	if (m->fd >= 0 && id->ino == m->loaded.ino && id->dev == m->loaded.dev) {
		/* It was written to in place: what is mapped is damaged, too. */
		set_broken(m);
		complain(m, wrong, "; until it is whole, all answers are temporary");
	} else {
		complain(m, wrong, "; the old one stays in force");
	}
}

static void
put_in_force(struct mapfile *m, const struct loaded *l)
{
	m->cdb = l->cdb;
	m->loaded = m->seen = l->id;
	m->fd = l->fd;
	m->broken = false;
	m->source.epoch++;
	m->counters->map_loads++;
}

static void
forget(struct mapfile *m)
{
	cdb_free(&m->cdb);
	if (m->fd >= 0)
		close(m->fd);
}

static void
load_new(struct mapfile *m, bool known_bad)
{
	struct loaded l;
	const char *wrong = load(m->path, &l);

	m->seen = l.id;
	if (wrong != NULL) {
		if (!known_bad)
			load_failed(m, wrong, &l.id);
		return;
	}
	forget(m);
	put_in_force(m, &l);
	log_info("map %s loaded", m->path);
}

/* Has the path come to name another file, or changed contents, since it was read? */
static bool
changed(const struct mapfile *m)
{
	struct identity id = {0};
	struct stat st;

	if (stat(m->path, &st) == 0)
		id = identity_of(&st);
	return !same(&id, &m->seen);
}

/* Has the mapped file been written to since it was loaded? */
static bool
written_to(const struct mapfile *m)
{
	struct identity id;
	struct stat st;

	if (m->fd < 0)
		return false;
	if (fstat(m->fd, &st) < 0)
		return true;
	id = identity_of(&st);
	return !same(&id, &m->loaded);
}

void
mapfile_reload(struct mapfile *m)
{
	load_new(m, false);
}

static void
look(evutil_socket_t fd, short what, void *arg)
{
	struct mapfile *m = arg;
	bool news = changed(m);

	(void)fd;
	(void)what;
	if (!m->broken && written_to(m)) {
		set_broken(m);
		news = true;
	}
	/* A file may be made whole within one tick of its clock, and look unchanged. */
	if (news || m->broken)
		load_new(m, !news);
}

bool
mapfile_watch(struct mapfile *m, struct loop *loop)
{
	struct timeval every = timeval_ms(WATCH_MS);

	event_assign(&m->watch, loop_base(loop), -1, EV_PERSIST, look, m);
	m->watching = event_add(&m->watch, &every) == 0;
	return m->watching;
}

/* Lookups */

static enum map_result
find(struct mapfile *m, const char *key, size_t keylen, struct map_value *value)
{
	int found = cdb_find(&m->cdb, key, (unsigned)keylen);

	if (found == 0)
		return MAP_MISS;
	if (found < 0 || cdb_datalen(&m->cdb) > sizeof(value->text) ||
		cdb_readdata(&m->cdb, value->text) < 0)
		return MAP_BROKEN;
	value->len = cdb_datalen(&m->cdb);
	return MAP_HIT;
}

static enum map_result
find_guarded(struct mapfile *m, const char *key, size_t keylen, struct map_value *value)
{
	volatile enum map_result result = MAP_BROKEN;

	if (m->broken)
		return MAP_BROKEN;
	if (sigsetjmp(guard, 0) == 0) {
		guarded = 1;
		result = find(m, key, keylen, value);
	} else {
		set_broken(m);
		log_warnx("map %s: truncated in place; replace it by renaming", m->path);
	}
	guarded = 0;
	return result;
}

static enum map_result
get(struct map_source *source, const char *key, size_t keylen, struct map_value *value)
{
	struct mapfile *m = (struct mapfile *)source;
	enum map_result result = find_guarded(m, key, keylen, value);

	/* A hit is proved by its key and its checksums. A miss is only as good as the
	 * file: where a piece of it was cut off or overwritten, every key is missing. */
	if (result != MAP_MISS || !written_to(m))
		return result;
	set_broken(m);
	load_new(m, false);
	return find_guarded(m, key, keylen, value);
}

struct mapfile *
mapfile_open(const char *path, struct counters *counters)
{
	struct mapfile *m = calloc(1, sizeof(*m));
	struct loaded l;
	const char *wrong;

	if (m == NULL) {
		log_error("map");
		return NULL;
	}
	m->source.get = get;
	m->path = path;
	m->counters = counters;
	catch_sigbus();
	if ((wrong = load(path, &l)) != NULL) {
		if (*wrong == '\0')
			log_error("map %s", path);
		else
			log_errorx("map %s: %s", path, wrong);
		free(m);
		return NULL;
	}
	put_in_force(m, &l);
	return m;
}

void
mapfile_free(struct mapfile *m)
{
	if (m == NULL)
		return;
	if (m->watching)
		event_del(&m->watch);
	forget(m);
	free(m);
}

struct map_source *
mapfile_source(struct mapfile *m)
{
	return &m->source;
}
