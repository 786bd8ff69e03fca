#include "net/resolvconf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/log.h"
#include "ticker.h"
#include "watch.h"

#define DNS_PORT 53
#define FILE_MAX (64 * 1024)
#define WATCH_MS 1000

/* The file */

/* Returns NULL, or why there is no text. */
static const char *
read_text(int fd, char text[FILE_MAX + 1], size_t *len)
{
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return strerror(EISDIR);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	for (*len = 0; *len <= FILE_MAX; *len += (size_t)got) {
		got = TEMP_FAILURE_RETRY(read(fd, text + *len, FILE_MAX + 1 - *len));
		if (got < 0)
			return strerror(errno);
		if (got == 0)
			return NULL;
	}
	return "larger than 64 KiB";
}

/* A FIFO or a device is opened, but not waited for. */
static const char *
read_file(const char *path, char text[FILE_MAX + 1], size_t *len)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const char *wrong;

	if (fd < 0)
		return strerror(errno);
	wrong = read_text(fd, text, len);
	close(fd);
	return wrong;
}

/* What it says */

/* Returns NULL, or what is wrong (static). The zone of an address that isn't link-local
 * means nothing. */
static const char *
make_addr(struct net_addr *addr, const struct resolvconf_server *server)
{
	net_addr_from_ip(addr, server->family, server->ip, DNS_PORT);
	net_addr_any_to_loopback(addr);
	if (!net_addr_needs_zone(addr))
		return NULL;
	return net_addr_set_zone(addr, server->zone);
}

static void
add(struct resolvconf *rc, const struct net_addr *addr)
{
	for (size_t i = 0; i < rc->n; i++)
		if (net_addr_equal(&rc->servers[i], addr))
			return;
	rc->servers[rc->n++] = *addr;
}

void
resolvconf_read(const char *path, struct resolvconf *rc)
{
	char text[FILE_MAX + 1];
	struct resolvconf_text found;
	struct net_addr addr;
	const char *wrong;
	size_t len = 0;

	memset(rc, 0, sizeof(*rc));
	if ((rc->why = read_file(path, text, &len)) != NULL)
		return;
	resolvconf_parse(text, len, &found);
	rc->unusable = found.unusable;
	for (size_t i = 0; i < found.n; i++) {
		wrong = make_addr(&addr, &found.server[i]);
		if (wrong == NULL)
			add(rc, &addr);
		else
			resolvconf_unusable(&rc->unusable, found.server[i].line, wrong);
	}
	if (rc->n == 0)
		rc->why = rc->unusable.lines > 0 ? "no usable nameserver line"
						 : "no nameserver line";
}

bool
resolvconf_same_servers(const struct resolvconf *a, const struct resolvconf *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!net_addr_equal(&a->servers[i], &b->servers[i]))
			return false;
	return true;
}

/* Its changes */

struct resolvconf_watch {
	const char *path;
	struct resolvconf seen;  /* at the last look */
	struct resolvconf known; /* to the caller */
	bool (*changed)(void *arg);
	void *arg;
	struct ticker timer;
};

static bool
same(const struct resolvconf *a, const struct resolvconf *b)
{
	return resolvconf_same_servers(a, b) && a->unusable.lines == b->unusable.lines &&
	       (a->why == NULL || b->why == NULL ? a->why == b->why
						 : strcmp(a->why, b->why) == 0);
}

/* Reading the file costs little more than looking at its times and size, and sees what
 * these don't show: two changes within one tick of the clock, and interfaces. */
static void
look(void *arg)
{
	struct resolvconf_watch *w = arg;
	struct resolvconf now, before;
	bool settled;

	resolvconf_read(w->path, &now);
	settled = same(&now, &w->seen);
	w->seen = now;
	if (!settled || same(&now, &w->known))
		return;
	before = w->known;
	w->known = now;
	if (!w->changed(w->arg)) /* else the watch may be gone */
		w->known = before;
}

struct resolvconf_watch *
resolvconf_watch_start(struct loop *loop, const char *path,
	const struct resolvconf *known, bool (*changed)(void *arg), void *arg)
{
	struct resolvconf_watch *w = malloc(sizeof(*w));

	if (w == NULL) {
		log_error("can't watch %s", path);
		return NULL;
	}
	*w = (struct resolvconf_watch){.path = path,
		.seen = *known,
		.known = *known,
		.changed = changed,
		.arg = arg};
	ticker_start(&w->timer, loop, WATCH_MS, look, w);
	return w;
}

void
resolvconf_watch_cancel(struct resolvconf_watch *w)
{
	if (w == NULL)
		return;
	ticker_stop(&w->timer);
	free(w);
}
