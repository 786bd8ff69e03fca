/* The channels of a resolver: one for each question, or one that a few share, or one that
 * is tor's. A channel that has become useless is condemned, and destroyed later: never
 * from inside a call of c-ares. */
#ifndef NET_DNS_POOL_H
#define NET_DNS_POOL_H

#include "core/counters.h"
#include "core/shares.h"
#include "dns_channel.h"

/* The most channels of one pool, each of which has a socket. */
#define DNS_POOL_CHANNELS_MAX 576

struct dns_pool;
struct pooled_channel;

struct dns_pool_config {
	struct loop *loop;
	struct counters *counters;
	struct net_addr server;
	int tcp_ms;  /* how long an answer by TCP may take, in milliseconds */
	bool is_tor; /* all questions share a channel, whose socket stays open */
	struct dns_exchanges *ended; /* as that of a channel */
	uint32_t *sockets;           /* as that of a channel */

	/* Called from the event loop, never from inside a function below: exchanges may
	 * have ended. */
	void (*ready)(void *arg);
	/* Called from anywhere: ready() is to be called soon. */
	void (*later)(void *arg);
	void *arg;
};

/* NULL: out of memory. The configuration is copied. */
struct dns_pool *dns_pool_new(const struct dns_pool_config *config);

/* Destroys all channels, whose exchanges end. */
void dns_pool_close(struct dns_pool *pool);

/* Frees a closed pool, after dns_pool_left() for each exchange. */
void dns_pool_free(struct dns_pool *pool);

/* The channel for a question by UDP. When there are too many, more questions share the
 * newest. NULL: out of memory. */
struct pooled_channel *dns_pool_choose(struct dns_pool *pool);

/* The channel for a question by TCP, of its own. There is a limit to connections: one
 * that hangs may make room for another. Anything but REASON_NONE: there is none. */
enum reason dns_pool_connect(struct dns_pool *pool, const struct share_keys *keys,
	struct pooled_channel **channel);

/* Sends a query of len bytes. The exchange may have ended when this returns. */
void dns_pool_send(struct pooled_channel *channel, const uint8_t *query, size_t len,
	struct dns_exchange *exchange);

/* Nobody waits any more for one of its exchanges. c-ares can't forget a single question:
 * it ends with its channel. */
void dns_pool_forget(struct pooled_channel *channel);

/* An exchange, which was forgotten or not, has been taken out of the list of those that
 * have ended. Returns whether it is to be asked anew by another channel, if it ended
 * without a message. */
bool dns_pool_left(struct pooled_channel *channel, const struct dns_exchange *exchange,
	bool forgotten);

/* Destroys what is condemned. What that had under way ends. */
void dns_pool_destroy_condemned(struct dns_pool *pool);

#endif
