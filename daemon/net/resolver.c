#include "net/resolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "loop_base.h"
#include "net/log.h"

/* c-ares looks at its timeouts when we tell it to. ares_timeout() would walk through
 * all questions each time, so a tick does it while there are any. */
#define TICK_MS 50

/* A socket of c-ares. */
struct watch {
	LIST_ENTRY(watch) entry;
	struct resolver *resolver;
	ares_socket_t fd;
	struct event event;
};

struct dns_query {
	struct resolver *resolver;
	TAILQ_ENTRY(dns_query) failed_entry;
	dns_done *done; /* NULL: cancelled */
	void *arg;
	enum dns_type type;
	bool asking;        /* we are inside ares_send() */
	enum reason failed; /* it ended there */
	char name[];
};

struct resolver {
	struct dns_source source;
	struct loop *loop;
	bool ask_ad;
	bool is_local;
	ares_channel channel;
	LIST_HEAD(, watch) watches;
	size_t outstanding;
	struct event tick;
	uint16_t id[64]; /* random ones, as many as the kernel is asked for at once */
	size_t nids;
	TAILQ_HEAD(, dns_query)
	failed; /* ended inside ares_send(), not yet called back */
	struct event failed_event;
	struct dns_answer answer;
	struct onion_memo memo; /* of SRV targets */
};

/* Sockets */

static void
socket_ready(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	/* The watch may be gone when this returns. */
	ares_process_fd(w->resolver->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
		what & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

static struct watch *
find_watch(struct resolver *r, ares_socket_t fd)
{
	struct watch *w;

	LIST_FOREACH (w, &r->watches, entry)
		if (w->fd == fd)
			return w;
	return NULL;
}

static void
drop_watch(struct watch *w)
{
	event_del(&w->event);
	LIST_REMOVE(w, entry);
	free(w);
}

static void
watch_socket(struct resolver *r, ares_socket_t fd, short what)
{
	struct watch *w = find_watch(r, fd);

	if (w != NULL)
		event_del(&w->event);
	else if ((w = calloc(1, sizeof(*w))) != NULL)
		LIST_INSERT_HEAD(&r->watches, w, entry);
	else
		return; /* its questions will time out */
	w->resolver = r;
	w->fd = fd;
	event_assign(&w->event, loop_base(r->loop), fd, (short)(what | EV_PERSIST),
		socket_ready, w);
	event_add(&w->event, NULL);
}

static void
socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct watch *w;

	if (readable || writable)
		watch_socket(r, fd,
			(short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0)));
	else if ((w = find_watch(r, fd)) != NULL)
		drop_watch(w);
}

