#include "config_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "core/onion.h"

/* Checks of single values. cfg.c calls them as it reads, so a message has the line.
 * Anything but 0 is a fault. */

static int
fault(cfg_t *cfg, cfg_opt_t *opt, const char *value, const char *wrong)
{
	cfg_error(cfg, "%s = \"%s\": %s", cfg_opt_name(opt), value, wrong);
	return -1;
}

static const char *
last_string(cfg_opt_t *opt)
{
	return cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
}

static int
check_positive(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value >= 1 && value <= 100000000)
		return 0;
	cfg_error(cfg, "%s: expected a number from 1 to 100000000", cfg_opt_name(opt));
	return -1;
}

static int
check_seconds(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value >= 0 && value <= 100000000)
		return 0;
	cfg_error(cfg, "%s: expected seconds, from 0 to 100000000", cfg_opt_name(opt));
	return -1;
}

static int
check_failure_ttl(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value >= 0 && value <= CACHE_FAILURE_MAX)
		return 0;
	cfg_error(cfg, "%s: expected seconds, from 0 to %d", cfg_opt_name(opt),
		CACHE_FAILURE_MAX);
	return -1;
}

static int
check_bytes(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value >= 1 && value <= INT_MAX)
		return 0;
	cfg_error(cfg, "%s: expected bytes, from 1 to %d", cfg_opt_name(opt), INT_MAX);
	return -1;
}

static int
check_tries(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value >= 1 && value <= 10)
		return 0;
	cfg_error(cfg, "%s: expected a number from 1 to 10", cfg_opt_name(opt));
	return -1;
}

static int
check_ip(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	struct net_addr addr;
	const char *wrong = strncmp(text, "unix:", 5) == 0
				    ? "expected ADDRESS or ADDRESS:PORT"
				    : net_addr_parse(&addr, text, CONFIG_DNS_PORT);

	if (cfg_opt_size(opt) > UPSTREAM_SERVERS)
		wrong = "too many: at most 8";
	return wrong == NULL ? 0 : fault(cfg, opt, text, wrong);
}

static int
check_address(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	struct net_addr addr;
	const char *wrong = net_addr_parse(&addr, text, 0);

	return wrong == NULL ? 0 : fault(cfg, opt, text, wrong);
}

/* "_service._proto." of LDH labels, the first two with an underscore in front. */
static int
check_srv_prefix(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	size_t len = strlen(text);
	char labels[DOMAIN_MAX];
	size_t n = 0;

	for (const char *p = text; *p != '\0' && n < sizeof(labels); p++)
		if (*p != '_' || (p > text && p[-1] != '.'))
			labels[n++] = *p;
	if (n > 1 && len < 64 && labels[n - 1] == '.' && text[0] == '_' &&
		domain_is_canonical(labels, n - 1))
		return 0;
	return fault(cfg, opt, text, "expected lower-case labels like _onion-mx._tcp.");
}

/* Empty for none. The daemon goes to / when it goes to the background. */
static int
check_path(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);

	if (*text == '\0' || *text == '/')
		return 0;
	return fault(cfg, opt, text, "expected an absolute path");
}

static int
check_control(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	struct net_addr addr;

	if (*text == '\0')
		return 0;
	if (net_addr_parse(&addr, text, 0) == NULL && net_addr_path(&addr) != NULL)
		return 0;
	return fault(cfg, opt, text, "expected unix:/PATH");
}

static int
check_on_failure(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);

	if (map_options_on_failure(text, strlen(text)) != ON_FAILURE_UNSET)
		return 0;
	return fault(cfg, opt, text, "expected defer or clearnet");
}

/* The index of a word in a list; false if it isn't there. */
static bool
word_by_text(const char *text, const char *const words[], size_t n, size_t *index)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0) {
			*index = i;
			return true;
		}
	return false;
}

#define WORD_BY_TEXT(text, words, index)                                                 \
	word_by_text(text, words, sizeof(words) / sizeof((words)[0]), index)

