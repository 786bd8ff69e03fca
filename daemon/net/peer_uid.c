#include "peer_uid.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/places.h"

/* That a socket isn't found counts only if ours, the other end, is: without its module
 * sock_diag says that there is none, too. */

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 req;
};

/* By sock_diag. The kernel answers before send() returns. */

static struct question
question_of(const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	struct question q = {.head = {.nlmsg_len = sizeof(q),
				     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				     .nlmsg_flags = NLM_F_REQUEST},
		.req = {.sdiag_family = AF_INET,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = ~0U}};
	struct inet_diag_sockid *id = &q.req.id;

	id->idiag_sport = from->sin_port;
	id->idiag_dport = to->sin_port;
	id->idiag_src[0] = from->sin_addr.s_addr;
	id->idiag_dst[0] = to->sin_addr.s_addr;
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return q;
}

/* Of the socket that is bound to from and connected to to. */
static enum peer
ask(int fd, const struct sockaddr_in *from, const struct sockaddr_in *to, uid_t *owner)
{
	struct question q = question_of(from, to);
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	union {
		struct nlmsghdr head;
		char bytes[1024];
	} answer;
	const struct inet_diag_msg *msg = NLMSG_DATA(&answer.head);
	const struct nlmsgerr *error = NLMSG_DATA(&answer.head);
	ssize_t n;

	if (sendto(fd, &q, sizeof(q), 0, (struct sockaddr *)&kernel, sizeof(kernel)) !=
		sizeof(q))
		return PEER_UNKNOWN;
	n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	if (n >= (ssize_t)NLMSG_LENGTH(sizeof(*error)) &&
		answer.head.nlmsg_type == NLMSG_ERROR && error->error == -ENOENT)
		return PEER_CLOSED;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*msg)) ||
		answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return PEER_UNKNOWN;
	if (msg->idiag_inode == 0) /* the kernel then says root */
		return PEER_CLOSED;
	*owner = msg->idiag_uid;
	return PEER_OPEN;
}

static enum peer
by_sock_diag(
	const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *owner)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	enum peer peer;
	uid_t ours;

	if (fd < 0)
		return PEER_UNKNOWN;
	peer = ask(fd, client, server, owner);
	if (peer == PEER_CLOSED && ask(fd, server, client, &ours) != PEER_OPEN)
		peer = PEER_UNKNOWN;
	close(fd);
	return peer;
}

uid_t
peer_uid_of(int fd)
{
	struct sockaddr_in client = {0}, server = {0};
	socklen_t clen = sizeof(client), slen = sizeof(server);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uid_t owner;

	if (getpeername(fd, (struct sockaddr *)&client, &clen) < 0 ||
		getsockname(fd, (struct sockaddr *)&server, &slen) < 0)
		return PLACES_NOBODY;
	if (server.sin_family == AF_UNIX)
		return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0
			       ? cred.uid
			       : PLACES_NOBODY;
	if (server.sin_family == AF_INET &&
		ntohl(client.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET &&
		by_sock_diag(&client, &server, &owner) == PEER_OPEN)
		return owner;
	return PLACES_NOBODY;
}

/* By /proc/self/net, where each socket of the machine has a line. Unlike /proc/net it is
 * there as well when a service manager shows processes only. */

struct line {
	struct sockaddr_in from, to;
	unsigned uid;
	unsigned long inode; /* 0: closed */
};

/* A word of 32 bits in host byte order, behind others that say that it is IPv4. */
static bool
read_address(const char *text, const char *prefix, unsigned port, struct sockaddr_in *a)
{
	const size_t len = strlen(prefix);

	if (strlen(text) != len + 8 || memcmp(text, prefix, len) != 0)
		return false;
	a->sin_addr.s_addr = (in_addr_t)strtoul(text + len, NULL, 16);
	a->sin_port = htons((in_port_t)port);
	return true;
}

static bool
read_line(FILE *f, const char *prefix, struct line *l)
{
	char text[512], from[33], to[33];
	unsigned fport, tport;

	while (fgets(text, sizeof(text), f) != NULL)
		if (sscanf(text,
			    "%*u: %32[0-9A-F]:%4X %32[0-9A-F]:%4X %*X %*X:%*X %*X:%*X "
			    "%*X "
			    "%u %*u %lu",
			    from, &fport, to, &tport, &l->uid, &l->inode) == 6 &&
			read_address(from, prefix, fport, &l->from) &&
			read_address(to, prefix, tport, &l->to))
			return true;
	return false;
}

static bool
same(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_addr.s_addr == b->sin_addr.s_addr && a->sin_port == b->sin_port;
}

static enum peer
look_in(const char *path, const char *prefix, const struct sockaddr_in *client,
	const struct sockaddr_in *server, uid_t *owner)
{
	FILE *f = fopen(path, "re");
	enum peer peer = PEER_UNKNOWN;
	struct line l;

	if (f == NULL)
		return PEER_UNKNOWN;
	while (peer != PEER_OPEN && read_line(f, prefix, &l)) {
		if (l.inode == 0)
			continue;
		if (same(&l.from, client) && same(&l.to, server)) {
			peer = PEER_OPEN;
			*owner = l.uid;
		} else if (same(&l.from, server) && same(&l.to, client)) {
			peer = PEER_CLOSED; /* unless its line comes later */
		}
	}
	fclose(f);
	return peer;
}

/* A client whose socket is of IPv6 is in the other file, with addresses like
 * ::ffff:127.0.0.1. Our socket is in the first in either case. */
static enum peer
by_proc(const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *owner)
{
	char mapped[25];
	enum peer peer = look_in("/proc/self/net/tcp", "", client, server, owner);

	snprintf(mapped, sizeof(mapped), "%016X%08X", 0U, (unsigned)htonl(0xffff));
	if (peer != PEER_OPEN && look_in("/proc/self/net/tcp6", mapped, client, server,
					 owner) == PEER_OPEN)
		return PEER_OPEN;
	return peer;
}

enum peer
peer_uid_look(
	const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *owner)
{
	enum peer peer;

	errno = 0;
	peer = by_sock_diag(client, server, owner);
	return peer != PEER_UNKNOWN ? peer : by_proc(client, server, owner);
}
