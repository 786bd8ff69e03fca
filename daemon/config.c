#include "config.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cfg.h"
#include "config_check.h"
#include "config_text.h"

static cfg_opt_t listener_opts[] = {
	CFG_STR("protocol", NULL, CFGF_NODEFAULT),
	CFG_STR("address", NULL, CFGF_NODEFAULT),
	CFG_STR("answer", NULL, CFGF_NODEFAULT),
	CFG_STR("transport", NULL, CFGF_NODEFAULT),
	CFG_INT("deadline_ms", 0, CFGF_NODEFAULT),
	CFG_STR("mode", "0666", CFGF_NONE),
	CFG_STR("owner", "", CFGF_NONE),
	CFG_STR("group", "", CFGF_NONE),
	CFG_INT("max_clients", 2048, CFGF_NONE),
	CFG_END(),
};

static cfg_opt_t opts[] = {
	CFG_STR("map", "/etc/onionmxd/domains.cdb", CFGF_NONE),
	CFG_INT("map_max_bytes", 268435456, CFGF_NONE),
	CFG_STR("srv_prefix", "_onion-mx._tcp.", CFGF_NONE),
	CFG_STR("on_failure", "defer", CFGF_NONE),
	CFG_STR("dnssec", "prefer", CFGF_NONE),
	CFG_STR("on_insecure", "defer", CFGF_NONE),
	CFG_BOOL("protect_authenticated", cfg_false, CFGF_NONE),
	CFG_BOOL("pin_srv", cfg_false, CFGF_NONE),
	CFG_INT("pin_hold", 604800, CFGF_NONE),
	CFG_INT("max_pins", 100000, CFGF_NONE),
	CFG_BOOL("follow_mx", cfg_false, CFGF_NONE),
	CFG_STR_LIST("resolvers", NULL, CFGF_NONE),
	CFG_STR("bare_negative", "known", CFGF_NONE),
	CFG_INT("dns_timeout_ms", 2000, CFGF_NONE),
	CFG_INT("dns_tries", 3, CFGF_NONE),
	CFG_STR("tor_dnsport", "127.0.0.1:5300", CFGF_NONE),
	CFG_STR_LIST("tor_addresses", "{127.192.0.0/10, 10.192.0.0/10}", CFGF_NONE),
	CFG_INT("tor_timeout_ms", 250, CFGF_NONE),
	CFG_INT("tor_tries", 4, CFGF_NONE),
	CFG_INT("max_tor_names", 60000, CFGF_NONE),
	CFG_STR("bridge_network", "127.42.0.0/16", CFGF_NONE),
	CFG_INT("bridge_port", 14525, CFGF_NONE),
	CFG_STR_LIST("socks", "{127.0.0.1:9050}", CFGF_NONE),
	CFG_STR("bridge_isolation", "onion", CFGF_NONE),
	CFG_STR_LIST("bridge_users", "{root, postfix, Debian-exim}", CFGF_NONE),
	CFG_INT("bridge_connect_ms", 60000, CFGF_NONE),
	CFG_INT("bridge_idle_ms", 900000, CFGF_NONE),
	CFG_INT("bridge_session_ms", 21600000, CFGF_NONE),
	CFG_INT("bridge_farewell_ms", 660000, CFGF_NONE),
	CFG_INT("bridge_max_clients", 1000, CFGF_NONE),
	CFG_INT("bridge_addresses", 60000, CFGF_NONE),
	CFG_INT("bridge_reuse", 14, CFGF_NONE),
	CFG_INT("min_ttl", 60, CFGF_NONE),
	CFG_INT("max_ttl", 86400, CFGF_NONE),
	CFG_INT("max_negative_ttl", 3600, CFGF_NONE),
	CFG_INT("max_stale", 86400, CFGF_NONE),
	CFG_INT("failure_ttl", 5, CFGF_NONE),
	CFG_INT("cache_entries", 100000, CFGF_NONE),
	CFG_INT("cache_bytes", 67108864, CFGF_NONE),
	CFG_INT("max_lookups", 4096, CFGF_NONE),
	CFG_INT("max_queries", 1024, CFGF_NONE),
	CFG_INT("max_waiters", 4096, CFGF_NONE),
	CFG_INT("client_timeout_ms", 10000, CFGF_NONE),
	CFG_STR("log_level", "info", CFGF_NONE),
	CFG_STR("user", "", CFGF_NONE),
	CFG_STR("state_dir", "/var/lib/onionmxd", CFGF_NONE),
	CFG_INT("cache_save", 300, CFGF_NONE),
	CFG_STR("control", "unix:/run/onionmxd/control.sock", CFGF_NONE),
	CFG_STR("pid_file", "", CFGF_NONE),
	CFG_SEC("listener", listener_opts),
	CFG_END(),
};

