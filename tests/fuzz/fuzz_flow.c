/* The whole flow between sources that do what the input says: answer, fail, stay silent,
 * come and go, at any time. A domain that never was absent is never NONE, each lookup
 * ends once and by its deadline, and nothing is left at the end. */
#include "fuzz.h"

#include "flow/lookup.h"

#define SERVERS 3
#define QUERIES 256
#define LOOKUPS 32
#define NAMES 8 /* those with an even number have a route, whatever happens */
#define DEADLINE_MS 500
#define CLIENTS 4 /* of two users */

#define ROUTE "aj3nsqqcksrrc5cye5etjsoewz6jrygpekzwoko3q6wyxjlb3dgasfid.onion"

struct dns_query {
	struct source *source; /* NULL: free */
	enum dns_type type;
	bool exists; /* the domain has a route */
	dns_done *done;
	void *arg;
};

struct source {
	struct dns_source dns;
	struct dns_query query[QUERIES];
};

struct one_lookup {
	bool used;
	bool exists;
	struct monotime deadline;
	struct lookup *pending; /* NULL: it has ended */
};

struct world {
	const uint8_t *data, *end;
	struct monotime now;
	struct counters counters;
	struct source server[SERVERS], tor;
	struct map_source map;
	struct engine *engine;
	struct profile *profile[STYLES];
	struct lookup_client client[CLIENTS];
	struct one_lookup lookup[LOOKUPS];
	uint64_t given; /* addresses of the bridge that weren't on the disk */
	bool starting;
};

static struct world w;
static const struct net4 virtual_net = {0x0ac00000, 10};

static uint8_t
next(void)
{
	return w.data < w.end ? *w.data++ : 0;
}

/* Sources */

static struct dns_query *
ask(struct dns_source *dns, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	struct source *s = (struct source *)dns;
	const char *digit = strpbrk(name, "01234567");

	for (size_t i = 0; i < QUERIES; i++)
		if (s->query[i].source == NULL) {
			s->query[i] = (struct dns_query){.source = s,
				.type = type,
				.exists = digit != NULL && (*digit - '0') % 2 == 0,
				.done = done,
				.arg = arg};
			return &s->query[i];
		}
	return NULL;
}

static void
cancel(struct dns_query *q)
{
	require(q->source != NULL);
	q->source = NULL;
}

static const enum reason failures[] = {REASON_DNS_FAILED, REASON_DNS_BAD,
	REASON_DNS_UNPROVEN, REASON_DNS_DOWN, REASON_DNS_TIMEOUT, REASON_DNS_TCP,
	REASON_DNS_TCP_TIMEOUT, REASON_NOMEM, REASON_DESCRIPTORS, REASON_BUSY};

static void
records(struct dns_answer *a, enum dns_type type)
{
	static const char host[] = "mx0.example.net";
	const bool is_mx = type == DNS_TYPE_MX;

	a->status = DNS_RECORDS;
	a->ipv4 = 0x0ac00001;
	if (type != DNS_TYPE_SRV && !is_mx)
		return;
	a->srv.n = 1;
	a->srv.target[0] = (struct target){.priority = 10,
		.port = is_mx ? SMTP_PORT : 2525,
		.host = is_mx ? host : ROUTE,
		.hostlen = (uint8_t)strlen(is_mx ? host : ROUTE)};
}

static void
answer_one(struct source *s)
{
	struct dns_query *q = &s->query[next() % QUERIES];
	const uint8_t how = next();
	struct dns_answer a = {.ttl = (uint32_t)how * 7};

	for (size_t i = 0; i < QUERIES && q->source == NULL; i++)
		q = &s->query[(size_t)(q - s->query + 1) % QUERIES];
	if (q->source == NULL)
		return;
	a.ad = how & 1;
	if ((how & 6) == 0) {
		dnsmsg_answer_fail(
			&a, failures[how / 8 % (sizeof(failures) / sizeof(failures[0]))]);
	} else if ((how & 6) == 2 && !(q->type == DNS_TYPE_SRV && q->exists)) {
		a.status = DNS_NONE;
		a.bare = (enum dns_bare)(how / 8 % 3);
		a.ttl = a.bare == DNS_BARE_NO ? a.ttl : 0;
	} else {
		records(&a, q->type);
	}
	q->source = NULL;
	q->done(q->arg, &a, w.now);
}

static enum map_result
get(struct map_source *map, const char *key, size_t len, struct map_value *value)
{
	(void)map;
	(void)key;
	(void)len;
	(void)value;
	return MAP_MISS;
}

/* Lookups */

static void
check(const struct one_lookup *l, const struct answer *a)
{
	require(a->outcome == OUTCOME_ROUTE || a->outcome == OUTCOME_TEMP ||
		(a->outcome == OUTCOME_NONE && !l->exists));
	require((a->outcome == OUTCOME_TEMP) == (a->reason != REASON_NONE));
	require((a->outcome == OUTCOME_ROUTE) == (a->route.n > 0));
	require(!monotime_before(l->deadline, w.now));
}

static void
done(void *arg, const struct answer *a, struct monotime now)
{
	struct one_lookup *l = arg;

	require(!w.starting && l->used && l->pending != NULL && now.ns == w.now.ns);
	l->pending = NULL;
	check(l, a);
}

static enum reason
cross(void *arg, const struct domain *d, const struct map_options *options,
	struct answer *a, struct bridge_wait *wait)
{
	const unsigned how = next();

	(void)arg;
	(void)d;
	(void)options;
	if (how % 8 == 0)
		return REASON_BRIDGE_FULL;
	if (how % 2 == 0)
		wait->number = ++w.given;
	wait->known = how % 4 == 0;
	a->route.n = 1;
	a->route.target[0].ipv4 = 0x7f2a0001;
	return REASON_NONE;
}

