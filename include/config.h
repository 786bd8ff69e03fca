/* The configuration, read and checked. Every option stands in conf/onionmxd.conf and in
 * onionmxd.conf(5), too; a test compares them. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/net4.h"
#include "core/proto.h"
#include "flow/lookup.h"
#include "net/bridge.h"
#include "net/listener.h"
#include "net/log.h"

#define CONFIG_DEFAULT_FILE "/etc/onionmxd/onionmxd.conf"
#define CONFIG_NETS_MAX 8

struct listener_options {
	struct listener_config net;
	const struct proto *proto;
	enum answer_style style;
	char *transport;
	int deadline_ms;
};

struct config {
	char *map;      /* NULL: none */
	size_t map_max; /* bytes */
	char *srv_prefix;
	enum on_failure on_failure;
	enum dnssec dnssec;
	enum on_failure on_insecure;
	bool protect_authenticated;
	bool pin_srv;
	bool follow_mx;
	int pin_hold; /* seconds */
	int max_pins;
	struct net_addr resolver[UPSTREAM_SERVERS];
	size_t nresolvers; /* 0: those of /etc/resolv.conf */
	enum bare_negative bare_negative;
	int dns_timeout_ms;
	int dns_tries;
	struct net_addr tor_dnsport;
	struct net4 tor_addresses[CONFIG_NETS_MAX];
	size_t ntor_addresses;
	int tor_timeout_ms;
	int tor_tries;
	int max_tor_names;
	struct bridge_table_config bridge;
	uint16_t bridge_port;
	struct net_addr socks[UPSTREAM_SERVERS];
	size_t nsocks;
	enum bridge_isolation bridge_isolation;
	bool any_bridge_user;
	uid_t *bridge_user;
	size_t nbridge_users;
	int bridge_connect_ms, bridge_idle_ms, bridge_session_ms, bridge_farewell_ms;
	int bridge_max_clients;
	int min_ttl, max_ttl, max_negative_ttl;
	int max_stale;
	int failure_ttl;
	int cache_entries;
	int cache_bytes;
	int max_lookups;
	int max_queries;
	int max_waiters;
	int client_timeout_ms;
	enum log_level log_level;
	char *user; /* NULL: whoever starts it */
	uid_t uid;  /* these two: of user */
	gid_t gid;
	char *pid_file;  /* NULL: none */
	char *state_dir; /* NULL: nothing outlives a restart */
	int cache_save;  /* seconds */
	bool has_control;
	struct listener_config control;
	struct listener_options *listener;
	size_t nlisteners;
};

/* Reads a file. NULL if anything is wrong with it: the first fault has been printed to
 * standard error as FILE:LINE: message. */
struct config *config_load(const char *path);
void config_free(struct config *);

/* Is any listener's answer an address of the bridge? */
bool config_has_bridge(const struct config *);

#endif
