/* A channel of c-ares to one DNS server, which sends questions and brings the answers. It
 * repeats nothing, ends nothing by time and remembers nothing: its users do. */
#ifndef NET_DNS_CHANNEL_H
#define NET_DNS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "core/answer.h"
#include "net/addr.h"
#include "net/loop.h"

struct dns_channel;

/* One question. The caller owns it, and must not free it before it has ended. */
struct dns_exchange {
	TAILQ_ENTRY(dns_exchange) entry; /* among those that have ended */
	struct dns_channel *channel;     /* NULL: it has ended */
	enum reason failed;              /* REASON_NONE: there is a message */
	uint8_t *message;                /* freed by dns_channel_clear(); may be NULL */
	size_t len;                      /* of the message, in bytes */
};

TAILQ_HEAD(dns_exchanges, dns_exchange);

struct dns_channel_config {
	struct loop *loop;
	struct net_addr server;
	bool tcp;         /* instead of UDP */
	bool keep_socket; /* while nothing is asked */

	/* Exchanges that have ended are appended here, during any call of a function
	 * below and before ready() is called. */
	struct dns_exchanges *ended;

	/* Called from the event loop after a socket was ready, never from inside a
	 * function below. It may destroy the channel. */
	void (*ready)(struct dns_channel *channel, void *arg);
	void *arg;

	uint32_t *sockets; /* incremented for each socket that is opened */
};

/* NULL: out of memory, or a server address that c-ares doesn't take, logged. The
 * configuration is copied; what it points to must outlive the channel. */
struct dns_channel *dns_channel_open(const struct dns_channel_config *config);

/* Sends a query of len bytes. The exchange may have ended when this returns. */
void dns_channel_send(struct dns_channel *channel, const uint8_t *query, size_t len,
	struct dns_exchange *exchange);

/* Has it been out of memory? Its answers may stay unread then: it is to be destroyed. */
bool dns_channel_is_broken(const struct dns_channel *channel);

/* Nothing is under way. Closes its sockets, so that the next question has a new source
 * port. False: it couldn't, and the channel isn't to be used again. */
bool dns_channel_rest(struct dns_channel *channel);

/* Destroys the channel. Its exchanges end with this reason. */
void dns_channel_destroy(struct dns_channel *channel, enum reason why);

/* Frees the message. Legal in any state but under way. */
void dns_channel_clear(struct dns_exchange *exchange);

/* Ends the process, with words, if it runs inside a call of c-ares. */
void dns_channel_assert_outside(void);

/* Does the program's c-ares behave like the one that it was built with? False is logged.
 */
bool dns_channel_library_fits(void);

#endif
