#include "dns_channel.h"

#include <ares.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/log.h"
#include "watch.h"

/* c-ares calls back from inside its own functions, for this question and for others, with
 * its lists half changed. So no code of ours runs inside a call of c-ares but the few
 * functions below that take notes (noted_*), and none of those calls c-ares again. What
 * has ended is put in a list and handed out when the call has returned. enter() and
 * leave() enclose each call and enforce the rule.
 *
 * c-ares without memory closes sockets, or opens some, without a call of sock_state_cb
 * (1.34.9, which calls it from a queue). An event for a descriptor that is closed keeps
 * libevent from watching the next file with the same number. So c-ares allocates by
 * functions of ours: when one of them fails, the channel's sockets aren't watched any
 * more, and it is of no more use. */

/* More than any question takes, in milliseconds: its users end it long before. c-ares'
 * own timeouts end questions early (since 1.32: by the server's history). */
#define NEVER_MS 3600000

#if ARES_VERSION >= 0x012200
#define HAVE_DNSREC 1 /* 1.34: answers as records; descriptors without timeouts */
#endif

/* A socket of c-ares. */
struct socket {
	LIST_ENTRY(socket) entry;
	struct dns_channel *channel;
	ares_socket_t fd;
	struct watch watch;
};

struct dns_channel {
	struct dns_channel_config config;
	struct ares_channeldata *ares;
	LIST_HEAD(, socket) open;
	unsigned sockets;      /* opened in all */
	bool broken;           /* for lack of memory */
	enum reason destroyed; /* why its exchanges end now */
};

static struct dns_channel *inside; /* NULL: c-ares isn't on the stack */

void
dns_channel_assert_outside(void)
{
	if (inside == NULL)
		return;
	log_errorx("internal error: code of the daemon ran inside a call of c-ares");
	abort();
}

static void
enter(struct dns_channel *ch)
{
	dns_channel_assert_outside();
	inside = ch;
}

static void drop_sockets(struct dns_channel *);

static void
leave(void)
{
	struct dns_channel *ch = inside;

	inside = NULL;
	if (ch->broken)
		drop_sockets(ch);
}

static void *
noted_malloc(size_t size)
{
	void *p = malloc(size);

	inside->broken |= p == NULL;
	return p;
}

static void *
noted_realloc(void *old, size_t size)
{
	void *p = realloc(old, size);

	inside->broken |= p == NULL;
	return p;
}

/* Ends */

void
dns_channel_clear(struct dns_exchange *x)
{
#ifdef HAVE_DNSREC
	ares_free_string(x->message);
#else
	free(x->message);
#endif
	x->message = NULL;
}

static enum reason
status_reason(int status)
{
	switch (status) {
	case ARES_ETIMEOUT:
		return REASON_DNS_TIMEOUT;
	case ARES_ECONNREFUSED:
#ifdef HAVE_DNSREC
	case ARES_ENOSERVER: /* a link-local one whose interface has gone */
#endif
		return REASON_DNS_DOWN;
	case ARES_ENOMEM:
		return REASON_NOMEM;
	case ARES_EBADRESP:
		return REASON_DNS_BAD;
	default:
		return REASON_DNS_FAILED;
	}
}

static void
noted_end(struct dns_exchange *x, int status)
{
	struct dns_channel *ch = x->channel;

	x->channel = NULL;
	if (status == ARES_SUCCESS)
		x->failed = REASON_NONE;
	else if (status == ARES_EDESTRUCTION)
		x->failed = ch->destroyed;
	else
		x->failed = status_reason(status);
	TAILQ_INSERT_TAIL(ch->config.ended, x, entry);
}

#ifdef HAVE_DNSREC
/* The record is written back to a message, for our own parser. That loses the upper bits
 * of the response code (RFC 6891 section 6.1.3), so they are looked at here. */
static void
noted_answer(
	void *arg, ares_status_t status, size_t timeouts, const ares_dns_record_t *record)
{
	struct dns_exchange *x = arg;

	(void)timeouts;
	if (record != NULL)
		status = (unsigned)ares_dns_record_get_rcode(record) > 15
				 ? ARES_ESERVFAIL
				 : ares_dns_write(record, &x->message, &x->len);
	noted_end(x, (int)status);
}
#else
static void
noted_answer(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	struct dns_exchange *x = arg;

	(void)timeouts;
	if (msg != NULL && len > 0) {
		x->len = (size_t)len;
		if ((x->message = malloc(x->len)) == NULL)
			status = ARES_ENOMEM;
		else
			memcpy(x->message, msg, x->len);
	}
	noted_end(x, status);
}
#endif

