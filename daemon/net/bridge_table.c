#include "bridge_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/log.h"
#include "statefile.h"
#include "statelog.h"

#define DAY_S 86400

/* In percent of a quota: a warning, and when another may follow. */
#define NEARLY_FULL 80
#define NOT_FULL 70

struct bridge_table {
	struct bridge_table_config config;
	char path[STATEFILE_PATH_MAX];
	struct addressbook *book;
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

/* Reading: at the start, and in the log's thread, which has a book of its own */

struct reading {
	const struct addressbook_config *config;
	struct addressbook *book;
	uint32_t today;
	size_t lines, old, outside, damaged;
	bool no_memory; /* for all that was read */
	FILE *others;   /* NULL, or where lines of another range go */
};

static void
take_line(void *arg, const char *text, size_t len)
{
	struct reading *r = arg;

	r->lines++;
	switch (addressbook_load(r->book, text, len, r->today)) {
	case ADDRESSBOOK_LOADED:
		break;
	case ADDRESSBOOK_LOADED_OLD:
		r->old++;
		break;
	case ADDRESSBOOK_OUTSIDE:
		r->outside++;
		if (r->others != NULL)
			fprintf(r->others, "%.*s\n", (int)len, text);
		break;
	case ADDRESSBOOK_LOST:
		r->no_memory = true;
		break;
	case ADDRESSBOOK_DAMAGED:
		r->damaged++;
	}
}

static void
put_way(void *arg, const struct way *w)
{
	char line[WAY_LINE_MAX];

	fwrite(line, 1, way_write(line, w), arg);
}

/* Addresses of another range are kept for when it is back. */
static size_t
tidy(void *arg, FILE *from, FILE *to)
{
	const struct addressbook_config *config = arg;
	struct reading r = {
		.book = addressbook_new(config), .today = UINT32_MAX, .others = to};
	size_t lines = SIZE_MAX;

	if (r.book != NULL && statefile_read_from(from, take_line, &r) && !r.no_memory) {
		addressbook_walk(r.book, put_way, to);
		lines = r.outside + addressbook_count(r.book);
	}
	addressbook_free(r.book);
	return lines;
}

/* The secret from which addresses follow */

static void
take_key(void *arg, const char *text, size_t len)
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
	if (!statefile_read(path, take_key, key))
		log_warn("%s", path);
	if (key->k0 != 0 || key->k1 != 0)
		return true;
	arc4random_buf(key, sizeof(*key));
	if (!write_key(path, key))
		log_warn("%s: other addresses follow after a restart", path);
	return true;
}

/* Days */

static void
use_all(struct bridge_table *t, uint32_t day)
{
	char line[WAY_USED_MAX];

	addressbook_use_all(t->book, day);
	t->lost = statelog_append(t->log, line, way_write_all_used(line, day)) == 0;
}

/* If the clock jumps forward, nobody knows for how long an address has gone unused. */
static uint32_t
today(struct bridge_table *t)
{
	const int64_t wall = t->config.wall();
	const struct monotime now = loop_now();
	const int64_t gained = wall - t->wall - monotime_diff_ms(now, t->now) / 1000;
	const uint32_t day = wall > 0 ? (uint32_t)(wall / DAY_S) : 0;

	t->wall = wall;
	t->now = now;
	if (gained > DAY_S)
		use_all(t, day);
	return day;
}

static void
note_use(struct bridge_table *t, uint32_t ipv4, uint32_t before, uint32_t day)
{
	char line[WAY_USED_MAX];

	if (day > before &&
		statelog_append(t->log, line, way_write_used(line, ipv4, day)) == 0)
		t->lost = true;
}

/* The file */

static void
kept(void *arg, uint64_t upto)
{
	struct bridge_table *t = arg;

	t->kept = upto;
	if (t->failing)
		log_warnx("%s: can be written again", t->path);
	t->failing = false;
	if (t->lost)
		use_all(t, today(t));
	t->config.kept(t->config.arg, upto, true);
}

