/* Socket addresses as they are written in the configuration. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

struct net_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* "127.0.0.1:25", "[::1]:25" or "unix:/path". With default_port > 0 the port may be left
 * out, and so may the brackets. Returns NULL, or what is wrong (static). */
const char *net_addr_parse(struct net_addr *, const char *text, unsigned default_port);

/* Can only processes of this machine reach it? */
bool net_addr_is_local(const struct net_addr *);

/* The path of a Unix socket, or NULL. */
const char *net_addr_path(const struct net_addr *);

/* "127.0.0.1:25" or "[::1]:25"; for internet addresses only. */
#define NET_ADDR_TEXT 64
void net_addr_text(const struct net_addr *, char out[NET_ADDR_TEXT]);

#endif
