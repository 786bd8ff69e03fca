/* The name servers of resolv.conf(5): the lines that glibc's res_init() uses are used,
 * and no others. */
#ifndef CORE_RESOLVCONF_H
#define CORE_RESOLVCONF_H

#include <stddef.h>
#include <stdint.h>

#define RESOLVCONF_SERVERS 3 /* MAXNS of <resolv.h> */

/* Room for the name of an interface, or its number. A longer zone is neither; it is cut
 * off, which makes it neither as well. */
#define RESOLVCONF_ZONE 32

struct resolvconf_server {
	int family;                 /* AF_INET or AF_INET6 */
	uint8_t ip[16];             /* in network byte order; IPv4 takes the first four */
	char zone[RESOLVCONF_ZONE]; /* what stands behind "%" in an IPv6 address, or "" */
	size_t line;                /* its number; the first is 1 */
};

/* Lines that were meant to name a server, but name none. */
struct resolvconf_unusable {
	size_t lines;
	size_t first;    /* number of the first of them */
	const char *why; /* what is wrong with the first (static) */
};

struct resolvconf_text {
	struct resolvconf_server server[RESOLVCONF_SERVERS];
	size_t n;
	struct resolvconf_unusable unusable;
};

/* The first three servers of a file's text, in their order, twice if they are there
 * twice. Lines that glibc doesn't take for one with a server, but a reader may ("
 * nameserver 192.0.2.1", "NameServer 192.0.2.1"), count as unusable. */
void resolvconf_parse(const char *text, size_t len, struct resolvconf_text *);

/* Counts a line as unusable; lines may come in any order. why is static. */
void resolvconf_unusable(struct resolvconf_unusable *, size_t line, const char *why);

#endif
