/* The keys of the configuration, one row each. All that is known of a key follows from
 * its row: its field (config.h), how it is read, its default, and what is said of a bad
 * value (daemon/config_table.c). It also stands in conf/onionmxd.conf and in
 * onionmxd.conf(5); a test compares them.
 *
 *	ONE(C type, key, type, default, details, need)
 *	LIST(C type, key, most values, type, default, details, need)
 *
 * type     config_type_..., see daemon/config_type.h
 * default  as in the file, a list without its braces; NULL: none
 * details  RANGE(least, most, unit or NULL) of a number
 *          WORDS({word, value of the enum}, ...)
 *          PORT(the port of an address that names none)
 *          DEPENDS(default_...), a function of config_table.c that knows the default
 *          REQUIRED, or NONE
 * need     what must be so for the key to have an effect, need_... of config_table.c */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

/* Versions of clang-format disagree about braces in macros. */
/* clang-format off */

/* Outside of sections. A mail server's queue keeps mail for five days: bridge_reuse. */
#define CONFIG_KEYS(ONE, LIST) \
	ONE(char *, map, path, "/etc/onionmxd/domains.cdb", NONE, always) \
	ONE(int, map_max_bytes, number, "268435456", RANGE(1, INT_MAX, "bytes"), map) \
	ONE(char *, srv_prefix, labels, "_onion-mx._tcp.", NONE, always) \
	ONE(enum on_failure, on_failure, word, "defer", \
		WORDS({"defer", ON_FAILURE_DEFER}, \
		{"clearnet", ON_FAILURE_CLEARNET}), always) \
	ONE(enum dnssec, dnssec, word, "prefer", \
		WORDS({"off", DNSSEC_OFF}, {"prefer", DNSSEC_PREFER}, \
		{"require", DNSSEC_REQUIRE}), always) \
	ONE(enum on_failure, on_insecure, word, "defer", \
		WORDS({"defer", ON_FAILURE_DEFER}, \
		{"clearnet", ON_FAILURE_CLEARNET}), always) \
	ONE(bool, protect_authenticated, yes_no, "no", NONE, always) \
	ONE(bool, pin_srv, yes_no, "no", NONE, always) \
	ONE(bool, follow_mx, yes_no, "no", NONE, map) \
	ONE(int, pin_hold, number, "604800", RANGE(0, MANY, "seconds"), pins) \
	ONE(int, max_pins, number, "100000", RANGE(1, MANY, NULL), pins) \
	LIST(struct net_addr, resolvers, UPSTREAM_SERVERS, ip, "", PORT(53), always) \
	ONE(enum bare_negative, bare_negative, word, "known", \
		WORDS({"known", BARE_NEGATIVE_KNOWN}, {"any", BARE_NEGATIVE_ANY}, \
		{"none", BARE_NEGATIVE_NONE}), always) \
	ONE(int, dns_timeout_ms, number, "2000", RANGE(1, MANY, "milliseconds"), always) \
	ONE(int, dns_tries, number, "3", RANGE(1, 10, NULL), always) \
	ONE(struct net_addr, tor_dnsport, ip, "127.0.0.1:5300", PORT(53), addresses) \
	LIST(struct net4, tor_addresses, 8, private_net, "127.192.0.0/10, 10.192.0.0/10", \
		NONE, addresses) \
	ONE(int, tor_timeout_ms, number, "250", \
		RANGE(1, MANY, "milliseconds"), addresses) \
	ONE(int, tor_tries, number, "4", RANGE(1, 10, NULL), addresses) \
	ONE(int, max_tor_names, number, "60000", RANGE(1, MANY, NULL), addresses) \
	ONE(struct net4, bridge_network, loopback_net, "127.42.0.0/16", NONE, bridge) \
	ONE(int, bridge_port, port, "14525", NONE, bridge) \
	LIST(struct net_addr, socks, UPSTREAM_SERVERS, ip, "127.0.0.1:9050", \
		PORT(9050), bridge) \
	ONE(enum bridge_isolation, bridge_isolation, word, "onion", \
		WORDS({"none", ISOLATE_NONE}, {"onion", ISOLATE_ONION}, \
		{"domain", ISOLATE_DOMAIN}), bridge) \
	LIST(uid_t, bridge_users, 64, owner, "root, postfix, Debian-exim", NONE, bridge) \
	ONE(int, bridge_connect_ms, number, "60000", \
		RANGE(1, MANY, "milliseconds"), bridge) \
	ONE(int, bridge_idle_ms, number, "900000", \
		RANGE(1, MANY, "milliseconds"), bridge) \
	ONE(int, bridge_session_ms, number, "21600000", \
		RANGE(1, MANY, "milliseconds"), bridge) \
	ONE(int, bridge_farewell_ms, number, "660000", \
		RANGE(1, MANY, "milliseconds"), bridge) \
	ONE(int, bridge_max_clients, number, "1000", RANGE(1, MANY, NULL), bridge) \
	ONE(int, bridge_addresses, number, "60000", RANGE(1, MANY, NULL), bridge) \
	ONE(int, bridge_reuse, number, "14", RANGE(5, 3650, "days"), bridge) \
	ONE(int, min_ttl, number, "60", RANGE(0, 86400, "seconds"), always) \
	ONE(int, max_ttl, number, "86400", RANGE(0, MANY, "seconds"), always) \
	ONE(int, max_negative_ttl, number, "3600", RANGE(0, MANY, "seconds"), always) \
	ONE(int, max_stale, number, "86400", RANGE(0, MANY, "seconds"), always) \
	ONE(int, failure_ttl, number, "5", \
		RANGE(0, CACHE_FAILURE_MAX, "seconds"), always) \
	ONE(int, cache_entries, number, "100000", RANGE(1, MANY, NULL), always) \
	ONE(int, cache_bytes, number, "67108864", RANGE(1, INT_MAX, "bytes"), always) \
	ONE(int, max_lookups, number, "4096", RANGE(1, MANY, NULL), always) \
	ONE(int, max_queries, number, "1024", RANGE(1, MANY, NULL), always) \
	ONE(int, max_waiters, number, "4096", RANGE(1, MANY, NULL), always) \
	ONE(int, client_timeout_ms, number, "10000", \
		RANGE(1, MANY, "milliseconds"), always) \
	ONE(enum log_level, log_level, word, "info", \
		WORDS({"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING}, \
		{"info", LOG_LEVEL_INFO}, {"debug", LOG_LEVEL_DEBUG}), always) \
	ONE(char *, user, user, "", NONE, always) \
	ONE(char *, state_dir, path, "/var/lib/onionmxd", NONE, always) \
	ONE(int, cache_save, number, "300", RANGE(1, MANY, "seconds"), state_dir) \
	ONE(struct net_addr, control, socket, "unix:/run/onionmxd/control.sock", \
		NONE, always) \
	ONE(char *, pid_file, path, "", NONE, always)

/* In a section "listener". A default that depends comes after what it depends on. */
#define CONFIG_LISTENER_KEYS(ONE, LIST) \
	ONE(const struct proto *, protocol, protocol, NULL, REQUIRED, always) \
	ONE(struct net_addr, address, listen, NULL, REQUIRED, always) \
	ONE(enum answer_style, answer, word, NULL, \
		DEPENDS(answer) WORDS({"address", STYLE_ADDRESS}, \
		{"onion", STYLE_ONION}, {"bridge", STYLE_BRIDGE}), always) \
	ONE(char *, transport, transport, NULL, DEPENDS(transport), table) \
	ONE(bool, temp_as_retry, yes_no, "no", NONE, routes) \
	ONE(int, deadline_ms, number, NULL, \
		DEPENDS(deadline) RANGE(1, MANY, "milliseconds"), always) \
	ONE(mode_t, mode, mode, "0666", NONE, unix_socket) \
	ONE(uid_t, owner, owner, "", NONE, unix_socket) \
	ONE(gid_t, group, group, "", NONE, unix_socket) \
	ONE(int, max_clients, number, "2048", RANGE(1, MANY, NULL), always)

/* clang-format on */

#endif
