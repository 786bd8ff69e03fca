#include "bound.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"

#define SEND_BUFFER (64 * 1024) /* else the kernel holds megabytes for a slow reader */
#define BACKLOG 4096            /* the kernel may make it less */

/* The socket file */

/* Does a daemon answer at this socket? When in doubt it does. */
static bool
is_alive(const struct net_addr *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead;

	if (fd < 0)
		return true;
	dead = connect(fd, (const struct sockaddr *)&addr->sa, addr->len) < 0 &&
	       errno == ECONNREFUSED;
	close(fd);
	return !dead;
}

/* Makes way for our socket. False, and logged, if something is there that stays. */
static bool
remove_stale(const struct listener_config *c, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return true;
		log_error("listener %s: %s", c->name, path);
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		log_errorx("listener %s: %s is in the way and isn't a socket", c->name,
			path);
		return false;
	}
	if (is_alive(&c->addr)) {
		log_errorx(
			"listener %s: %s is in use by a running daemon", c->name, path);
		return false;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		log_error("listener %s: can't remove %s", c->name, path);
		return false;
	}
	return true;
}

/* Mode and owner, before anybody can have connected: listen() comes later. */
static bool
set_owner(struct bound *b, const char *path)
{
	const struct listener_config *c = b->config;
	struct stat st;

	if ((c->owner != (uid_t)-1 || c->group != (gid_t)-1) &&
		chown(path, c->owner, c->group) < 0) {
		log_error("listener %s: can't change the owner of %s", c->name, path);
		return false;
	}
	if (chmod(path, c->mode) < 0 || stat(path, &st) < 0) {
		log_error("listener %s: %s", c->name, path);
		return false;
	}
	b->dev = st.st_dev;
	b->ino = st.st_ino;
	return true;
}

static void
remove_socket(const struct bound *b)
{
	const char *path = net_addr_path(&b->config->addr);
	struct stat st;

	if (path != NULL && b->ino != 0 && lstat(path, &st) == 0 && st.st_dev == b->dev &&
		st.st_ino == b->ino)
		unlink(path);
}

static bool
bind_and_listen(struct bound *b)
{
	const struct listener_config *c = b->config;
	const struct sockaddr *sa = (const struct sockaddr *)&c->addr.sa;
	const char *path = net_addr_path(&c->addr);
	const int on = 1, send_buffer = SEND_BUFFER;
	mode_t before;
	int rc;

	if (path != NULL && !remove_stale(c, path))
		return false;
	if (path == NULL) {
		setsockopt(b->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		setsockopt(
			b->fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
	}
	if (sa->sa_family == AF_INET6)
		setsockopt(b->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	before = umask(0177);
	rc = bind(b->fd, sa, c->addr.len);
	umask(before);
	if (rc < 0) {
		log_error("listener %s: can't bind", c->name);
		return false;
	}
	if (path != NULL && !set_owner(b, path)) {
		unlink(path);
		return false;
	}
	if (listen(b->fd, BACKLOG) < 0) {
		log_error("listener %s: can't listen", c->name);
		remove_socket(b);
		return false;
	}
	return true;
}

bool
bound_open(struct bound *b, const struct listener_config *c)
{
	*b = (struct bound){.config = c};
	b->fd = socket(
		c->addr.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (b->fd < 0)
		log_error("listener %s", c->name);
	else if (bind_and_listen(b))
		return true;
	else
		close(b->fd);
	b->fd = -1;
	return false;
}

void
bound_close(struct bound *b)
{
	if (b->fd < 0)
		return;
	remove_socket(b);
	close(b->fd);
	b->fd = -1;
}
