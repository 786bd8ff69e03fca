#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
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
parse_port(const char *text, unsigned default_port, in_port_t *port)
{
	char *end;
	unsigned long value;

	if (*text == '\0') {
		*port = htons((in_port_t)default_port);
		return default_port > 0;
	}
	if (*text < '1' || *text > '9')
		return false;
	value = strtoul(text, &end, 10);
	if (*end != '\0' || value > 65535)
		return false;
	*port = htons((in_port_t)value);
	return true;
}

static bool
parse_ip(struct net_addr *a, const char *host, in_port_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;

	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		a->len = sizeof(*in);
		return true;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		a->len = sizeof(*in6);
		return true;
	}
	return false;
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
	in_port_t number;

	memset(a, 0, sizeof(*a));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(a, text + 5);
	if (!split(text, host, &port) || !parse_port(port, default_port, &number))
		return default_port > 0 ? "expected ADDRESS or ADDRESS:PORT"
					: "expected ADDRESS:PORT or unix:/PATH";
	if (!parse_ip(a, host, number))
		return "expected a numeric IP address";
	return NULL;
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

void
net_addr_text(const struct net_addr *a, char out[NET_ADDR_TEXT])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;
	char ip[INET6_ADDRSTRLEN];

	if (a->sa.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(out, NET_ADDR_TEXT, "[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(out, NET_ADDR_TEXT, "%s:%u", ip, ntohs(in->sin_port));
	}
}