/* Sockets */

static void
process(struct dns_channel *ch, ares_socket_t fd, bool readable, bool writable)
{
#ifdef HAVE_DNSREC
	const ares_fd_events_t events = {.fd = fd,
		.events = (readable ? ARES_FD_EVENT_READ : 0U) |
			  (writable ? ARES_FD_EVENT_WRITE : 0U)};

	enter(ch);
	ares_process_fds(ch->ares, &events, 1, ARES_PROCESS_FLAG_SKIP_NON_FD);
#else
	enter(ch);
	ares_process_fd(ch->ares, readable ? fd : ARES_SOCKET_BAD,
		writable ? fd : ARES_SOCKET_BAD);
#endif
	leave();
}

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct socket *s = arg;
	struct dns_channel *ch = s->channel;

	/* The socket may be gone when this returns. */
	process(ch, fd, what & EV_READ, what & EV_WRITE);
	ch->config.ready(ch, ch->config.arg);
}

static struct socket *
find_socket(struct dns_channel *ch, ares_socket_t fd)
{
	struct socket *s;

	LIST_FOREACH (s, &ch->open, entry)
		if (s->fd == fd)
			return s;
	return NULL;
}

static void
drop_socket(struct socket *s)
{
	watch_stop(&s->watch);
	LIST_REMOVE(s, entry);
	free(s);
}

static void
drop_sockets(struct dns_channel *ch)
{
	struct socket *s, *next;

	for (s = LIST_FIRST(&ch->open); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		drop_socket(s);
	}
}

static bool
watch_socket(struct dns_channel *ch, ares_socket_t fd, short what)
{
	struct socket *s = find_socket(ch, fd);

	if (s != NULL)
		watch_stop(&s->watch);
	else if ((s = calloc(1, sizeof(*s))) != NULL)
		LIST_INSERT_HEAD(&ch->open, s, entry);
	else
		return false;
	s->channel = ch;
	s->fd = fd;
	watch_init(&s->watch, ch->config.loop, fd, (short)(what | EV_PERSIST),
		socket_ready, s);
	return watch_start(&s->watch, WATCH_NO_LIMIT);
}

static void
noted_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	const short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	struct dns_channel *ch = arg;
	struct socket *s;

	if (what != 0)
		ch->broken |= !watch_socket(ch, fd, what);
	else if ((s = find_socket(ch, fd)) != NULL)
		drop_socket(s);
}

static int
noted_socket(ares_socket_t fd, int type, void *arg)
{
	struct dns_channel *ch = arg;

	(void)fd;
	(void)type;
	ch->sockets++;
	++*ch->config.sockets;
	return ARES_SUCCESS;
}

/* Channels */

/* A link-local server is reached by its interface. c-ares 1.34 reads its number behind
 * the port, and drops a server without; 1.18 reads none, but binds its sockets to one. An
 * interface that has gone may come back: until then nobody is there. */
static int
set_server(struct ares_channeldata *ares, const struct net_addr *server)
{
	const struct net_addr bare = net_addr_without_zone(server);
	const unsigned zone = net_addr_zone(server);
	char text[NET_ADDR_TEXT], with_zone[NET_ADDR_TEXT + 11], name[IF_NAMESIZE];
	int rc;

	net_addr_text(&bare, text);
	if (zone == 0)
		return ares_set_servers_ports_csv(ares, text);
	snprintf(with_zone, sizeof(with_zone), "%s%%%u", text, zone);
	rc = ares_set_servers_ports_csv(ares, with_zone);
	if (rc == ARES_SUCCESS)
		return rc;
	if (if_indextoname(zone, name) != NULL)
		ares_set_local_dev(ares, name);
	return ares_set_servers_ports_csv(ares, text);
}