static void
failed(void *arg, int error)
{
	struct bridge_table *t = arg;

	t->config.counters->state_failures++;
	if (!t->failing) {
		errno = error;
		log_warn("%s: no address for another route until it can be written",
			t->path);
	}
	t->failing = true;
	t->config.kept(t->config.arg, statelog_latest(t->log), false);
}

static bool
open_log(struct bridge_table *t, const struct reading *r, size_t size)
{
	char old[STATEFILE_PATH_MAX];
	const struct statelog_config log = {.loop = t->config.loop,
		.path = t->path,
		.size = size,
		.lines = r->lines,
		.needed = addressbook_count(t->book) + r->outside,
		.never_tidy = r->damaged > 0 && !statefile_keep_old(t->path, old),
		.tidy = tidy,
		.tidy_arg = &t->config.addresses,
		.kept = kept,
		.failed = failed,
		.arg = t};

	if ((t->log = statelog_open(&log)) != NULL)
		return true;
	log_error("%s", t->path);
	return false;
}

/* Old lines don't say when an address was used. If none was used for so long that all
 * have expired, the clock may be wrong. */
static bool
is_day_unknown(const struct bridge_table *t, const struct reading *r)
{
	const uint32_t newest = addressbook_newest(t->book);

	return r->old > 0 || (newest > 0 && r->today > newest &&
				     r->today - newest > t->config.addresses.reuse_days);
}

static bool
open_file(struct bridge_table *t)
{
	struct reading r = {.book = t->book, .today = today(t)};
	size_t size;

	if (!statefile_path(t->path, t->config.state_dir, "bridge"))
		return false;
	size = statefile_size(t->path);
	if (!statefile_read(t->path, take_line, &r)) {
		log_error("%s", t->path);
		return false;
	}
	if (r.no_memory) {
		log_errorx("%s: out of memory", t->path);
		return false;
	}
	if (r.outside + r.damaged > 0)
		log_warnx("%s: %zu lines are damaged, or outside of the range, and are "
			  "left out",
			t->path, r.outside + r.damaged);
	if (!open_log(t, &r, size))
		return false;
	if (is_day_unknown(t, &r))
		use_all(t, r.today);
	return true;
}

/* Giving addresses out */

/* How full the quota is is told once, until it has become emptier. */
static void
watch_quota(struct bridge_table *t, enum quota quota)
{
	static const char *const names[QUOTAS] = {
		[QUOTA_DNS] = "for routes from DNS",
		[QUOTA_ONION] = "for recipients at .onion names",
		[QUOTA_MAP] = "for all routes",
	};
	const unsigned percent = quotas_percent(addressbook_quotas(t->book), quota);

	if (percent < NOT_FULL)
		t->warned[quota] = false;
	if (percent < NEARLY_FULL || t->warned[quota])
		return;
	t->warned[quota] = true;
	log_warnx("bridge: %u %% of the addresses %s are in use", percent, names[quota]);
}

static enum reason
refuse(struct bridge_table *t, enum reason reason)
{
	t->config.counters->bridge_failures++;
	if (reason != REASON_BRIDGE_FULL)
		return reason;
	t->config.counters->bridge_full++;
	if (!t->full_logged)
		log_warnx("bridge: no address for another route: those that it may have "
			  "are in use");
	t->full_logged = true;
	return reason;
}

/* All that is on its way to the disk comes first: then those that wait are in order. */
static void
wait_for_disk(const struct bridge_table *t, bool known, struct bridge_wait *wait)
{
	wait->number = statelog_latest(t->log);
	wait->known = known;
}

static enum reason
answer_found(struct bridge_table *t, const struct way *w, uint32_t day,
	struct bridge_wait *wait)
{
	if (*addressbook_mark(t->book, w->ipv4) > t->kept) {
		if (t->failing)
			return refuse(t, REASON_BRIDGE_STATE);
		wait_for_disk(t, false, wait);
		return REASON_NONE;
	}
	note_use(t, w->ipv4, w->day, day);
	if (day > w->day && day - w->day > ADDRESSBOOK_LAG_DAYS && !t->failing)
		wait_for_disk(t, true, wait);
	return REASON_NONE;
}