static void
look_up(void)
{
	const uint8_t what = next();
	char key[] = "user@dX.example";
	struct answer a;
	size_t i = 0;

	while (i < LOOKUPS && w.lookup[i].pending != NULL)
		i++;
	if (i == LOOKUPS)
		return;
	key[6] = (char)('0' + what % NAMES);
	w.lookup[i] = (struct one_lookup){.used = true,
		.exists = what % NAMES % 2 == 0,
		.deadline = monotime_add_ms(w.now, DEADLINE_MS)};
	w.starting = true;
	if (lookup_start(w.engine,
		    &(struct lookup_request){.profile = w.profile[what / NAMES % STYLES],
			    .client = &w.client[what / NAMES / STYLES % CLIENTS],
			    .key = key,
			    .keylen = strlen(key),
			    .done = done,
			    .arg = &w.lookup[i]},
		    w.now, &a, &w.lookup[i].pending) == LOOKUP_READY) {
		w.lookup[i].pending = NULL;
		check(&w.lookup[i], &a);
	}
	w.starting = false;
}

static void
cancel_one(void)
{
	struct one_lookup *l = &w.lookup[next() % LOOKUPS];

	if (l->pending != NULL)
		lookup_cancel(l->pending);
	l->pending = NULL;
}

static void
pass_ms(int64_t ms)
{
	const struct monotime end = monotime_add_ms(w.now, ms);
	struct monotime when;

	while (engine_next_deadline(w.engine, &when) && !monotime_before(end, when)) {
		if (monotime_before(w.now, when))
			w.now = when;
		engine_expire(w.engine, w.now);
	}
	w.now = end;
}

static void
set_servers(void)
{
	const uint8_t which = next();
	struct dns_source *dns[SERVERS];
	size_t n = 0;

	for (size_t i = 0; i < SERVERS; i++)
		if (which & 1U << i)
			dns[n++] = &w.server[(i + which / 8) % SERVERS].dns;
	require(engine_set_dns(w.engine, dns, n, w.now));
}

static void
act(void)
{
	const uint8_t what = next();

	switch (what % 8) {
	case 0:
	case 1:
		look_up();
		break;
	case 2:
	case 3:
		answer_one(&w.server[what / 8 % SERVERS]);
		break;
	case 4:
		if (what & 8)
			answer_one(&w.tor);
		else
			engine_bridge_kept(
				w.engine, next() % (w.given + 1), what & 16, w.now);
		break;
	case 5:
		pass_ms((int64_t)next() * next());
		break;
	case 6:
		cancel_one();
		break;
	default:
		if (what & 8)
			set_servers();
		else
			w.server[what / 16 % SERVERS].dns.heard = w.now;
	}
}

/* The world */

static void
open_world(void)
{
	const uint8_t how = next();
	const struct engine_config config = {.srv_prefix = "_onion-mx._tcp.",
		.on_failure = ON_FAILURE_DEFER,
		.dnssec = how & 1 ? DNSSEC_PREFER : DNSSEC_OFF,
		.on_insecure = ON_FAILURE_DEFER,
		.follow_mx = how & 2,
		.bare_negative = (enum bare_negative)(how / 4 % 3),
		.dns = {.timeout_ms = 1 + next() * 8, .tries = 1 + how / 16 % 4},
		.tor = {.timeout_ms = 100, .tries = 2},
		.ttl_min = next() % 4U,
		.ttl_max = 1000,
		.negative_ttl_max = 500,
		.cache = {.entries = 1 + next() % 32U,
			.bytes = 20000,
			.stale_s = how & 128 ? 3000 : 0,
			.failure_s = next() % 4U},
		.max_lookups = 1 + next() % 40U,
		.tor_addresses = &virtual_net,
		.ntor_addresses = 1,
		.max_queries = 1 + next() % 40U,
		.max_waiters = 1 + next() % 20U,
		.max_tor_names = 1000};
	struct engine_ports ports = {.map = &w.map,
		.ndns = SERVERS,
		.tor = &w.tor.dns,
		.counters = &w.counters,
		.bridge = cross};

	w.now.ns = 1000000000;
	w.map.get = get;
	w.tor.dns.ask = ask;
	w.tor.dns.cancel = cancel;
	for (size_t i = 0; i < SERVERS; i++) {
		w.server[i].dns.ask = ask;
		w.server[i].dns.cancel = cancel;
		ports.dns[i] = &w.server[i].dns;
	}
	require((w.engine = engine_new(&config, &ports)) != NULL);
	for (enum answer_style s = 0; s < STYLES; s++)
		require((w.profile[s] = engine_profile_new(w.engine, s, DEADLINE_MS)) !=
			NULL);
	for (unsigned i = 0; i < CLIENTS; i++) {
		w.client[i] = (struct lookup_client){.user = i / 2, .id = i + 1};
		lookup_client_limit(&w.client[i], w.profile[0], w.now);
	}
}

static void
nothing_is_left(const struct source *s)
{
	for (size_t i = 0; i < QUERIES; i++)
		require(s->query[i].source == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&w, 0, sizeof(w));
	w.data = data;
	w.end = data + size;
	open_world();
	while (w.data < w.end)
		act();
	pass_ms(DEADLINE_MS);
	for (size_t i = 0; i < LOOKUPS; i++)
		require(w.lookup[i].pending == NULL);
	require(engine_pending(w.engine) == 0);
	engine_free(w.engine);
	for (size_t i = 0; i < SERVERS; i++)
		nothing_is_left(&w.server[i]);
	nothing_is_left(&w.tor);
	return 0;
}
