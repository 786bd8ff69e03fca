/* The name servers of a file like /etc/resolv.conf, and its changes. */
#ifndef NET_RESOLVCONF_H
#define NET_RESOLVCONF_H

#include <stdbool.h>
#include <stddef.h>

#include "core/resolvconf.h"
#include "net/addr.h"
#include "net/loop.h"

struct resolvconf {
	struct net_addr servers[RESOLVCONF_SERVERS];
	size_t n;
	const char *why; /* what the file lacks if n is 0 (static); else NULL */

	/* Worth a warning even if there are servers. */
	struct resolvconf_unusable unusable;
};

/* Reads the file, of at most 64 KiB, without ever waiting for it. The servers are those
 * that glibc asks, on port 53, each once; 0.0.0.0 and :: mean this host. A link-local
 * address needs its interface: without it no packet can be sent there, and the line
 * counts as unusable. */
void resolvconf_read(const char *path, struct resolvconf *);

/* The same servers in the same order? Reasons and unusable lines don't matter. */
bool resolvconf_same_servers(const struct resolvconf *, const struct resolvconf *);

struct resolvconf_watch;

/* Reads the file once a second. If twice in a row it yields the same, and that isn't
 * what is known already (other servers, another reason why there are none, more or fewer
 * unusable lines), changed() is called, from the loop; the caller reads the file again. A
 * file that is being written is seldom taken half done in that way, and a server whose
 * interface comes or goes is noticed, too. known is what the caller has read before, and
 * is copied; path must outlive the watch. changed() returns whether it has taken the
 * change; if not, it is called again a second later. It may cancel the watch, and then
 * returns true. NULL on failure, logged: then nothing watches the file. */
struct resolvconf_watch *resolvconf_watch_start(struct loop *, const char *path,
	const struct resolvconf *known, bool (*changed)(void *arg), void *arg);

/* changed() isn't called any more. NULL is fine. */
void resolvconf_watch_cancel(struct resolvconf_watch *);

#endif
