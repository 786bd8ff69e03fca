#include "net/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const char *
parse_unix(struct net_addr *a, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&a->sa;

	if (path[0] != '/')
		return "a Unix socket needs an absolute path";
	if (strlen(path) >= sizeof(un->sun_path))
		return "the path of a Unix socket has at most 107 bytes";
	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, path);
	a->len = sizeof(*un);
	return NULL;
}

/* True if text is a port; an empty one takes the default, if there is one. */
static bool
parse_port(const char *text, unsigned default_port, unsigned *port)
{
	char *end;
	unsigned long value;

	if (*text == '\0') {
		*port = default_port;
		return default_port > 0;
	}
	if (*text < '1' || *text > '9')
		return false;
	value = strtoul(text, &end, 10);
	if (*end != '\0' || value > 65535)
		return false;
	*port = (unsigned)value;
	return true;
}

/* Addresses by their bytes */

static bool
is_link_local(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MC_LINKLOCAL(ip);
}

void
net_addr_from_ip(struct net_addr *a, int family, const void *ip, unsigned port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;

	memset(a, 0, sizeof(*a));
	a->sa.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		in->sin_port = htons((in_port_t)port);
		memcpy(&in->sin_addr, ip, sizeof(in->sin_addr));
		a->len = sizeof(*in);
	} else {
		in6->sin6_port = htons((in_port_t)port);
		memcpy(&in6->sin6_addr, ip, sizeof(in6->sin6_addr));
		a->len = sizeof(*in6);
	}
}

void
net_addr_any_to_loopback(struct net_addr *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;

	if (a->sa.ss_family == AF_INET && in->sin_addr.s_addr == htonl(INADDR_ANY))
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (a->sa.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
		in6->sin6_addr = in6addr_loopback;
}

bool
net_addr_equal(const struct net_addr *a, const struct net_addr *b)
{
	return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

/* Zones */

bool
net_addr_needs_zone(const struct net_addr *a)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;

	return a->sa.ss_family == AF_INET6 && is_link_local(&in6->sin6_addr);
}

/* The number of an interface that is there, or 0. The name goes first: glibc reads
 * resolv.conf in this order, and an interface may be named "7". */
static unsigned
interface_number(const char *zone)
{
	unsigned number = if_nametoindex(zone);
	char name[IF_NAMESIZE], *end;
	unsigned long long value;

	if (number != 0 || *zone < '0' || *zone > '9')
		return number;
	value = strtoull(zone, &end, 10);
	if (*end != '\0' || value > UINT32_MAX ||
		if_indextoname((unsigned)value, name) == NULL)
		return 0;
	return (unsigned)value;
}

const char *
net_addr_set_zone(struct net_addr *a, const char *zone)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;

	if (!net_addr_needs_zone(a))
		return "only a link-local address has a zone";
	if (*zone == '\0')
		return "a link-local address needs its interface, as in fe80::1%eth0";
	in6->sin6_scope_id = interface_number(zone);
	return in6->sin6_scope_id != 0 ? NULL : "there is no such interface";
}

unsigned
net_addr_zone(const struct net_addr *a)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;

	return a->sa.ss_family == AF_INET6 ? in6->sin6_scope_id : 0;
}

struct net_addr
net_addr_without_zone(const struct net_addr *a)
{
	struct net_addr bare = *a;

	if (bare.sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&bare.sa)->sin6_scope_id = 0;
	return bare;
}

/* Addresses as text */

/* Cuts the zone, if there is one, off the host. Returns NULL, or what is wrong. */
static const char *
parse_ip(struct net_addr *a, char *host, unsigned port)
{
	char *percent = strchr(host, '%');
	const char *zone = percent != NULL ? percent + 1 : "";
	struct in6_addr ip;

	if (percent == NULL && inet_pton(AF_INET, host, &ip) == 1) {
		net_addr_from_ip(a, AF_INET, &ip, port);
		return NULL;
	}
	if (percent != NULL)
		*percent = '\0';
	/* The kernel takes "eth0:1" for eth0; here it is a port without brackets. */
	if (strchr(zone, ':') != NULL || inet_pton(AF_INET6, host, &ip) != 1)
		return "expected a numeric IP address";
	net_addr_from_ip(a, AF_INET6, &ip, port);
	return percent != NULL || net_addr_needs_zone(a) ? net_addr_set_zone(a, zone)
							 : NULL;
}

/* Splits "HOST:PORT", "[HOST]:PORT" or a bare host; port is "" if there is none. */
static bool
split(const char *text, char host[NET_ADDR_TEXT], const char **port)
{
	bool bracket = text[0] == '[';
	const char *end = bracket ? strchr(text, ']') : strchr(text, ':');

	if (bracket)
		text++;
	else if (end != NULL && strchr(end + 1, ':') != NULL)
		end = NULL; /* IPv6 without brackets, and so without a port */
	if (bracket && end == NULL)
		return false;
	if (end == NULL)
		end = text + strlen(text);
	if (end - text >= NET_ADDR_TEXT)
		return false;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	if (bracket)
		end++;
	*port = *end == ':' ? end + 1 : end;
	return *end == '\0' || (*end == ':' && end[1] != '\0');
}

const char *
net_addr_parse(struct net_addr *a, const char *text, unsigned default_port)
{
	char host[NET_ADDR_TEXT];
	const char *port;
	unsigned number;

	memset(a, 0, sizeof(*a));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(a, text + 5);
	if (!split(text, host, &port) || !parse_port(port, default_port, &number))
		return default_port > 0 ? "expected ADDRESS or ADDRESS:PORT"
					: "expected ADDRESS:PORT or unix:/PATH";
	return parse_ip(a, host, number);
}

bool
net_addr_is_local(const struct net_addr *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;

	switch (a->sa.ss_family) {
	case AF_INET:
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	default:
		return true;
	}
}

const char *
net_addr_path(const struct net_addr *a)
{
	return a->sa.ss_family == AF_UNIX ? ((const struct sockaddr_un *)&a->sa)->sun_path
					  : NULL;
}

/* "%" and the name or the number of the interface; "" without one. */
static void
zone_text(const struct net_addr *a, char out[IF_NAMESIZE + 1])
{
	unsigned number = net_addr_zone(a);

	out[0] = '%';
	if (number == 0)
		out[0] = '\0';
	else if (if_indextoname(number, out + 1) == NULL)
		snprintf(out + 1, IF_NAMESIZE, "%u", number);
}

void
net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;
	char ip[INET6_ADDRSTRLEN], zone[IF_NAMESIZE + 1];

	if (a->sa.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		zone_text(a, zone);
		snprintf(
			out, NET_ADDR_TEXT, "[%s%s]:%u", ip, zone, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(out, NET_ADDR_TEXT, "%s:%u", ip, ntohs(in->sin_port));
	}
}
