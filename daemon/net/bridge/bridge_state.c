#include "bridge_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../statefile.h"
#include "../statelog.h"
#include "net/log.h"

#define DAY_S 86400

/* In percent of a quota: a warning, and when another may follow. */
#define NEARLY_FULL 80
#define NOT_FULL 70

struct bridge_state {
	struct bridge_state_config config;
	char path[STATEFILE_PATH_MAX];
	struct bridge_table *table;
	struct statelog *log;
	uint64_t kept; /* all up to this number is on the disk */
	bool failing;  /* nothing can be written now; logged */
	bool lost;     /* days of use that couldn't be noted */
	bool warned[QUOTAS];
	bool full_logged;

	/* When the clocks were read last. */
	int64_t wall;
	struct monotime now;
};

/* Reading: at the start, and in the log's thread, which has a table of its own */

struct reading {
	const struct bridge_table_config *config;
	struct bridge_table *table;
	uint32_t today;
	size_t lines, old, outside, damaged;
	bool no_memory; /* for all that was read */
	FILE *others;   /* NULL, or where lines of another range go */
};

static void
read_line(void *arg, const char *text, size_t len)
{
	struct reading *r = arg;

	r->lines++;
	switch (bridge_table_load(r->table, text, len, r->today)) {
	case BRIDGE_TABLE_LOADED:
		break;
	case BRIDGE_TABLE_LOADED_OLD:
		r->old++;
		break;
	case BRIDGE_TABLE_OUTSIDE:
		r->outside++;
		if (r->others != NULL)
			fprintf(r->others, "%.*s\n", (int)len, text);
		break;
	case BRIDGE_TABLE_LOST:
		r->no_memory = true;
		break;
	case BRIDGE_TABLE_DAMAGED:
		r->damaged++;
	}
}

static void
write_line(void *arg, const struct bridge_line *l)
{
	char line[BRIDGE_LINE_MAX];

	fwrite(line, 1, bridge_line_write(line, l), arg);
}

/* Addresses of another range are kept for when it is back. */
static size_t
tidy(void *arg, FILE *from, FILE *to)
{
	const struct bridge_table_config *config = arg;
	struct reading r = {
		.table = bridge_table_new(config), .today = UINT32_MAX, .others = to};
	size_t lines = SIZE_MAX;

	if (r.table != NULL && statefile_read_from(from, read_line, &r) && !r.no_memory) {
		bridge_table_walk(r.table, write_line, to);
		lines = r.outside + bridge_table_count(r.table);
	}
	bridge_table_free(r.table);
	return lines;
}

/* The secret from which addresses follow */

static void
read_key(void *arg, const char *text, size_t len)
{
	struct siphash_key *key = arg;
	char line[40], end;

	if (len >= sizeof(line))
		return;
	memcpy(line, text, len);
	line[len] = '\0';
	if (sscanf(line, "%16" SCNx64 "%16" SCNx64 "%c", &key->k0, &key->k1, &end) != 2)
		*key = (struct siphash_key){0};
}

static bool
write_key(const char *path, const struct siphash_key *key)
{
	FILE *f = statefile_create(path);

	if (f == NULL)
		return false;
	fprintf(f, "%016" PRIx64 "%016" PRIx64 "\n", key->k0, key->k1);
	return statefile_commit(f, path, true);
}

/* Without a key, or with a damaged one, there is a new one: what was given out before is
 * kept all the same. */
static bool
load_key(const char *dir, struct siphash_key *key)
{
	char path[STATEFILE_PATH_MAX];

	if (!statefile_path(path, dir, "bridge.key"))
		return false;
	if (!statefile_read(path, read_key, key))
		log_warn("%s", path);
	if (key->k0 != 0 || key->k1 != 0)
		return true;
	arc4random_buf(key, sizeof(*key));
	if (!write_key(path, key))
		log_warn("%s: new routes will get other addresses after a restart", path);
	return true;
}

/* Days */

static void
use_all(struct bridge_state *s, uint32_t day)
{
	char line[BRIDGE_LINE_USED_MAX];

	bridge_table_use_all(s->table, day);
	s->lost =
		statelog_append(s->log, line, bridge_line_write_all_used(line, day)) == 0;
}