/* c-ares makes a new socket when the old one has reported an error. */
static int
socket_made(ares_socket_t fd, int type, void *arg)
{
	struct resolver *r = arg;

	(void)fd;
	(void)type;
	r->source.epoch++;
	return ARES_SUCCESS;
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	(void)fd;
	(void)what;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* Questions */

static void
query_ended(struct dns_query *q)
{
	struct resolver *r = q->resolver;

	if (--r->outstanding == 0)
		event_del(&r->tick);
	free(q);
}

static enum reason
status_reason(int status)
{
	switch (status) {
	case ARES_ETIMEOUT:
		return REASON_DNS_TIMEOUT;
	case ARES_ECONNREFUSED:
		return REASON_DNS_DOWN;
	case ARES_ENOMEM:
		return REASON_NOMEM;
	default:
		return REASON_DNS_FAILED;
	}
}

static void
answered(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
	struct dns_query *q = arg;
	struct resolver *r = q->resolver;
	const struct dns_question question = {q->name, q->type};

	(void)timeouts;
	if (q->asking) {
		q->failed = status_reason(status);
		return;
	}
	if (q->done != NULL && status != ARES_EDESTRUCTION) {
		if (status == ARES_SUCCESS)
			dnsmsg_parse(msg, (size_t)len, &question, &r->answer, &r->memo);
		else
			dns_answer_fail(&r->answer, status_reason(status));
		r->answer.ad &= r->ask_ad && r->is_local;
		q->done(q->arg, &r->answer, loop_now());
	}
	query_ended(q);
}

static void
call_back_failed(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct dns_query *q;

	(void)fd;
	(void)what;
	while ((q = TAILQ_FIRST(&r->failed)) != NULL) {
		TAILQ_REMOVE(&r->failed, q, failed_entry);
		dns_answer_fail(&r->answer, q->failed);
		q->done(q->arg, &r->answer, loop_now());
		query_ended(q);
	}
}

static uint16_t
next_id(struct resolver *r)
{
	if (r->nids == 0) {
		arc4random_buf(r->id, sizeof(r->id));
		r->nids = sizeof(r->id) / sizeof(r->id[0]);
	}
	return r->id[--r->nids];
}

static struct dns_query *
ask(struct dns_source *source, enum dns_type type, const char *name, dns_done *done,
	void *arg)
{
	struct resolver *r = (struct resolver *)source;
	size_t namelen = strlen(name);
	struct dns_query *q = malloc(sizeof(*q) + namelen + 1);
	struct timeval every = timeval_ms(TICK_MS);
	uint8_t msg[DNS_QUERY_MAX];
	size_t len;

	if (q == NULL)
		return NULL;
	*q = (struct dns_query){
		.resolver = r, .done = done, .arg = arg, .type = type, .asking = true};
	memcpy(q->name, name, namelen + 1);
	len = dnsmsg_query(msg, next_id(r), name, type, r->ask_ad);
	if (r->outstanding++ == 0)
		event_add(&r->tick, &every);
	ares_send(r->channel, msg, (int)len, answered, q);
	q->asking = false;
	if (q->failed != REASON_NONE) {
		TAILQ_INSERT_TAIL(&r->failed, q, failed_entry);
		event_active(&r->failed_event, EV_TIMEOUT, 0);
	}
	return q;
}

static void
cancel(struct dns_query *q)
{
	q->done = NULL;
	if (q->failed != REASON_NONE) {
		TAILQ_REMOVE(&q->resolver->failed, q, failed_entry);
		query_ended(q);
	}
}

/* The whole */

/* One try for each question: repeating is not its business. An answer "failure" is
 * handed over like every other. */
static bool
open_channel(struct resolver *r, const struct resolver_config *config)
{
	struct ares_options o = {
		.flags = ARES_FLAG_NOCHECKRESP |
			 (config->keep_socket ? ARES_FLAG_STAYOPEN | ARES_FLAG_IGNTC : 0),
		.timeout = config->timeout_ms,
		.tries = 1,
		.sock_state_cb = socket_state,
		.sock_state_cb_data = r,
	};
	char server[NET_ADDR_TEXT];
	int rc = ares_init_options(&r->channel, &o,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
			ARES_OPT_SOCK_STATE_CB);

	net_addr_text(&config->server, server);
	if (rc == ARES_SUCCESS &&
		(rc = ares_set_servers_ports_csv(r->channel, server)) != ARES_SUCCESS)
		ares_destroy(r->channel);
	if (rc != ARES_SUCCESS) {
		log_errorx("can't set up DNS: %s", ares_strerror(rc));
		return false;
	}
	ares_set_socket_callback(r->channel, socket_made, r);
	return true;
}

struct resolver *
resolver_new(struct loop *loop, const struct resolver_config *config)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		log_error("resolver");
		return NULL;
	}
	r->source.ask = ask;
	r->source.cancel = cancel;
	r->loop = loop;
	r->ask_ad = config->ask_ad;
	r->is_local = net_addr_is_local(&config->server);
	LIST_INIT(&r->watches);
	TAILQ_INIT(&r->failed);
	event_assign(&r->tick, loop_base(loop), -1, EV_PERSIST, tick, r);
	event_assign(&r->failed_event, loop_base(loop), -1, 0, call_back_failed, r);
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
		!open_channel(r, config)) {
		free(r);
		return NULL;
	}
	return r;
}

void
resolver_free(struct resolver *r)
{
	struct dns_query *q;
	struct watch *w, *next;

	if (r == NULL)
		return;
	while ((q = TAILQ_FIRST(&r->failed)) != NULL) {
		TAILQ_REMOVE(&r->failed, q, failed_entry);
		query_ended(q);
	}
	ares_destroy(r->channel);
	event_del(&r->tick);
	event_del(&r->failed_event);
	for (w = LIST_FIRST(&r->watches); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		drop_watch(w);
	}
	ares_library_cleanup();
	free(r);
}

struct dns_source *
resolver_source(struct resolver *r)
{
	return &r->source;
}

/* The servers of the system */

static void
take_server(struct net_addr *addr, const struct ares_addr_port_node *node)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&addr->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr->sa;
	in_port_t port = htons(node->udp_port ? (in_port_t)node->udp_port : 53);

	memset(addr, 0, sizeof(*addr));
	if (node->family == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		memcpy(&in6->sin6_addr, &node->addr.addr6, sizeof(in6->sin6_addr));
		addr->len = sizeof(*in6);
	} else {
		in->sin_family = AF_INET;
		in->sin_port = port;
		in->sin_addr = node->addr.addr4;
		addr->len = sizeof(*in);
	}
}

size_t
resolver_of_system(struct net_addr servers[], size_t max)
{
	struct ares_addr_port_node *list = NULL;
	ares_channel channel = NULL;
	size_t n = 0;
	int rc = ares_library_init(ARES_LIB_INIT_ALL);

	if (rc == ARES_SUCCESS && (rc = ares_init(&channel)) == ARES_SUCCESS)
		rc = ares_get_servers_ports(channel, &list);
	if (rc != ARES_SUCCESS)
		log_errorx("can't read the system's resolvers: %s", ares_strerror(rc));
	for (struct ares_addr_port_node *node = list; node != NULL && n < max;
		node = node->next)
		take_server(&servers[n++], node);
	ares_free_data(list);
	if (channel != NULL)
		ares_destroy(channel);
	ares_library_cleanup();
	return n;
}
