/* The files of state_dir: what is read is what an undamaged line says, a line that isn't
 * taken is counted, and what was read is the same after it has been written again.
 *
 * The fuzzer can't find a checksum: a line that ends with "!" gets its own, and then one
 * byte of the file is changed. */
#include "fuzz_shell.h"

#include <fcntl.h>

#include "core/bridge_table.h"
#include "core/line_checksum.h"
#include "net/cachefile.h"
#include "net/pinfile.h"

#define RECORDS_MAX 200

struct text {
	char *p;
	size_t len;
};

/* What was read, as text that can be compared. */
struct records {
	size_t n;
	char *line[RECORDS_MAX];
};

/* The file */

static struct text
make_file(const uint8_t *data, size_t size, uint8_t place, uint8_t change)
{
	struct text file = {fuzz_alloc((size + 1) * (LINE_CHECKSUM_LEN + 2)), 0};
	size_t start = 0;

	for (size_t i = 0; i < size; i++) {
		const bool last = i + 1 == size || data[i + 1] == '\n';

		if (data[i] == '!' && last) {
			file.len = start +
				   line_checksum_add(file.p + start, file.len - start) -
				   1;
			continue;
		}
		file.p[file.len++] = (char)data[i];
		if (data[i] == '\n')
			start = file.len;
	}
	if (file.len > 0)
		file.p[place * file.len / 256] ^= (char)change;
	return file;
}

static void
each_line(const struct text *file, bool (*each)(void *, const char *, size_t), void *arg)
{
	const char *p = file->p, *end = file->p + file->len;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline == NULL ? end : newline;

		if (!each(arg, p, (size_t)(stop - p)))
			return;
		p = newline == NULL ? end : newline + 1;
	}
}

static void
write_file(const char *dir, const char *name, const struct text *file)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	require(fd >= 0 && write(fd, file->p, file->len) == (ssize_t)file->len);
	close(fd);
}