bool
config_dnssec_by_text(const char *text, enum dnssec *dnssec)
{
	static const char *const names[] = {
		[DNSSEC_OFF] = "off",
		[DNSSEC_PREFER] = "prefer",
		[DNSSEC_REQUIRE] = "require",
	};
	size_t i = 0;
	bool found = WORD_BY_TEXT(text, names, &i);

	*dnssec = (enum dnssec)i;
	return found;
}

bool
config_bare_negative_by_text(const char *text, enum bare_negative *setting)
{
	static const char *const names[] = {
		[BARE_NEGATIVE_KNOWN] = "known",
		[BARE_NEGATIVE_ANY] = "any",
		[BARE_NEGATIVE_NONE] = "none",
	};
	size_t i = 0;
	bool found = WORD_BY_TEXT(text, names, &i);

	*setting = (enum bare_negative)i;
	return found;
}

bool
config_answer_by_text(const char *text, enum answer_style *style)
{
	static const char *const names[] = {
		[STYLE_ONION] = "onion",
		[STYLE_ADDRESS] = "address",
		[STYLE_BRIDGE] = "bridge",
	};
	size_t i = 0;
	bool found = WORD_BY_TEXT(text, names, &i);

	*style = (enum answer_style)i;
	return found;
}

bool
config_bridge_isolation_by_text(const char *text, enum bridge_isolation *isolation)
{
	static const char *const names[] = {
		[ISOLATE_NONE] = "none",
		[ISOLATE_ONION] = "onion",
		[ISOLATE_DOMAIN] = "domain",
	};
	size_t i = 0;
	bool found = WORD_BY_TEXT(text, names, &i);

	*isolation = (enum bridge_isolation)i;
	return found;
}

static int
check_bridge_isolation(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	enum bridge_isolation isolation;

	if (config_bridge_isolation_by_text(text, &isolation))
		return 0;
	return fault(cfg, opt, text, "expected none, onion or domain");
}

bool
config_net4_by_text(const char *text, struct net4 *net)
{
	struct in_addr address;
	char ip[16], prefix[3];
	int end = 0;

	if (sscanf(text, "%15[0-9.]/%2[0-9]%n", ip, prefix, &end) != 2 ||
		text[end] != '\0' || inet_pton(AF_INET, ip, &address) != 1)
		return false;
	net->prefix = (unsigned)strtoul(prefix, NULL, 10);
	net->address = ntohl(address.s_addr);
	return net->prefix >= 1 && net->prefix <= 32 &&
	       (net->address & (uint32_t)(UINT64_C(0xffffffff) >> net->prefix)) == 0;
}

/* What tor may give must be for private use, from the first address to the last. */
static int
check_tor_addresses(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	struct net4 net;

	if (cfg_opt_size(opt) > CONFIG_NETS_MAX)
		return fault(cfg, opt, text, "too many: at most 8");
	if (config_net4_by_text(text, &net) && net.prefix >= 8 &&
		onion_is_virtual(net.address) && onion_is_virtual(net4_last(&net)))
		return 0;
	return fault(cfg, opt, text,
		"expected a net of addresses for private use, like 10.192.0.0/10");
}

bool
config_net_by_text(const char *text, struct bridge_table_config *net)
{
	struct net4 n;

	if (!config_net4_by_text(text, &n))
		return false;
	net->prefix = n.prefix;
	net->net = n.address;
	return net->net >> 24 == IN_LOOPBACKNET && net->prefix >= 9 && net->prefix <= 30;
}

static int
check_bridge_network(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	struct bridge_table_config net;

	if (config_net_by_text(text, &net))
		return 0;
	return fault(cfg, opt, text,
		"expected a net of 127.0.0.0/8 with a prefix from 9 to 30, like "
		"127.42.0.0/16");
}

/* A mail server's queue keeps mail for five days. */
static int
check_reuse(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value >= 5 && value <= 3650)
		return 0;
	cfg_error(cfg, "%s: expected days, from 5 to 3650", cfg_opt_name(opt));
	return -1;
}

