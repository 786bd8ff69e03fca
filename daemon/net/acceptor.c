#include "acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"

#define SEND_BUFFER (64 * 1024) /* else the kernel holds megabytes for a slow reader */
#define BACKLOG 4096            /* the kernel may make it less */
#define ACCEPTS_AT_ONCE 64      /* then others get a turn */
#define PAUSE_MS 100

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
		log_error("listener %s: can't examine %s", c->name, path);
		return false;
	}
	if (!S_ISSOCK(st.st_mode)) {
		log_errorx("listener %s: %s exists and isn't a socket", c->name, path);
		return false;
	}
	if (is_alive(&c->addr)) {
		log_errorx(
			"listener %s: %s is in use by a running daemon", c->name, path);
		return false;
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		log_error("listener %s: can't remove the old socket %s", c->name, path);
		return false;
	}
	return true;
}

/* By a descriptor, so that it is this socket and nothing else, whoever may write in its
 * directory. False on failure, logged. */
static bool
set_owner(struct acceptor *a, int fd, const char *path)
{
	const struct listener_config *c = a->config;
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		log_errorx("listener %s: %s was replaced right after its creation",
			c->name, path);
		return false;
	}
	a->dev = st.st_dev;
	a->ino = st.st_ino;
	if ((st.st_mode & 0777) != c->mode) {
		log_errorx("listener %s: %s has mode %04o instead of %04o: does "
			   "its directory have a default ACL?",
			c->name, path, (unsigned)st.st_mode & 0777, (unsigned)c->mode);
		return false;
	}
	if ((c->owner != (uid_t)-1 || c->group != (gid_t)-1) &&
		fchownat(fd, "", c->owner, c->group, AT_EMPTY_PATH) < 0) {
		log_error("listener %s: can't change the owner of %s", c->name, path);
		return false;
	}
	return true;
}

/* It has its mode since bind(), and nobody can have connected: listen() comes later. */
static bool
set_up_file(struct acceptor *a, const char *path)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool good;

	if (fd < 0) {
		log_error("listener %s: can't open %s", a->config->name, path);
		return false;
	}
	good = set_owner(a, fd, path);
	close(fd);
	return good;
}

static void
remove_socket(const struct acceptor *a)
{
	const char *path = net_addr_path(&a->config->addr);
	struct stat st;

	if (path != NULL && a->ino != 0 && lstat(path, &st) == 0 && st.st_dev == a->dev &&
		st.st_ino == a->ino)
		unlink(path);
}

static void
limit_send_buffer(int fd)
{
	const int size = SEND_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static const char *
address_text(const struct listener_config *c, char buffer[NET_ADDR_TEXT])
{
	const char *path = net_addr_path(&c->addr);

	if (path != NULL)
		return path;
	net_addr_text(&c->addr, buffer);
	return buffer;
}

/* The address, and what must be there. */
static void
log_bind_error(const struct listener_config *c, int error)
{
	const bool is_unix = net_addr_path(&c->addr) != NULL;
	char text[NET_ADDR_TEXT];
	const char *hint = "";

	if (is_unix && error == ENOENT)
		hint = " (the directory must exist)";
	else if (is_unix && error == EACCES)
		hint = " (the daemon's user must have write permission for the "
		       "directory)";
	else if (error == EACCES)
		hint = " (a port below 1024 needs CAP_NET_BIND_SERVICE)";
	else if (error == EADDRINUSE)
		hint = " (another process is bound to it)";
	else if (error == EADDRNOTAVAIL)
		hint = " (an interface must have this address)";
	log_errorx("listener %s: can't bind %s: %s%s", c->name, address_text(c, text),
		strerror(error), hint);
}

static bool
bind_and_listen(struct acceptor *a)
{
	const struct listener_config *c = a->config;
	const struct sockaddr *sa = (const struct sockaddr *)&c->addr.sa;
	const char *path = net_addr_path(&c->addr);
	const int on = 1;
	char text[NET_ADDR_TEXT];
	mode_t before;
	int rc;

	if (path != NULL && !remove_stale(c, path))
		return false;
	if (path == NULL) {
		setsockopt(a->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		limit_send_buffer(a->fd);
	}
	if (sa->sa_family == AF_INET6)
		setsockopt(a->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	before = umask(~c->mode & 0777);
	rc = bind(a->fd, sa, c->addr.len);
	umask(before);
	if (rc < 0) {
		log_bind_error(c, errno);
		return false;
	}
	if (path != NULL && !set_up_file(a, path)) {
		remove_socket(a);
		return false;
	}
	if (listen(a->fd, BACKLOG) < 0) {
		log_error("listener %s: can't listen on %s", c->name,
			address_text(c, text));
		remove_socket(a);
		return false;
	}
	return true;
}

bool
acceptor_open(struct acceptor *a, const struct listener_config *c)
{
	*a = (struct acceptor){.config = c};
	a->fd = socket(
		c->addr.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		log_error("listener %s", c->name);
	else if (bind_and_listen(a))
		return true;
	else
		close(a->fd);
	a->fd = -1;
	return false;
}

bool
acceptor_adopt(struct acceptor *a, const struct listener_config *c, int fd)
{
	*a = (struct acceptor){.config = c, .fd = fd};
	limit_send_buffer(fd);
	return listen(fd, BACKLOG) == 0;
}

/* Accepting */

static void
pause_accepting(struct acceptor *a, const char *why)
{
	if (a->user.counters->accepts_paused++ == 0)
		log_warnx("listener %s: can't accept more clients for now: %s",
			a->config->name, why);
	watch_stop(&a->readable);
	watch_insist(&a->pause, PAUSE_MS);
}

static void
resume_accepting(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)fd;
	(void)what;
	watch_insist(&a->readable, WATCH_NO_LIMIT);
}

static void
accept_clients(evutil_socket_t listening, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)what;
	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		int fd;

		if (a->user.full != NULL && a->user.full(a->user.arg)) {
			pause_accepting(a, "too few file descriptors");
			return;
		}
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			a->user.accepted(a->user.arg, fd);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			/* Whatever it is may last. */
			pause_accepting(a, strerror(errno));
			return;
		}
	}
}

void
acceptor_start(struct acceptor *a, struct loop *loop, const struct acceptor_user *user)
{
	a->user = *user;
	watch_init(&a->readable, loop, a->fd, EV_READ | EV_PERSIST, accept_clients, a);
	watch_init_timer(&a->pause, loop, resume_accepting, a);
	watch_insist(&a->readable, WATCH_NO_LIMIT);
}

void
acceptor_drain(struct acceptor *a)
{
	if (a->user.accepted != NULL && a->fd >= 0)
		accept_clients(a->fd, 0, a);
}

void
acceptor_close(struct acceptor *a)
{
	if (a->fd < 0)
		return;
	watch_stop(&a->readable);
	watch_stop(&a->pause);
	remove_socket(a);
	close(a->fd);
	a->fd = -1;
}
