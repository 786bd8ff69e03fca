#include "net/resolvers.h"

#include <stdlib.h>
#include <string.h>

#include "net/log.h"
#include "net/outage.h"
#include "net/resolvconf.h"
#include "net/resolver.h"
#include "watch.h"

/* The time that resolvers have to show whether they validate. */
#define CHECK_MS 10000

_Static_assert(RESOLVCONF_SERVERS <= UPSTREAM_SERVERS, "the engine takes all of a file");

struct member {
	struct resolvers *set;
	struct net_addr address;
	char name[NET_ADDR_TEXT];
	struct resolver *resolver;
	struct outage outage;
	struct dns_query *check; /* NULL: none is under way */
};

struct resolvers {
	struct resolvers_config config;
	struct engine *engine; /* NULL: not started */
	struct member *member[UPSTREAM_SERVERS];
	size_t n;
	struct resolvconf file;
	struct resolvconf_watch *watch;
	struct watch check_end;
	bool checking, answered, validated;
};

static struct dns_source *
source_of(const struct member *m)
{
	return resolver_source(m->resolver);
}

size_t
resolvers_sources(const struct resolvers *r, struct dns_source *source[UPSTREAM_SERVERS])
{
	for (size_t i = 0; i < r->n; i++)
		source[i] = source_of(r->member[i]);
	return r->n;
}

/* Members */

static void
cancel_check(struct member *m)
{
	if (m->check != NULL)
		source_of(m)->cancel(m->check);
	m->check = NULL;
}

static void
free_member(struct member *m)
{
	cancel_check(m);
	resolver_free(m->resolver);
	free(m);
}

static struct member *
new_member(struct resolvers *r, const struct net_addr *address)
{
	struct member *m = calloc(1, sizeof(*m));
	const struct resolver_config config = {.loop = r->config.loop,
		.counters = r->config.counters,
		.server = *address,
		.tcp_ms = r->config.tcp_ms,
		.ask_ad = r->config.dnssec != DNSSEC_OFF};

	if (m == NULL) {
		log_error("resolvers");
		return NULL;
	}
	if ((m->resolver = resolver_new(&config)) == NULL) {
		free(m);
		return NULL;
	}
	m->set = r;
	m->address = *address;
	net_addr_text(address, m->name);
	m->outage = (struct outage){.what = "resolver", .name = m->name};
	return m;
}

static struct member *
find_member(struct member *const set[], size_t n, const struct net_addr *address)
{
	for (size_t i = 0; i < n; i++)
		if (net_addr_equal(&set[i]->address, address))
			return set[i];
	return NULL;
}