static enum reason
answer_new(struct bridge_table *t, const struct way *w, struct bridge_wait *wait)
{
	char line[WAY_LINE_MAX];
	uint64_t number =
		t->failing ? 0 : statelog_append(t->log, line, way_write(line, w));

	if (number == 0) {
		addressbook_forget(t->book, w->ipv4);
		return refuse(t, REASON_BRIDGE_STATE);
	}
	*addressbook_mark(t->book, w->ipv4) = number;
	wait_for_disk(t, false, wait);
	t->config.counters->bridge_addresses++;
	t->full_logged = false;
	watch_quota(t, w->quota);
	watch_quota(t, QUOTA_MAP);
	return REASON_NONE;
}

/* With a domain's own addresses, an entry of the map for many domains is a means for
 * strangers to fill the table. */
static enum quota
quota_of(const struct bridge_table *t, enum route_origin origin)
{
	switch (origin) {
	case ORIGIN_MAP:
		return QUOTA_MAP;
	case ORIGIN_MAP_MANY:
		return t->config.isolate_domains ? QUOTA_DNS : QUOTA_MAP;
	case ORIGIN_ONION:
		return QUOTA_ONION;
	default:
		return QUOTA_DNS;
	}
}

enum reason
bridge_table_assign(struct bridge_table *t, const struct domain *domain,
	const struct policy *policy, const struct route *route, uint32_t *ipv4,
	struct bridge_wait *wait)
{
	const uint32_t day = today(t);
	struct way w = {.quota = quota_of(t, route->origin),
		.parents =
			parents_of(&t->config.addresses.key, domain->text, domain->len),
		.tls = policy->tls,
		.route = *route};
	enum addressbook_status status;
	char line[WAY_LINE_MAX];

	if (t->config.isolate_domains)
		w.domain = *domain;
	status = addressbook_assign(t->book, &w, day);
	*ipv4 = w.ipv4;
	switch (status) {
	case ADDRESSBOOK_FULL:
		return refuse(t, REASON_BRIDGE_FULL);
	case ADDRESSBOOK_NOMEM:
		return refuse(t, REASON_NOMEM);
	case ADDRESSBOOK_NEW:
		return answer_new(t, &w, wait);
	case ADDRESSBOOK_MOVED:
		if (statelog_append(t->log, line, way_write(line, &w)) == 0)
			t->lost = true;
		break;
	case ADDRESSBOOK_FOUND:
		break;
	}
	return answer_found(t, &w, day, wait);
}

bool
bridge_table_get(const struct bridge_table *t, uint32_t ipv4, struct way *way)
{
	return addressbook_get(t->book, ipv4, way);
}

void
bridge_table_use(struct bridge_table *t, uint32_t ipv4)
{
	const uint32_t day = today(t);

	note_use(t, ipv4, addressbook_use(t->book, ipv4, day), day);
}

/* The whole */

struct bridge_table *
bridge_table_open(const struct bridge_table_config *config)
{
	struct bridge_table *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		log_error("bridge");
		return NULL;
	}
	t->config = *config;
	t->wall = config->wall();
	t->now = loop_now();
	if (load_key(config->state_dir, &t->config.addresses.key)) {
		t->book = addressbook_new(&t->config.addresses);
		if (t->book == NULL)
			log_errorx("bridge: out of memory");
		else if (open_file(t))
			return t;
	}
	bridge_table_close(t);
	return NULL;
}

void
bridge_table_close(struct bridge_table *t)
{
	if (t == NULL)
		return;
	if (!statelog_close(t->log))
		log_warnx("%s: the last changes aren't kept", t->path);
	addressbook_free(t->book);
	free(t);
}
