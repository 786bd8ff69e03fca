#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MX_HOST "mx.host.example"

const char *const domain_names[DOMAINS] = {
	"a.example", "b.example", "c.example", "d.example", "sub.e.example", "f.example"};

static const char onion[] =
	"aj3nsqqcksrrc5cye5etjsoewz6jrygpekzwoko3q6wyxjlb3dgasfid.onion";

void
wrong(const struct world *w, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "seed %llu, at %lld ms: ", (unsigned long long)w->seed,
		(long long)(w->now.ns / 1000000));
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

bool verbose;

void
tell(const struct world *w, const char *format, ...)
{
	va_list args;

	if (!verbose)
		return;
	printf("%10lld ", (long long)(w->now.ns / 1000000));
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* Dice: splitmix64 */

static uint64_t
next_random(struct world *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

unsigned
roll(struct world *w, unsigned n)
{
	return (unsigned)((next_random(w) >> 32) * n >> 32);
}

bool
one_in(struct world *w, unsigned n)
{
	return roll(w, n) == 0;
}

static uint64_t
fixed_random(void)
{
	return 42;
}

/* The wall clock is the other one, moved. */
static const struct world *wall_of;

static int64_t
wall(void)
{
	return wall_of->now.ns / 1000000000 + 1000000;
}

/* Domains */

static void
change_truth(struct world *w, unsigned domain)
{
	static const uint32_t ttls[] = {0, 1, 10, 60, 300, 3600};
	struct truth *t = &w->truth[domain];

	*t = (struct truth){.version = ++w->versions,
		.targets = (uint8_t)(one_in(w, 3) ? 0 : 1 + roll(w, 3)),
		.mx = one_in(w, 2),
		.sts = one_in(w, 4),
		.tlsa = one_in(w, 4),
		.address = !one_in(w, 4),
		.ad = one_in(w, 2),
		.ttl = ttls[roll(w, 6)]};
}

/* Which domain a question is about; DOMAINS for the MX host. */
static unsigned
subject(const struct world *w, const struct dns_query *q)
{
	const char *name = q->name;

	if (q->type == DNS_TYPE_SRV)
		name += strlen(w->config.srv_prefix);
	else if (q->type == DNS_TYPE_TXT)
		name += strlen("_mta-sts.");
	else if (q->type == DNS_TYPE_TLSA)
		name += strlen("_25._tcp.");
	for (unsigned i = 0; i < DOMAINS; i++)
		if (strcmp(name, domain_names[i]) == 0)
			return i;
	if (strcmp(name, MX_HOST) != 0)
		wrong(w, "asked for %s", q->name);
	return DOMAINS;
}

/* Servers */

/* RFC 7672 section 2.2.2: only of a host whose address is validated. */
static void
asks_for_dane(const struct world *w, unsigned domain)
{
	for (size_t i = 0; i < w->landings; i++)
		if (w->landing[i].type == DNS_TYPE_A && w->landing[i].domain == domain &&
			w->landing[i].ad)
			return;
	wrong(w, "asked for TLSA of a host whose address was never validated");
}

static void
may_be_asked(const struct world *w, const struct dns_query *q)
{
	unsigned domain = subject(w, q);

	if (q->type == DNS_TYPE_TLSA)
		asks_for_dane(w, domain);
	if (domain < DOMAINS &&
		(w->entry[domain] == ENTRY_TARGET || w->entry[domain] == ENTRY_NEVER))
		wrong(w, "asked for %s, which is in the map", q->name);
}

static struct dns_query *
ask(struct dns_source *source, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	static const enum reason reasons[] = {
		REASON_DNS_FAILED, REASON_DNS_BAD, REASON_DNS_UNPROVEN, REASON_DNS_DOWN};
	struct server_model *s = (struct server_model *)source;
	struct world *w = s->world;
	struct dns_query *q = s->query;

	if (one_in(w, 200))
		return NULL;
	while (q->open)
		if (++q == s->query + QUERIES)
			wrong(w, "too many questions at once");
	*q = (struct dns_query){
		.server = s, .open = true, .type = type, .done = done, .arg = arg};
	strcpy(q->name, name);
	if (!s->is_tor && *name != '\0')
		may_be_asked(w, q);
	q->fails = one_in(w, 8);
	q->reason = reasons[roll(w, 4)];
	if (!s->down && !one_in(w, 10))
		q->due = monotime_add_ms(
			w->now, one_in(w, 5) ? roll(w, 8000) : 1 + roll(w, 60));
	return q;
}

static void
cancel(struct dns_query *q)
{
	if (!q->open)
		wrong(q->server->world, "cancelled twice: %s", q->name);
	q->open = false;
}

static void
add_target(struct dns_answer *a, const char *host, unsigned port)
{
	struct target *rr = &a->srv.target[a->srv.n];

	*rr = (struct target){.priority = a->srv.n,
		.port = (uint16_t)port,
		.host = host,
		.hostlen = (uint8_t)strlen(host)};
	a->srv.n++;
}

/* What DNS says now. */
static void
speak_truth(struct world *w, const struct dns_query *q, struct dns_answer *a)
{
	const struct truth *t = &w->truth[subject(w, q)];

	a->ttl = t->ttl;
	a->ad = t->ad;
	switch (q->type) {
	case DNS_TYPE_A:
		a->ipv4 = 0xc0000201; /* 192.0.2.1 */
		a->status = t->address ? DNS_RECORDS : DNS_NONE;
		break;
	case DNS_TYPE_SRV:
		for (unsigned i = 0; i < t->targets; i++)
			add_target(a, onion, 1000 + 4 * t->version + i);
		a->status = t->targets > 0 ? DNS_RECORDS : DNS_NONE;
		break;
	case DNS_TYPE_MX:
		if (t->mx)
			add_target(a, MX_HOST, 25);
		a->status = t->mx ? DNS_RECORDS : DNS_NONE;
		break;
	case DNS_TYPE_TXT:
		a->status = t->sts ? DNS_RECORDS : DNS_NONE;
		break;
	case DNS_TYPE_TLSA:
		a->status = t->tlsa ? DNS_RECORDS : DNS_NONE;
		break;
	default:
		wrong(w, "a question of type %d", (int)q->type);
	}
}

static uint32_t
clamped(const struct engine_config *c, const struct dns_answer *a)
{
	uint32_t max = a->status == DNS_NONE ? c->negative_ttl_max : c->ttl_max;
	uint32_t ttl = a->ttl < c->ttl_min ? c->ttl_min : a->ttl;

	return ttl < max ? ttl : max;
}

static void
note_landing(struct world *w, const struct dns_query *q, const struct dns_answer *a)
{
	unsigned domain = subject(w, q);

	if (w->landings == LANDINGS)
		wrong(w, "too many answers");
	w->landing[w->landings++] = (struct landing){.at = w->now,
		.type = q->type,
		.domain = domain,
		.records = a->status == DNS_RECORDS,
		.ad = a->ad,
		.version = w->truth[domain].version,
		.ttl = clamped(&w->config, a)};
	tell(w, "DNS: %s of %s: %s, version %u, for %u s%s", dnsmsg_type_name(q->type),
		q->name, a->status == DNS_RECORDS ? "there" : "none",
		w->landing[w->landings - 1].version, clamped(&w->config, a),
		a->ad ? ", validated" : "");
}

static void
answer(struct world *w, struct dns_query *q)
{
	struct dns_answer a = {.status = DNS_RECORDS};

	q->open = false;
	if (q->fails)
		dnsmsg_answer_fail(&a, q->reason);
	else if (q->server->is_tor)
		a.ipv4 = 0x0ac00001;
	else if (*q->name == '\0') /* the root, for a probe */
		a.status = DNS_NONE;
	else
		speak_truth(w, q, &a);
	if (!q->server->is_tor && a.status != DNS_FAILED && *q->name != '\0')
		note_landing(w, q, &a);
	q->done(q->arg, &a, w->now);
}

/* The map */

static enum map_result
map_get(struct map_source *source, const char *key, size_t keylen, struct map_value *v)
{
	struct world *w = (struct world *)((char *)source - offsetof(struct world, map));

	if (keylen == strlen("mx:" MX_HOST) && memcmp(key, "mx:" MX_HOST, keylen) == 0) {
		v->len = (size_t)sprintf(v->text, "%s:26", onion);
		return MAP_HIT;
	}
	for (unsigned i = 0; i < DOMAINS; i++) {
		if (strlen(domain_names[i]) != keylen ||
			memcmp(domain_names[i], key, keylen) != 0)
			continue;
		if (w->entry[i] == ENTRY_NONE)
			return MAP_MISS;
		v->len = (size_t)sprintf(v->text, "%s",
			w->entry[i] == ENTRY_TARGET  ? onion
			: w->entry[i] == ENTRY_NEVER ? "-"
						     : "srv");
		return MAP_HIT;
	}
	return MAP_MISS;
}

/* The engine */

/* As the daemon's server does. */
static void
set_timer(void *arg)
{
	struct world *w = arg;
	struct monotime at;

	if (w->engine == NULL || !engine_next_deadline(w->engine, &at))
		return;
	if (w->timer_set && !monotime_before(at, w->timer_at))
		return;
	w->timer_set = true;
	w->timer_at = at;
}

static void
timer_fires(struct world *w)
{
	if (monotime_before(w->now, w->timer_at))
		w->now = w->timer_at;
	w->timer_set = false;
	engine_expire(w->engine, w->now);
	set_timer(w);
}

/* Whatever has happened, the engine has said when it is to be called. */
static void
timer_is_right(const struct world *w)
{
	struct monotime at;

	if (engine_next_deadline(w->engine, &at) &&
		(!w->timer_set || monotime_before(at, w->timer_at)))
		wrong(w, "nothing was said of a nearer deadline");
}

static void
open_engine(struct world *w)
{
	struct engine_ports ports = {.map = &w->map,
		.ndns = w->nservers,
		.tor = &w->tor.source,
		.random = fixed_random,
		.counters = &w->counters,
		.pins = w->pins,
		.wall = wall,
		.alarm = set_timer,
		.alarm_arg = w};

	for (size_t i = 0; i < w->nservers; i++)
		ports.dns[i] = &w->server[i].source;
	w->timer_set = false;
	w->engine = engine_new(&w->config, &ports);
	w->onion = engine_profile_new(w->engine, STYLE_ONION, 500);
	w->address = engine_profile_new(w->engine, STYLE_ADDRESS, 4000);
}

static const struct net4 virtual_net = {0x0ac00000, 10};

static struct engine_config
random_config(struct world *w)
{
	static const char prefix[] = "_onion-mx._tcp.";

	return (struct engine_config){.srv_prefix = prefix,
		.on_failure = one_in(w, 10) ? ON_FAILURE_CLEARNET : ON_FAILURE_DEFER,
		.dnssec = one_in(w, 4) ? DNSSEC_REQUIRE : DNSSEC_PREFER,
		.on_insecure = one_in(w, 2) ? ON_FAILURE_CLEARNET : ON_FAILURE_DEFER,
		.protect_authenticated = one_in(w, 4),
		.follow_mx = one_in(w, 3),
		.dns = {100 + roll(w, 3000), 1 + roll(w, 3)},
		.tor = {50 + roll(w, 1000), 1 + roll(w, 3)},
		.ttl_min = one_in(w, 2) ? 0 : 5,
		.ttl_max = one_in(w, 4) ? 20 : 86400,
		.negative_ttl_max = one_in(w, 4) ? 10 : 3600,
		.cache = {.entries = 1 + roll(w, one_in(w, 2) ? 3 : 40),
			.bytes = one_in(w, 4) ? 300 : 100000,
			.stale_s = one_in(w, 2) ? 0 : 1000,
			.failure_s = one_in(w, 2) ? 0 : 5,
			.key = {1, 2}},
		.max_lookups = 1 + roll(w, one_in(w, 2) ? 4 : 100),
		.tor_addresses = &virtual_net,
		.ntor_addresses = 1,
		.max_queries = 1 + roll(w, one_in(w, 2) ? 3 : 40),
		.max_waiters = 1 + roll(w, one_in(w, 2) ? 2 : 40),
		.max_tor_names = 1000};
}

static void
open_server(struct world *w, struct server_model *s, bool is_tor)
{
	s->world = w;
	s->is_tor = is_tor;
	s->source.ask = ask;
	s->source.cancel = cancel;
}

void
world_open(struct world *w, uint64_t seed)
{
	const struct pins_config pins = {.max = DOMAINS - 1, .hold_s = HOLD};

	memset(w, 0, sizeof(*w));
	wall_of = w;
	w->seed = w->random = seed;
	w->now.ns = 1000000000;
	w->config = random_config(w);
	w->nservers = 1 + roll(w, SERVERS);
	w->map.get = map_get;
	w->map.generation = 1; /* the entries stay as they are */
	for (size_t i = 0; i < SERVERS; i++)
		open_server(w, &w->server[i], false);
	open_server(w, &w->tor, true);
	for (unsigned i = 0; i < DOMAINS; i++) {
		change_truth(w, i);
		if (one_in(w, 3))
			w->entry[i] = (enum entry_kind)roll(w, ENTRY_KINDS);
	}
	change_truth(w, DOMAINS);
	if (one_in(w, 3))
		w->pins = pins_new(&pins);
	open_engine(w);
	for (unsigned i = 0; i < CLIENTS; i++) {
		w->client[i] = (struct lookup_client){.user = i / 2, .id = i + 1};
		lookup_client_limit(&w->client[i], w->onion, w->now);
	}
}

static void
cancel_all(struct world *w)
{
	for (size_t i = 0; i < w->lookups; i++)
		if (w->lookup[i].pending != NULL) {
			lookup_cancel(w->lookup[i].pending);
			w->lookup[i].pending = NULL;
		}
	w->judged = w->counters;
}

static void
no_open_questions(struct world *w)
{
	for (size_t i = 0; i <= w->nservers; i++) {
		struct server_model *s = i == w->nservers ? &w->tor : &w->server[i];

		for (size_t k = 0; k < QUERIES; k++)
			if (s->query[k].open)
				wrong(w, "a question outlived the engine");
	}
}

static void
close_engine(struct world *w)
{
	cancel_all(w);
	if (engine_pending(w->engine) != 0)
		wrong(w, "lookups are pending that nobody has");
	engine_free(w->engine);
	no_open_questions(w);
}

void
world_close(struct world *w)
{
	close_engine(w);
	pins_free(w->pins);
}

struct copy {
	struct engine *to;
	struct monotime now;
};

static void
copy_entry(
	void *arg, enum dns_type type, const struct domain *d, const struct cached *known)
{
	struct copy *copy = arg;

	engine_remember(copy->to, type, d, known, copy->now);
}

void
world_restart(struct world *w)
{
	struct engine *old = w->engine;
	struct copy copy = {.now = w->now};

	tell(w, "restart");
	cancel_all(w);
	open_engine(w);
	copy.to = w->engine;
	engine_recall(old, copy_entry, &copy);
	if (engine_pending(old) != 0)
		wrong(w, "lookups are pending that nobody has");
	engine_free(old);
	no_open_questions(w);
}

/* Lookups */

static void
done(void *arg, const struct answer *a, struct monotime now)
{
	struct lookup_model *l = arg;
	struct world *w = l->world;

	if (w->inside)
		wrong(w, "called back before the start was over");
	if (l->pending == NULL || l->calls++ > 0)
		wrong(w, "called back twice, or after it was cancelled");
	if (now.ns != w->now.ns)
		wrong(w, "told another time");
	l->pending = NULL;
	judge(w, l, a);
}

static const char *const entries[] = {
	[ENTRY_NONE] = "no entry",
	[ENTRY_TARGET] = "a target",
	[ENTRY_NEVER] = "never",
	[ENTRY_SRV] = "srv",
};

void
world_look_up(struct world *w)
{
	struct lookup_model *l = &w->lookup[w->lookups];
	struct lookup_request req = {.done = done, .arg = l};
	struct answer a;

	if (w->lookups++ == LOOKUPS)
		wrong(w, "too many lookups");
	*l = (struct lookup_model){.world = w,
		.used = true,
		.domain = roll(w, DOMAINS),
		.by_address = one_in(w, 3),
		.started = w->now};
	l->deadline = monotime_add_ms(w->now, l->by_address ? 4000 : 500);
	tell(w, "lookup %zu of %s%s, which has %s", w->lookups - 1,
		domain_names[l->domain], l->by_address ? " by address" : "",
		entries[w->entry[l->domain]]);
	req.profile = l->by_address ? w->address : w->onion;
	req.key = domain_names[l->domain];
	req.keylen = strlen(req.key);
	req.client = one_in(w, 4) ? NULL : &w->client[roll(w, CLIENTS)];
	w->inside = true;
	if (lookup_start(w->engine, &req, w->now, &a, &l->pending) == LOOKUP_READY) {
		l->pending = NULL;
		l->calls++;
		judge(w, l, &a);
	}
	w->inside = false;
}

void
world_cancel_some(struct world *w)
{
	for (size_t i = 0; i < w->lookups; i++)
		if (w->lookup[i].pending != NULL && one_in(w, 3)) {
			lookup_cancel(w->lookup[i].pending);
			w->lookup[i].pending = NULL;
		}
	w->judged = w->counters;
}

/* Time */

static struct dns_query *
next_due(struct world *w)
{
	struct dns_query *next = NULL;

	for (size_t i = 0; i <= w->nservers; i++) {
		struct server_model *s = i == w->nservers ? &w->tor : &w->server[i];

		for (size_t k = 0; k < QUERIES; k++) {
			struct dns_query *q = &s->query[k];

			if (q->open && q->due.ns != 0 &&
				(next == NULL || monotime_before(q->due, next->due)))
				next = q;
		}
	}
	return next;
}

/* A deadline that has come is a deadline that was kept. */
static void
deadlines_kept(struct world *w)
{
	for (size_t i = 0; i < w->lookups; i++)
		if (w->lookup[i].pending != NULL &&
			monotime_reached(w->lookup[i].deadline, w->now))
			wrong(w, "a deadline was missed");
}

static void
surprise(struct world *w)
{
	if (one_in(w, 4))
		change_truth(w, roll(w, DOMAINS + 1));
	if (one_in(w, 6))
		w->server[roll(w, SERVERS)].down ^= true;
	if (one_in(w, 8))
		w->tor.down ^= true;
}

void
world_pass_ms(struct world *w, int64_t ms)
{
	struct monotime end = monotime_add_ms(w->now, ms);

	surprise(w);
	for (;;) {
		struct dns_query *q = next_due(w);

		timer_is_right(w);
		if (q != NULL && monotime_reached(q->due, end) &&
			!(w->timer_set && monotime_before(w->timer_at, q->due))) {
			w->now = q->due;
			answer(w, q);
		} else if (w->timer_set && monotime_reached(w->timer_at, end)) {
			timer_fires(w);
			deadlines_kept(w);
		} else {
			break;
		}
	}
	w->now = end;
	deadlines_kept(w);
}
