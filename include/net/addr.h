/* Socket addresses as they are written in the configuration. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

struct net_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* "127.0.0.1:25", "[::1]:25", "[fe80::1%eth0]:25" or "unix:/path". With default_port > 0
 * the port may be left out, and so may the brackets. Returns NULL, or what is wrong
 * (static). */
const char *net_addr_parse(struct net_addr *, const char *text, unsigned default_port);

/* From the 4 bytes of an AF_INET address or the 16 of an AF_INET6 one; without a zone. */
void net_addr_from_ip(struct net_addr *, int family, const void *ip, unsigned port);

/* 0.0.0.0 becomes 127.0.0.1, and :: becomes ::1. Others stay as they are. */
void net_addr_any_to_loopback(struct net_addr *);

bool net_addr_equal(const struct net_addr *, const struct net_addr *);

/* Can only processes of this machine reach it? */
bool net_addr_is_local(const struct net_addr *);

/* The path of a Unix socket, or NULL. */
const char *net_addr_path(const struct net_addr *);

/* "127.0.0.1:25", "[::1]:25" or "[fe80::1%eth0]:25", of an interface that has gone its
 * number; for internet addresses only. */
#define NET_ADDR_TEXT 80
void net_addr_text(const struct net_addr *, char out[NET_ADDR_TEXT]);

/* Zones (RFC 4007) */

/* Is it link-local, so that it means nothing without an interface? */
bool net_addr_needs_zone(const struct net_addr *);

/* Sets the zone of such an address: the name of an interface that is there now, or its
 * number. Returns NULL, or what is wrong (static). */
const char *net_addr_set_zone(struct net_addr *, const char *zone);

/* The number of its interface, or 0. */
unsigned net_addr_zone(const struct net_addr *);

/* The same address, of which net_addr_text() writes "[fe80::1]:25". */
struct net_addr net_addr_without_zone(const struct net_addr *);

#endif
