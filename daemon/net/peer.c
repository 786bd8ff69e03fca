#include "peer.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 req;
};

/* By sock_diag. The kernel answers before send() returns. */

static struct question
question_of(const struct sockaddr_in *client, const struct sockaddr_in *server)
{
	struct question q = {.head = {.nlmsg_len = sizeof(q),
				     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
				     .nlmsg_flags = NLM_F_REQUEST},
		.req = {.sdiag_family = AF_INET,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = ~0U}};
	struct inet_diag_sockid *id = &q.req.id;

	id->idiag_sport = client->sin_port;
	id->idiag_dport = server->sin_port;
	id->idiag_src[0] = client->sin_addr.s_addr;
	id->idiag_dst[0] = server->sin_addr.s_addr;
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	return q;
}

static bool
read_answer(int fd, uid_t *owner)
{
	union {
		struct nlmsghdr head;
		char bytes[1024];
	} answer;
	ssize_t n = recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
	const struct inet_diag_msg *msg = NLMSG_DATA(&answer.head);

	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*msg)) ||
		answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		msg->idiag_inode == 0) /* closed: the kernel then says root */
		return false;
	*owner = msg->idiag_uid;
	return true;
}

/* *works: whether this kernel can be asked at all. */
static bool
by_sock_diag(const struct sockaddr_in *client, const struct sockaddr_in *server,
	uid_t *owner, bool *works)
{
	struct question q = question_of(client, server);
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool found = false;

	*works = fd >= 0 && sendto(fd, &q, sizeof(q), 0, (struct sockaddr *)&kernel,
				    sizeof(kernel)) == sizeof(q);
	if (*works)
		found = read_answer(fd, owner);
	if (fd >= 0)
		close(fd);
	return found;
}

/* By /proc/net/tcp, a line for each socket of the machine */

static bool
by_proc(const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *owner)
{
	FILE *f = fopen("/proc/net/tcp", "re");
	unsigned local, lport, remote, rport, uid = 0;
	unsigned long inode;
	bool found = false;
	char line[256];

	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line,
				"%*u: %8X:%4X %8X:%4X %*X %*X:%*X %*X:%*X %*X %u %*u %lu",
				&local, &lport, &remote, &rport, &uid, &inode) == 6 &&
			inode != 0 && local == client->sin_addr.s_addr &&
			lport == ntohs(client->sin_port) &&
			remote == server->sin_addr.s_addr &&
			rport == ntohs(server->sin_port);
	fclose(f);
	*owner = uid;
	return found;
}

bool
peer_owner(
	const struct sockaddr_in *client, const struct sockaddr_in *server, uid_t *owner)
{
	bool works;

	errno = 0;
	if (by_sock_diag(client, server, owner, &works))
		return true;
	return !works && by_proc(client, server, owner);
}