/* From the values of the file, which have been checked, to ours. Without memory, or when
 * a user or an interface has gone since, there is no daemon. */

static char *
copy(const char *text)
{
	char *copied = strdup(text);

	if (copied == NULL)
		err(1, "configuration");
	return copied;
}

static char *
copy_or_null(const char *text)
{
	return *text == '\0' ? NULL : copy(text);
}

static void
take_addr(struct net_addr *addr, const char *text, uint16_t port)
{
	const char *wrong = net_addr_parse(addr, text, port);

	if (wrong != NULL)
		errx(1, "configuration: \"%s\": %s", text, wrong);
}

static void
take_owner(uid_t *id, const char *name)
{
	if (!config_owner_by_text(name, id))
		errx(1, "configuration: user %s: %s", name,
			errno == 0 ? "no such user" : strerror(errno));
}

static void
take_group(gid_t *id, const char *name)
{
	if (!config_group_by_text(name, id))
		errx(1, "configuration: group %s: %s", name,
			errno == 0 ? "no such group" : strerror(errno));
}

static void
take_resolvers(struct config *c, cfg_t *cfg)
{
	c->nresolvers = cfg_size(cfg, "resolvers");
	for (unsigned i = 0; i < c->nresolvers; i++)
		take_addr(&c->resolver[i], cfg_getnstr(cfg, "resolvers", i),
			CONFIG_DNS_PORT);
}

static void
take_tor_addresses(struct config *c, cfg_t *cfg)
{
	c->ntor_addresses = cfg_size(cfg, "tor_addresses");
	for (unsigned i = 0; i < c->ntor_addresses; i++)
		config_net4_by_text(
			cfg_getnstr(cfg, "tor_addresses", i), &c->tor_addresses[i]);
}

/* Names that this system doesn't have are none of ours: only the default has them. */
static void
take_bridge_users(struct config *c, cfg_t *cfg)
{
	unsigned n = cfg_size(cfg, "bridge_users");

	c->any_bridge_user = n == 0;
	c->bridge_user = calloc(n + 1, sizeof(c->bridge_user[0]));
	if (c->bridge_user == NULL)
		err(1, "configuration");
	for (unsigned i = 0; i < n; i++) {
		const char *name = cfg_getnstr(cfg, "bridge_users", i);

		if (config_owner_by_text(name, &c->bridge_user[c->nbridge_users]))
			c->nbridge_users++;
		else if (errno != 0)
			err(1, "configuration: user %s", name);
	}
}

static void
take_bridge(struct config *c, cfg_t *cfg)
{
	config_net_by_text(cfg_getstr(cfg, "bridge_network"), &c->bridge);
	c->bridge.max = (size_t)cfg_getint(cfg, "bridge_addresses");
	c->bridge.reuse_days = (uint32_t)cfg_getint(cfg, "bridge_reuse");
	c->bridge_port = (uint16_t)cfg_getint(cfg, "bridge_port");
	c->nsocks = cfg_size(cfg, "socks");
	for (unsigned i = 0; i < c->nsocks; i++)
		take_addr(&c->socks[i], cfg_getnstr(cfg, "socks", i), CONFIG_SOCKS_PORT);
	config_bridge_isolation_by_text(
		cfg_getstr(cfg, "bridge_isolation"), &c->bridge_isolation);
	take_bridge_users(c, cfg);
	c->bridge_connect_ms = (int)cfg_getint(cfg, "bridge_connect_ms");
	c->bridge_idle_ms = (int)cfg_getint(cfg, "bridge_idle_ms");
	c->bridge_session_ms = (int)cfg_getint(cfg, "bridge_session_ms");
	c->bridge_farewell_ms = (int)cfg_getint(cfg, "bridge_farewell_ms");
	c->bridge_max_clients = (int)cfg_getint(cfg, "bridge_max_clients");
}

static enum on_failure
on_failure(cfg_t *cfg, const char *option)
{
	const char *text = cfg_getstr(cfg, option);

	return map_options_on_failure(text, strlen(text));
}

static void
take_user(struct config *c, const char *name)
{
	const char *found;

	if (*name == '\0')
		return;
	if ((found = config_user_by_text(name, &c->uid, &c->gid)) == NULL)
		errx(1, "configuration: user %s: %s", name,
			errno == 0 ? "no such user" : strerror(errno));
	c->user = copy(found);
}

/* The sockets are made before the daemon changes to its user, and are that user's. */
static void
give_to_user(const struct config *c, struct listener_config *l)
{
	if (c->user == NULL || c->uid == geteuid() || geteuid() != 0)
		return;
	if (l->owner == (uid_t)-1)
		l->owner = c->uid;
	if (l->group == (gid_t)-1)
		l->group = c->gid;
}