/* If the clock jumps forward, nobody knows for how long an address has gone unused. */
static uint32_t
today(struct bridge_state *s)
{
	const int64_t wall = s->config.wall();
	const struct monotime now = loop_now();
	const int64_t gained = wall - s->wall - monotime_diff_ms(now, s->now) / 1000;
	const uint32_t day = wall > 0 ? (uint32_t)(wall / DAY_S) : 0;

	s->wall = wall;
	s->now = now;
	if (gained > DAY_S)
		use_all(s, day);
	return day;
}

static void
note_use(struct bridge_state *s, uint32_t ipv4, uint32_t before, uint32_t day)
{
	char line[BRIDGE_LINE_USED_MAX];

	if (day > before && statelog_append(s->log, line,
				    bridge_line_write_used(line, ipv4, day)) == 0)
		s->lost = true;
}

/* The file */

static void
kept(void *arg, uint64_t upto)
{
	struct bridge_state *s = arg;

	s->kept = upto;
	if (s->failing)
		log_warnx("%s is writable again", s->path);
	s->failing = false;
	if (s->lost)
		use_all(s, today(s));
	s->config.kept(s->config.arg, upto, true);
}

static void
failed(void *arg, int error)
{
	struct bridge_state *s = arg;

	s->config.counters->state_failures++;
	if (!s->failing) {
		errno = error;
		log_warn(
			"%s: new routes get no address until it can be written", s->path);
	}
	s->failing = true;
	s->config.kept(s->config.arg, statelog_latest(s->log), false);
}

static bool
open_log(struct bridge_state *s, const struct reading *r, size_t size)
{
	char old[STATEFILE_PATH_MAX];
	const struct statelog_config log = {.loop = s->config.loop,
		.path = s->path,
		.size = size,
		.lines = r->lines,
		.needed = bridge_table_count(s->table) + r->outside,
		.never_tidy = r->damaged > 0 && !statefile_keep_old(s->path, old),
		.tidy = tidy,
		.tidy_arg = &s->config.addresses,
		.kept = kept,
		.failed = failed,
		.arg = s};

	if ((s->log = statelog_open(&log)) != NULL)
		return true;
	log_error("%s", s->path);
	return false;
}

/* Old lines don't say when an address was used. If none was used for so long that all
 * have expired, the clock may be wrong. */
static bool
is_day_unknown(const struct bridge_state *s, const struct reading *r)
{
	const uint32_t newest = bridge_table_newest(s->table);

	return r->old > 0 || (newest > 0 && r->today > newest &&
				     r->today - newest > s->config.addresses.reuse_days);
}

static bool
open_file(struct bridge_state *s)
{
	struct reading r = {.table = s->table, .today = today(s)};
	size_t size;

	if (!statefile_path(s->path, s->config.state_dir, "bridge"))
		return false;
	size = statefile_size(s->path);
	if (!statefile_read(s->path, read_line, &r)) {
		log_error("%s", s->path);
		return false;
	}
	if (r.no_memory) {
		log_errorx("%s: out of memory", s->path);
		return false;
	}
	if (r.outside + r.damaged > 0)
		log_warnx(
			"%s: ignored %zu lines that are damaged or outside of the range",
			s->path, r.outside + r.damaged);
	if (!open_log(s, &r, size))
		return false;
	if (is_day_unknown(s, &r))
		use_all(s, r.today);
	return true;
}

/* Giving addresses out */

/* How full the quota is is told once, until it has become emptier. */
static void
watch_quota(struct bridge_state *s, enum quota quota)
{
	static const char *const names[QUOTAS] = {
		[QUOTA_DNS] = "for routes from DNS",
		[QUOTA_ONION] = "for recipients at .onion names",
		[QUOTA_MAP] = "for all routes",
	};
	const unsigned percent = quotas_percent(bridge_table_quotas(s->table), quota);

	if (percent < NOT_FULL)
		s->warned[quota] = false;
	if (percent < NEARLY_FULL || s->warned[quota])
		return;
	s->warned[quota] = true;
	log_warnx("bridge: %u %% of the addresses %s are in use", percent, names[quota]);
}

static enum reason
refuse(struct bridge_state *s, enum reason reason)
{
	s->config.counters->bridge_failures++;
	if (reason != REASON_BRIDGE_FULL)
		return reason;
	s->config.counters->bridge_full++;
	if (!s->full_logged)
		log_warnx("bridge: no address is left for a new route");
	s->full_logged = true;
	return reason;
}

/* All that is on its way to the disk comes first: then those that wait are in order. */
static void
wait_for_disk(const struct bridge_state *s, bool known, struct bridge_wait *wait)
{
	wait->number = statelog_latest(s->log);
	wait->known = known;
}