/* One server, one try, no EDNS, no option of /etc/resolv.conf, no file of hosts. */
static int
open_ares(struct dns_channel *ch)
{
	char nowhere[] = "/dev/null", lookups[] = "b";
	struct ares_options o = {
		.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_IGNTC |
			 (ch->config.keep_socket ? ARES_FLAG_STAYOPEN : 0) |
			 (ch->config.tcp ? ARES_FLAG_USEVC : 0),
		.timeout = NEVER_MS,
		.tries = 1,
		.lookups = lookups,
		.resolvconf_path = nowhere,
		.sock_state_cb = noted_socket_state,
		.sock_state_cb_data = ch,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;
	int rc;

#ifdef HAVE_DNSREC
	o.maxtimeout = NEVER_MS;
	o.qcache_max_ttl = 0; /* on by default since 1.31 */
	mask |= ARES_OPT_MAXTIMEOUTMS | ARES_OPT_QUERY_CACHE;
#endif
	if ((rc = ares_init_options(&ch->ares, &o, mask)) != ARES_SUCCESS)
		return rc;
	rc = set_server(ch->ares, &ch->config.server);
	if (rc == ARES_SUCCESS)
		ares_set_socket_configure_callback(ch->ares, noted_socket, ch);
	else
		ares_destroy(ch->ares);
	return rc;
}

struct dns_channel *
dns_channel_open(const struct dns_channel_config *config)
{
	struct dns_channel *ch = calloc(1, sizeof(*ch));
	char server[NET_ADDR_TEXT];
	int rc;

	if (ch == NULL)
		return NULL;
	ch->config = *config;
	LIST_INIT(&ch->open);
	enter(ch);
	rc = ares_library_init_mem(ARES_LIB_INIT_ALL, noted_malloc, free, noted_realloc);
	if (rc == ARES_SUCCESS && (rc = open_ares(ch)) != ARES_SUCCESS)
		ares_library_cleanup();
	leave();
	if (rc == ARES_SUCCESS)
		return ch;
	if (rc != ARES_ENOMEM) {
		net_addr_text(&config->server, server);
		log_errorx("resolver %s: c-ares: %s", server, ares_strerror(rc));
	}
	free(ch);
	return NULL;
}

static void
send_query(
	struct dns_channel *ch, const uint8_t *query, size_t len, struct dns_exchange *x)
{
#ifdef HAVE_DNSREC
	ares_dns_record_t *record = NULL;
	ares_status_t rc = ares_dns_parse(query, len, 0, &record);

	if (rc == ARES_SUCCESS)
		ares_send_dnsrec(ch->ares, record, noted_answer, x, NULL);
	else /* not as a bad answer, which would be asked again */
		noted_end(x, rc == ARES_ENOMEM ? ARES_ENOMEM : ARES_EBADQUERY);
	ares_dns_record_destroy(record);
#else
	ares_send(ch->ares, query, (int)len, noted_answer, x);
#endif
}

/* Has the kernel no socket for anybody? It may have none of this address family. */
static bool
lacks_sockets(const struct dns_channel *ch)
{
	int fd = socket(ch->config.server.sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
				 errno == ENOMEM);
}

void
dns_channel_send(
	struct dns_channel *ch, const uint8_t *query, size_t len, struct dns_exchange *x)
{
	const bool had_socket = !LIST_EMPTY(&ch->open);
	const unsigned sockets = ch->sockets;

	x->channel = ch;
	enter(ch);
	send_query(ch, query, len, x);
	leave();
	/* c-ares calls it "refused" when the kernel has no socket for it. */
	if (x->channel == NULL && x->failed == REASON_DNS_DOWN && !had_socket &&
		ch->sockets == sockets && lacks_sockets(ch))
		x->failed = REASON_DESCRIPTORS;
}

bool
dns_channel_is_broken(const struct dns_channel *ch)
{
	return ch->broken;
}

bool
dns_channel_rest(struct dns_channel *ch)
{
#ifdef HAVE_DNSREC
	/* c-ares looks for sockets without questions only beside timeouts, of which there
	 * are none now. */
	enter(ch);
	ares_process_fds(ch->ares, NULL, 0, ARES_PROCESS_FLAG_NONE);
	leave();
#endif
	return !ch->broken && LIST_EMPTY(&ch->open);
}

void
dns_channel_destroy(struct dns_channel *ch, enum reason why)
{
	ch->destroyed = why;
	enter(ch);
	ares_destroy(ch->ares);
	ares_library_cleanup();
	leave();
	drop_sockets(ch);
	free(ch);
}

bool
dns_channel_library_fits(void)
{
	const int with_query_cache = 0x011f00; /* 1.31 */
	int version;

	ares_version(&version);
	if (ARES_VERSION >= with_query_cache || version < with_query_cache)
		return true;
	log_errorx("built with c-ares " ARES_VERSION_STR
		   ", but this system has %s, which "
		   "behaves differently: rebuild onionmxd",
		ares_version(NULL));
	return false;
}