/* Not 25: Postfix takes every address of this machine for itself there. */
static int
check_bridge_port(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value >= 1 && value <= 65535 && value != SMTP_PORT)
		return 0;
	cfg_error(cfg, "%s: expected a port from 1 to 65535 that isn't 25",
		cfg_opt_name(opt));
	return -1;
}

static int
check_dnssec(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	enum dnssec dnssec;

	if (config_dnssec_by_text(text, &dnssec))
		return 0;
	return fault(cfg, opt, text, "expected off, prefer or require");
}

static int
check_bare_negative(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	enum bare_negative setting;

	if (config_bare_negative_by_text(text, &setting))
		return 0;
	return fault(cfg, opt, text, "expected known, any or none");
}

static int
check_log_level(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);

	if (log_level_by_name(text) >= 0)
		return 0;
	return fault(cfg, opt, text, "expected error, warning, info or debug");
}

static int
check_protocol(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);

	if (proto_by_name(text) != NULL)
		return 0;
	return fault(
		cfg, opt, text, "expected readsocket, tcp_table, socketmap or policy");
}

static int
check_answer(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	enum answer_style style;

	if (config_answer_by_text(text, &style))
		return 0;
	return fault(cfg, opt, text, "expected address, onion or bridge");
}

static int
check_transport(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);

	if (transport_valid(text))
		return 0;
	return fault(cfg, opt, text,
		"expected a name of master.cf: letters, digits, - and _, at most 32");
}

bool
config_mode_by_text(const char *text, mode_t *mode)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	*mode = (mode_t)value;
	return end != text && *end == '\0' && text[0] != '-' && value <= 0777;
}

static int
check_mode(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	mode_t mode;

	if (config_mode_by_text(text, &mode))
		return 0;
	return fault(cfg, opt, text, "expected an octal file mode like 0660");
}

/* A number, or a name that the system knows. */
static bool
id_by_number(const char *text, unsigned *id)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*id = (unsigned)value;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value < UINT32_MAX;
}

/* How a name that wasn't found is told from a search that failed: getpwnam(3). */
static int
lookup_errno(int error)
{
	return error == ENOENT || error == ESRCH || error == EBADF || error == EPERM
		       ? 0
		       : error;
}

bool
config_owner_by_text(const char *text, uid_t *id)
{
	const struct passwd *pw;

	*id = (uid_t)-1;
	if (*text == '\0' || id_by_number(text, id))
		return true;
	errno = 0;
	if ((pw = getpwnam(text)) == NULL) {
		errno = lookup_errno(errno);
		return false;
	}
	*id = pw->pw_uid;
	return true;
}

bool
config_group_by_text(const char *text, gid_t *id)
{
	const struct group *gr;

	*id = (gid_t)-1;
	if (*text == '\0' || id_by_number(text, id))
		return true;
	errno = 0;
	if ((gr = getgrnam(text)) == NULL) {
		errno = lookup_errno(errno);
		return false;
	}
	*id = gr->gr_gid;
	return true;
}

const char *
config_user_by_text(const char *text, uid_t *uid, gid_t *gid)
{
	unsigned number;
	const bool is_number = id_by_number(text, &number);
	const struct passwd *pw;

	errno = 0;
	pw = is_number ? getpwuid(number) : getpwnam(text);
	if (pw != NULL) {
		*uid = pw->pw_uid;
		*gid = pw->pw_gid;
		return pw->pw_name;
	}
	errno = lookup_errno(errno);
	*uid = *gid = number;
	return is_number && errno == 0 ? text : NULL;
}

/* Empty for whoever starts the daemon. */
static int
check_user(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *text = last_string(opt);
	uid_t uid;
	gid_t gid;

	if (*text == '\0' || config_user_by_text(text, &uid, &gid) != NULL)
		return 0;
	return fault(cfg, opt, text, errno == 0 ? "no such user" : strerror(errno));
}