static enum reason
answer_found(struct bridge_state *s, const struct bridge_line *l, uint32_t day,
	struct bridge_wait *wait)
{
	if (*bridge_table_mark(s->table, l->ipv4) > s->kept) {
		if (s->failing)
			return refuse(s, REASON_BRIDGE_STATE);
		wait_for_disk(s, false, wait);
		return REASON_NONE;
	}
	note_use(s, l->ipv4, l->day, day);
	if (day > l->day && day - l->day > BRIDGE_TABLE_LAG_DAYS && !s->failing)
		wait_for_disk(s, true, wait);
	return REASON_NONE;
}

static enum reason
answer_new(struct bridge_state *s, const struct bridge_line *l, struct bridge_wait *wait)
{
	char line[BRIDGE_LINE_MAX];
	uint64_t number =
		s->failing ? 0
			   : statelog_append(s->log, line, bridge_line_write(line, l));

	if (number == 0) {
		bridge_table_forget(s->table, l->ipv4);
		return refuse(s, REASON_BRIDGE_STATE);
	}
	*bridge_table_mark(s->table, l->ipv4) = number;
	wait_for_disk(s, false, wait);
	s->config.counters->bridge_addresses++;
	s->full_logged = false;
	watch_quota(s, l->quota);
	watch_quota(s, QUOTA_MAP);
	return REASON_NONE;
}

/* With addresses of a domain's own, an entry of the map for many domains is a means for
 * strangers to fill the table. */
static enum quota
quota_of(const struct bridge_state *s, enum route_origin origin)
{
	switch (origin) {
	case ORIGIN_MAP:
		return QUOTA_MAP;
	case ORIGIN_MAP_MANY:
		return s->config.isolate_domains ? QUOTA_DNS : QUOTA_MAP;
	case ORIGIN_ONION:
		return QUOTA_ONION;
	default:
		return QUOTA_DNS;
	}
}

enum reason
bridge_state_assign(struct bridge_state *s, const struct domain *domain,
	const struct map_options *options, const struct answer *answer, uint32_t *ipv4,
	struct bridge_wait *wait)
{
	const uint32_t day = today(s);
	struct bridge_line l = {.quota = quota_of(s, answer->origin),
		.parents =
			parents_of(&s->config.addresses.key, domain->text, domain->len),
		.tls = options->tls,
		.route = answer->route};
	enum bridge_table_status status;
	char line[BRIDGE_LINE_MAX];

	if (s->config.isolate_domains)
		l.domain = *domain;
	status = bridge_table_assign(s->table, &l, day);
	*ipv4 = l.ipv4;
	switch (status) {
	case BRIDGE_TABLE_FULL:
		return refuse(s, REASON_BRIDGE_FULL);
	case BRIDGE_TABLE_NOMEM:
		return refuse(s, REASON_NOMEM);
	case BRIDGE_TABLE_NEW:
		return answer_new(s, &l, wait);
	case BRIDGE_TABLE_MOVED:
		if (statelog_append(s->log, line, bridge_line_write(line, &l)) == 0)
			s->lost = true;
		break;
	case BRIDGE_TABLE_FOUND:
		break;
	}
	return answer_found(s, &l, day, wait);
}

bool
bridge_state_get(const struct bridge_state *s, uint32_t ipv4, struct bridge_line *line)
{
	return bridge_table_get(s->table, ipv4, line);
}

void
bridge_state_use(struct bridge_state *s, uint32_t ipv4)
{
	const uint32_t day = today(s);

	note_use(s, ipv4, bridge_table_use(s->table, ipv4, day), day);
}

/* The whole */

struct bridge_state *
bridge_state_open(const struct bridge_state_config *config)
{
	struct bridge_state *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		log_error("bridge");
		return NULL;
	}
	s->config = *config;
	s->wall = config->wall();
	s->now = loop_now();
	if (load_key(config->state_dir, &s->config.addresses.key)) {
		s->table = bridge_table_new(&s->config.addresses);
		if (s->table == NULL)
			log_errorx("bridge: out of memory");
		else if (open_file(s))
			return s;
	}
	bridge_state_close(s);
	return NULL;
}

void
bridge_state_close(struct bridge_state *s)
{
	if (s == NULL)
		return;
	if (!statelog_close(s->log))
		log_warnx("%s: the last changes can't be written and are lost", s->path);
	bridge_table_free(s->table);
	free(s);
}