/* What it tells is for the operator only. */
static void
take_control(struct config *c, const char *address)
{
	if (*address == '\0')
		return;
	c->has_control = true;
	c->control = (struct listener_config){.name = copy("control"),
		.mode = 0600,
		.owner = (uid_t)-1,
		.group = (gid_t)-1};
	take_addr(&c->control.addr, address, 0);
	give_to_user(c, &c->control);
}

static void
take_globals(struct config *c, cfg_t *cfg)
{
	c->map = copy_or_null(cfg_getstr(cfg, "map"));
	c->map_max = (size_t)cfg_getint(cfg, "map_max_bytes");
	c->srv_prefix = copy(cfg_getstr(cfg, "srv_prefix"));
	c->on_failure = on_failure(cfg, "on_failure");
	config_dnssec_by_text(cfg_getstr(cfg, "dnssec"), &c->dnssec);
	c->on_insecure = on_failure(cfg, "on_insecure");
	c->protect_authenticated = cfg_getbool(cfg, "protect_authenticated");
	c->pin_srv = cfg_getbool(cfg, "pin_srv");
	c->pin_hold = (int)cfg_getint(cfg, "pin_hold");
	c->max_pins = (int)cfg_getint(cfg, "max_pins");
	c->follow_mx = cfg_getbool(cfg, "follow_mx");
	take_resolvers(c, cfg);
	config_bare_negative_by_text(cfg_getstr(cfg, "bare_negative"), &c->bare_negative);
	take_bridge(c, cfg);
	c->dns_timeout_ms = (int)cfg_getint(cfg, "dns_timeout_ms");
	c->dns_tries = (int)cfg_getint(cfg, "dns_tries");
	take_addr(&c->tor_dnsport, cfg_getstr(cfg, "tor_dnsport"), CONFIG_DNS_PORT);
	take_tor_addresses(c, cfg);
	c->tor_timeout_ms = (int)cfg_getint(cfg, "tor_timeout_ms");
	c->tor_tries = (int)cfg_getint(cfg, "tor_tries");
	c->max_tor_names = (int)cfg_getint(cfg, "max_tor_names");
	c->min_ttl = (int)cfg_getint(cfg, "min_ttl");
	c->max_ttl = (int)cfg_getint(cfg, "max_ttl");
	c->max_negative_ttl = (int)cfg_getint(cfg, "max_negative_ttl");
	c->max_stale = (int)cfg_getint(cfg, "max_stale");
	c->failure_ttl = (int)cfg_getint(cfg, "failure_ttl");
	c->cache_entries = (int)cfg_getint(cfg, "cache_entries");
	c->cache_bytes = (int)cfg_getint(cfg, "cache_bytes");
	c->max_lookups = (int)cfg_getint(cfg, "max_lookups");
	c->max_queries = (int)cfg_getint(cfg, "max_queries");
	c->max_waiters = (int)cfg_getint(cfg, "max_waiters");
	c->client_timeout_ms = (int)cfg_getint(cfg, "client_timeout_ms");
	c->log_level = (enum log_level)log_level_by_name(cfg_getstr(cfg, "log_level"));
	take_user(c, cfg_getstr(cfg, "user"));
	c->pid_file = copy_or_null(cfg_getstr(cfg, "pid_file"));
	c->state_dir = copy_or_null(cfg_getstr(cfg, "state_dir"));
	c->cache_save = (int)cfg_getint(cfg, "cache_save");
	take_control(c, cfg_getstr(cfg, "control"));
}

static void
take_listener(struct listener_options *l, cfg_t *sec)
{
	const char *answer = cfg_getstr(sec, "answer");
	const char *transport = cfg_getstr(sec, "transport");

	l->proto = proto_by_name(cfg_getstr(sec, "protocol"));
	l->style = l->proto->needs_address ? STYLE_ADDRESS : STYLE_ONION;
	if (answer != NULL)
		config_answer_by_text(answer, &l->style);
	if (transport == NULL)
		transport = l->style == STYLE_BRIDGE ? "smtp" : "smtptor";
	l->transport = copy(transport);
	l->deadline_ms = (int)cfg_getint(sec, "deadline_ms");
	if (l->deadline_ms == 0)
		l->deadline_ms = l->proto->needs_address ? 4000
				 : l->proto->cache_only  ? 3000
							 : 500;
	l->net.name = copy(cfg_title(sec));
	l->net.max_clients = (size_t)cfg_getint(sec, "max_clients");
	take_addr(&l->net.addr, cfg_getstr(sec, "address"), 0);
	config_mode_by_text(cfg_getstr(sec, "mode"), &l->net.mode);
	take_owner(&l->net.owner, cfg_getstr(sec, "owner"));
	take_group(&l->net.group, cfg_getstr(sec, "group"));
}