static bool
is_one_of(const struct member *m, struct member *const set[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (set[i] == m)
			return true;
	return false;
}

/* Whether they validate: asked for the root, which is signed, and which tells nobody whom
 * mail is for. */

/* Without a verdict. */
static void
cancel_checks(struct resolvers *r)
{
	r->checking = false;
	watch_stop(&r->check_end);
	for (size_t i = 0; i < r->n; i++)
		cancel_check(r->member[i]);
}

static void
end_check(struct resolvers *r)
{
	if (!r->checking)
		return;
	cancel_checks(r);
	if (r->answered && !r->validated)
		log_warnx("no resolver on this machine validates DNSSEC, so routes from "
			  "DNS can be forged on the network: name one that does, such as "
			  "unbound, in \"resolvers\", or set dnssec = off");
}

static void
check_expired(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end_check(arg);
}

static void
checked(void *arg, const struct dns_answer *answer, struct monotime now)
{
	struct member *m = arg;
	struct resolvers *r = m->set;

	(void)now;
	m->check = NULL;
	r->answered |= answer->status != DNS_FAILED;
	r->validated |= answer->status != DNS_FAILED && answer->ad;
	for (size_t i = 0; i < r->n; i++)
		if (r->member[i]->check != NULL)
			return;
	end_check(r);
}

static void
start_check(struct resolvers *r)
{
	if (r->config.dnssec == DNSSEC_OFF || r->n == 0)
		return;
	r->checking = true;
	r->answered = r->validated = false;
	for (size_t i = 0; i < r->n; i++) {
		struct member *m = r->member[i];

		cancel_check(m);
		m->check = source_of(m)->ask(source_of(m), DNS_TYPE_A, "", checked, m);
	}
	watch_insist(&r->check_end, CHECK_MS);
}

/* The servers of the file */

static void
log_servers(const struct resolvers *r)
{
	char text[UPSTREAM_SERVERS * (NET_ADDR_TEXT + 2)] = "", *end = text;

	for (size_t i = 0; i < r->n; i++)
		end = stpcpy(stpcpy(end, i > 0 ? ", " : ""), r->member[i]->name);
	if (r->n > 0)
		log_info("resolvers: %s%s%s", text, r->config.n == 0 ? " from " : "",
			r->config.n == 0 ? r->config.file : "");
}

static void
read_file(struct resolvers *r)
{
	const struct resolvconf_unusable *bad = &r->file.unusable;

	resolvconf_read(r->config.file, &r->file);
	if (bad->lines > 0)
		log_warnx("%s:%zu: %s%s", r->config.file, bad->first, bad->why,
			bad->lines > 1 ? " (and more lines)" : "");
	if (r->file.n == 0)
		log_warnx("%s: %s: %s", r->config.file, r->file.why,
			r->n > 0 ? "the resolvers from before are kept"
				 : "no resolver can be asked until it names one");
}

/* With "dnssec = require" only a resolver of this machine is of use. */
static bool
are_usable(const struct resolvers *r, const struct net_addr server[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (r->config.dnssec == DNSSEC_REQUIRE &&
			!net_addr_is_local(&server[i])) {
			log_errorx(
				"dnssec = require needs resolvers on this machine, and "
				"those of %s aren't",
				r->config.file);
			return false;
		}
	return true;
}

/* Frees those of a set that aren't in another one. */
static void
free_others(
	struct member *const set[], size_t n, struct member *const kept[], size_t nkept)
{
	for (size_t i = 0; i < n; i++)
		if (!is_one_of(set[i], kept, nkept))
			free_member(set[i]);
}

/* Makes a set of those in force and of new ones, each once. False: out of memory. */
static bool
make_members(struct resolvers *r, const struct net_addr server[], size_t n,
	struct member *set[UPSTREAM_SERVERS], size_t *made)
{
	*made = 0;
	for (size_t i = 0; i < n; i++) {
		struct member *m;

		if (find_member(set, *made, &server[i]) != NULL)
			continue;
		if ((m = find_member(r->member, r->n, &server[i])) == NULL &&
			(m = new_member(r, &server[i])) == NULL) {
			free_others(set, *made, r->member, r->n);
			return false;
		}
		set[(*made)++] = m;
	}
	return true;
}

/* Puts other members in force. Those that stay keep what they know. */
static bool
set_members(struct resolvers *r, const struct net_addr server[], size_t n)
{
	struct member *old[UPSTREAM_SERVERS], *new[UPSTREAM_SERVERS];
	struct dns_source *source[UPSTREAM_SERVERS];
	const size_t nold = r->n;

	if (!make_members(r, server, n, new, &n))
		return false;
	for (size_t i = 0; i < n; i++)
		source[i] = source_of(new[i]);
	if (r->engine != NULL && !engine_set_dns(r->engine, source, n, loop_now())) {
		free_others(new, n, r->member, r->n);
		return false;
	}
	memcpy(old, r->member, sizeof(old));
	memcpy(r->member, new, n * sizeof(new[0]));
	r->n = n;
	free_others(old, nold, new, n);
	return true;
}

static bool
file_changed(void *arg)
{
	struct resolvers *r = arg;
	const struct resolvconf before = r->file;

	read_file(r);
	if (r->file.n == 0 || resolvconf_same_servers(&before, &r->file) ||
		!are_usable(r, r->file.servers, r->file.n))
		return true;
	cancel_checks(r);
	if (!set_members(r, r->file.servers, r->file.n)) {
		log_errorx(
			"%s: out of memory; the resolvers from before are kept for now",
			r->config.file);
		r->file = before;
		return false;
	}
	log_servers(r);
	start_check(r);
	return true;
}

/* Events */

void
resolvers_event(
	struct resolvers *r, const struct dns_source *source, enum upstream_event event)
{
	struct member *m = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (source_of(r->member[i]) == source)
			m = r->member[i];
	if (m == NULL)
		return;
	switch (event) {
	case UPSTREAM_DOWN:
		outage_seen(&m->outage, loop_now());
		break;
	case UPSTREAM_UP:
		outage_over(&m->outage, loop_now());
		break;
	case UPSTREAM_BARE_COUNTS:
		log_warnx(
			"resolver %s leaves the SOA record out of negative answers; they "
			"are believed, and kept for min_ttl only (see bare_negative)",
			m->name);
		break;
	case UPSTREAM_BARE_REFUSED:
		log_warnx(
			"resolver %s leaves the SOA record out of negative answers; such "
			"an answer is no proof, and mail waits (see bare_negative)",
			m->name);
		break;
	case UPSTREAM_EVENTS:
		break;
	}
}

/* The whole */

struct resolvers *
resolvers_open(const struct resolvers_config *config)
{
	struct resolvers *r = calloc(1, sizeof(*r));
	const struct net_addr *server = config->server;
	size_t n = config->n;

	if (r == NULL) {
		log_error("resolvers");
		return NULL;
	}
	r->config = *config;
	watch_init_timer(&r->check_end, config->loop, check_expired, r);
	if (n == 0) {
		read_file(r);
		server = r->file.servers;
		n = r->file.n;
	}
	if (!are_usable(r, server, n) || !set_members(r, server, n)) {
		resolvers_close(r);
		return NULL;
	}
	log_servers(r);
	return r;
}

bool
resolvers_start(struct resolvers *r, struct engine *engine)
{
	r->engine = engine;
	start_check(r);
	if (r->config.n > 0)
		return true;
	r->watch = resolvconf_watch_start(
		r->config.loop, r->config.file, &r->file, file_changed, r);
	return r->watch != NULL;
}

void
resolvers_close(struct resolvers *r)
{
	if (r == NULL)
		return;
	cancel_checks(r);
	resolvconf_watch_cancel(r->watch);
	for (size_t i = 0; i < r->n; i++)
		free_member(r->member[i]);
	free(r);
}