static bool
is_there(const char *dir, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Records */

static void
add(struct records *r, const char *line, size_t len)
{
	require(r->n < RECORDS_MAX && (r->line[r->n++] = strndup(line, len)) != NULL);
}

static void
clear(struct records *r)
{
	while (r->n > 0)
		free(r->line[--r->n]);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
require_same(struct records *a, struct records *b)
{
	qsort(a->line, a->n, sizeof(a->line[0]), compare);
	qsort(b->line, b->n, sizeof(b->line[0]), compare);
	require(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
		require(strcmp(a->line[i], b->line[i]) == 0);
	clear(a);
	clear(b);
}

/* Stored lines: does an undamaged one say this? */

struct search {
	const struct state_line *wanted;
	bool found;
	size_t bad; /* lines that aren't of this file */
	bool cache;
};

/* In the same order. */
static bool
same_set(const struct target_set *a, const struct target_set *b)
{
	for (uint8_t i = 0; i < a->n && a->n == b->n; i++)
		if (!target_is(&a->target[i], &b->target[i]))
			return false;
	return a->n == b->n;
}

static bool
look(void *arg, const char *text, size_t len)
{
	struct search *search = arg;
	const struct state_line *w = search->wanted;
	struct state_line s;

	if (!state_line_read(text, len, &s) ||
		(s.kind == STATE_LINE_CACHE) != search->cache)
		search->bad++;
	else if (w != NULL && s.kind == w->kind && s.type == w->type &&
		 s.domain.len == w->domain.len &&
		 memcmp(s.domain.text, w->domain.text, s.domain.len) == 0 &&
		 s.fact.status == w->fact.status && same_set(&s.fact.set, &w->fact.set))
		search->found = true;
	return true;
}

static struct search
search(const struct text *file, const struct state_line *wanted, bool cache)
{
	struct search s = {.wanted = wanted, .cache = cache};

	each_line(file, look, &s);
	return s;
}

/* Pins */

struct reading {
	const struct text *file;
	struct records records;
};

static void
take_pin(void *arg, const struct state_line *s)
{
	struct reading *r = arg;
	char line[STATE_LINE_MAX];

	/* A pin without records only says that there was one. */
	require((s->kind == STATE_LINE_PIN && s->fact.set.n == 0) ||
		search(r->file, s, false).found);
	add(&r->records, line, state_line_write(line, s));
}

static void
read_pins(const char *dir, struct reading *r)
{
	static const struct pins_config config = {.max = 10 * RECORDS_MAX, .hold_s = 1};
	static struct counters counters;
	struct pins *pins = pins_new(&config);
	struct pinfile *f;

	if (shell_loop == NULL)
		require((shell_loop = loop_new()) != NULL);
	f = pinfile_open(&(struct pinfile_config){.loop = shell_loop,
		.dir = dir,
		.pins = pins,
		.pins_config = config,
		.counters = &counters,
		.wall = SHELL_WALL});
	require(pins != NULL && f != NULL);
	pins_walk(pins, take_pin, r);
	pinfile_close(f);
	pins_free(pins);
}

static void
fuzz_pins(const struct text *file)
{
	const char *dir = shell_dir();
	struct reading first = {.file = file}, again = {.file = file};

	write_file(dir, "pins", file);
	read_pins(dir, &first);
	require(search(file, NULL, false).bad == 0 || is_there(dir, "pins.old"));
	shell_remove("pins.old");
	read_pins(dir, &again);
	require(!is_there(dir, "pins.old"));
	require_same(&first.records, &again.records);
}

/* Addresses of the bridge */

struct tables {
	struct bridge_table *table, *again;
	const struct text *file;
	const struct bridge_line *wanted;
	bool found;
};

static bool
load_line(struct bridge_table *table, const char *text, size_t len)
{
	switch (bridge_table_load(table, text, len, pins_day(SHELL_WALL))) {
	case BRIDGE_TABLE_LOADED:
	case BRIDGE_TABLE_LOADED_OLD:
		return true;
	default:
		return false;
	}
}

static bool
take_line(void *arg, const char *text, size_t len)
{
	struct bridge_line w;

	if (load_line(arg, text, len))
		require(bridge_line_read(text, len, &w) != BRIDGE_LINE_DAMAGED);
	return true;
}

/* But for when it was used, and for whom. */
static bool
same_line(const struct bridge_line *a, const struct bridge_line *b)
{
	return a->ipv4 == b->ipv4 && strcmp(a->domain.text, b->domain.text) == 0 &&
	       a->tls.level == b->tls.level &&
	       strcmp(a->tls.name.text, b->tls.name.text) == 0 &&
	       same_set(&a->route, &b->route);
}

static bool
look_for_line(void *arg, const char *text, size_t len)
{
	struct tables *b = arg;
	struct bridge_line w = {0};
	enum bridge_line_kind line = bridge_line_read(text, len, &w);

	if (line == BRIDGE_LINE_ADDRESS || line == BRIDGE_LINE_OLD) {
		bridge_line_make_plain(&w);
		b->found |= same_line(&w, b->wanted);
	}
	return !b->found;
}

static void
read_again(void *arg, const struct bridge_line *w)
{
	struct tables *b = arg;
	char line[BRIDGE_LINE_MAX], again[BRIDGE_LINE_MAX];
	size_t len = bridge_line_write(line, w);
	struct bridge_line got;

	b->wanted = w;
	b->found = false;
	each_line(b->file, look_for_line, b);
	require(b->found);
	require(fuzz_printable(line, len - 1) && line[len - 1] == '\n');
	if (w->day == 0) /* an old line; a day comes before it is written */
		return;
	require(load_line(b->again, line, len - 1));
	require(bridge_table_get(b->again, w->ipv4, &got));
	require(bridge_line_write(again, &got) == len && memcmp(line, again, len) == 0);
}

static void
fuzz_bridge(const struct text *file)
{
	const struct bridge_table_config config = {.net = 0x7f2a0000,
		.prefix = 16,
		.max = 10 * RECORDS_MAX,
		.reuse_days = 14};
	struct tables b = {.file = file,
		.table = bridge_table_new(&config),
		.again = bridge_table_new(&config)};

	require(b.table != NULL && b.again != NULL);
	each_line(file, take_line, b.table);
	bridge_table_walk(b.table, read_again, &b);
	bridge_table_free(b.table);
	bridge_table_free(b.again);
}

/* The cache. What lives no longer than this may be gone when it is read again. */
#define SOON_MS 3000

static void
take_cached(void *arg, enum dns_type type, const struct domain *d, const struct cached *c)
{
	struct reading *r = arg;
	struct state_line s = {.kind = STATE_LINE_CACHE,
		.type = type,
		.domain = *d,
		.ttl = c->ttl,
		.fact = c->fact};
	char line[STATE_LINE_MAX];

	require(search(r->file, &s, true).found);
	if (monotime_diff_ms(c->expires, loop_now()) > SOON_MS)
		add(&r->records, line, state_line_write(line, &s));
}

static void
read_cache(const char *dir, struct reading *r, bool save)
{
	struct cachefile_config config = {.dir = dir,
		.save_s = 1000,
		.srv_prefix = "_onion-mx._tcp.",
		.ask_ad = true};
	struct cachefile *c;

	shell_open();
	config.loop = shell_loop;
	require((config.signals = signals_new(shell_loop)) != NULL);
	config.engine = shell.engine;
	config.counters = &shell.counters;
	require((c = cachefile_open(&config)) != NULL);
	engine_recall(shell.engine, take_cached, r);
	require(!save || cachefile_start(c));
	cachefile_close(c);
	signals_free(config.signals);
	loop_free(shell_loop);
	shell_loop = NULL;
	shell_close();
}

static void
fuzz_cache(const struct text *file)
{
	const char *dir = shell_dir();
	struct reading first = {.file = file}, again = {.file = file};

	write_file(dir, "cache", file);
	read_cache(dir, &first, true);
	read_cache(dir, &again, false);
	require_same(&first.records, &again.records);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void (*const files[])(const struct text *) = {fuzz_pins, fuzz_bridge, fuzz_cache};
	struct text file;

	if (size < 3)
		return 0;
	log_open(false, LOG_LEVEL_ERROR);
	file = make_file(data + 3, size - 3, data[1], data[2]);
	files[data[0] % 3](&file);
	free(file.p);
	return 0;
}