static void
take_listeners(struct config *c, cfg_t *cfg)
{
	c->nlisteners = cfg_size(cfg, "listener");
	c->listener = calloc(c->nlisteners, sizeof(c->listener[0]));
	if (c->listener == NULL)
		err(1, "configuration");
	for (size_t i = 0; i < c->nlisteners; i++) {
		take_listener(&c->listener[i], cfg_getnsec(cfg, "listener", (unsigned)i));
		give_to_user(c, &c->listener[i].net);
	}
}

/* The listeners that there are when the file names none. */
static const char default_listeners[] =
	"listener exim { protocol = readsocket address = "
	"\"unix:/run/onionmxd/exim.sock\" }\n"
	"listener tcp_table { protocol = tcp_table address = \"127.0.0.1:23000\" }\n"
	"listener socketmap { protocol = socketmap"
	" address = \"unix:/run/onionmxd/socketmap.sock\" }\n";

static bool
read_file(cfg_t *cfg, const char *path)
{
	size_t len;
	char *text = config_text_read(path, &len);
	bool ok;

	if (text == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	ok = cfg_read(cfg, path, text, len);
	free(text);
	return ok;
}

/* What a resolver elsewhere says of its validation anybody on the way can have said. */
static bool
resolvers_trusted(cfg_t *cfg)
{
	struct net_addr addr;

	if (strcmp(cfg_getstr(cfg, "dnssec"), "require") != 0)
		return true;
	for (unsigned i = 0; i < cfg_size(cfg, "resolvers"); i++) {
		net_addr_parse(&addr, cfg_getnstr(cfg, "resolvers", i), CONFIG_DNS_PORT);
		if (!net_addr_is_local(&addr))
			return false;
	}
	return true;
}

static bool
any_bridge(cfg_t *cfg)
{
	for (unsigned i = 0; i < cfg_size(cfg, "listener"); i++) {
		const char *answer =
			cfg_getstr(cfg_getnsec(cfg, "listener", i), "answer");

		if (answer != NULL && strcmp(answer, "bridge") == 0)
			return true;
	}
	return false;
}

/* What only shows when all is read: the option whose line is named, and the fault. */
static const char *
contradiction(cfg_t *cfg, const char **option)
{
	*option = "max_ttl";
	if (cfg_getint(cfg, "min_ttl") > cfg_getint(cfg, "max_ttl"))
		return "min_ttl is greater than max_ttl";
	*option = "state_dir";
	if (cfg_getbool(cfg, "pin_srv") && *cfg_getstr(cfg, "state_dir") == '\0')
		return "pin_srv needs a state_dir";
	if (any_bridge(cfg) && *cfg_getstr(cfg, "state_dir") == '\0')
		return "answer = bridge needs a state_dir";
	*option = "socks";
	if (any_bridge(cfg) && cfg_size(cfg, "socks") == 0)
		return "answer = bridge needs a tor in socks";
	*option = "resolvers";
	if (!resolvers_trusted(cfg))
		return "dnssec = require needs resolvers on this machine";
	return NULL;
}

static bool
complete(cfg_t *cfg)
{
	const char *option, *wrong = contradiction(cfg, &option);

	if (wrong != NULL) {
		cfg_error_at(cfg, option, wrong);
		return false;
	}
	return cfg_size(cfg, "listener") > 0 ||
	       cfg_read(cfg, "the default listeners", default_listeners,
		       strlen(default_listeners));
}

struct config *
config_load(const char *path)
{
	cfg_t *cfg = cfg_new(opts);
	struct config *c = calloc(1, sizeof(*c));
	bool ok = false;

	if (cfg == NULL || c == NULL) {
		fprintf(stderr, "%s:1: out of memory\n", path);
	} else {
		config_check_install(cfg);
		ok = read_file(cfg, path) && complete(cfg);
	}
	if (ok) {
		take_globals(c, cfg);
		take_listeners(c, cfg);
	} else {
		free(c);
		c = NULL;
	}
	cfg_free(cfg);
	return c;
}

bool
config_has_bridge(const struct config *c)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		if (c->listener[i].style == STYLE_BRIDGE)
			return true;
	return false;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->nlisteners; i++) {
		free(c->listener[i].net.name);
		free(c->listener[i].transport);
	}
	free(c->listener);
	free(c->map);
	free(c->srv_prefix);
	free(c->user);
	free(c->pid_file);
	free(c->state_dir);
	free(c->bridge_user);
	free(c->control.name);
	free(c);
}