static int
check_owner(cfg_t *cfg, cfg_opt_t *opt)
{
	uid_t id;

	if (config_owner_by_text(last_string(opt), &id))
		return 0;
	return fault(cfg, opt, last_string(opt),
		errno == 0 ? "no such user" : strerror(errno));
}

static int
check_group(cfg_t *cfg, cfg_opt_t *opt)
{
	gid_t id;

	if (config_group_by_text(last_string(opt), &id))
		return 0;
	return fault(cfg, opt, last_string(opt),
		errno == 0 ? "no such group" : strerror(errno));
}

/* A listener as a whole. */
static int
check_listener(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *l = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	const char *protocol = cfg_getstr(l, "protocol");
	const char *answer = cfg_getstr(l, "answer");

	if (protocol == NULL || cfg_getstr(l, "address") == NULL) {
		cfg_error(cfg, "listener \"%s\" needs a protocol and an address",
			cfg_title(l));
		return -1;
	}
	if (proto_by_name(protocol)->cache_only &&
		(answer != NULL || cfg_getstr(l, "transport") != NULL)) {
		cfg_error(cfg,
			"listener \"%s\": policy takes neither answer nor transport",
			cfg_title(l));
		return -1;
	}
	if (answer != NULL && strcmp(answer, "onion") == 0 &&
		proto_by_name(protocol)->needs_address) {
		cfg_error(cfg,
			"listener \"%s\": Exim would look onion names up in DNS; "
			"use answer = address or bridge",
			cfg_title(l));
		return -1;
	}
	return 0;
}

static const struct {
	const char *option;
	cfg_validate_callback_t check;
} checks[] = {
	{"map", check_path},
	{"map_max_bytes", check_bytes},
	{"user", check_user},
	{"pid_file", check_path},
	{"state_dir", check_path},
	{"cache_save", check_positive},
	{"control", check_control},
	{"pin_hold", check_seconds},
	{"max_pins", check_positive},
	{"srv_prefix", check_srv_prefix},
	{"on_failure", check_on_failure},
	{"dnssec", check_dnssec},
	{"on_insecure", check_on_failure},
	{"resolvers", check_ip},
	{"bare_negative", check_bare_negative},
	{"dns_timeout_ms", check_positive},
	{"dns_tries", check_tries},
	{"tor_dnsport", check_ip},
	{"tor_addresses", check_tor_addresses},
	{"tor_timeout_ms", check_positive},
	{"tor_tries", check_tries},
	{"max_tor_names", check_positive},
	{"bridge_network", check_bridge_network},
	{"bridge_port", check_bridge_port},
	{"socks", check_ip},
	{"bridge_isolation", check_bridge_isolation},
	{"bridge_users", check_owner},
	{"bridge_connect_ms", check_positive},
	{"bridge_idle_ms", check_positive},
	{"bridge_session_ms", check_positive},
	{"bridge_farewell_ms", check_positive},
	{"bridge_max_clients", check_positive},
	{"bridge_addresses", check_positive},
	{"bridge_reuse", check_reuse},
	{"min_ttl", check_seconds},
	{"max_ttl", check_seconds},
	{"max_negative_ttl", check_seconds},
	{"max_stale", check_seconds},
	{"failure_ttl", check_failure_ttl},
	{"cache_entries", check_positive},
	{"cache_bytes", check_bytes},
	{"max_lookups", check_positive},
	{"max_queries", check_positive},
	{"max_waiters", check_positive},
	{"client_timeout_ms", check_positive},
	{"log_level", check_log_level},
	{"listener|protocol", check_protocol},
	{"listener|address", check_address},
	{"listener|answer", check_answer},
	{"listener|transport", check_transport},
	{"listener|deadline_ms", check_positive},
	{"listener|mode", check_mode},
	{"listener|owner", check_owner},
	{"listener|group", check_group},
	{"listener|max_clients", check_positive},
	{"listener", check_listener},
};

void
config_check_install(cfg_t *cfg)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		cfg_set_validate_func(cfg, checks[i].option, checks[i].check);
}
