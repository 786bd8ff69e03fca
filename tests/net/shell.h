/* The modules of the shell with the real libevent and c-ares, in one process: a loop, a
 * DNS server on 127.0.0.0/8 that a test scripts, and functions of the libraries below
 * that fail when the test says so. */
#ifndef TESTS_NET_SHELL_H
#define TESTS_NET_SHELL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/queue.h>

#include "../../daemon/net/loop_base.h"
#include "core/counters.h"
#include "net/addr.h"
#include "net/loop.h"

/* The test binary has functions of these names, which the libraries call, too. */
struct faults {
	void (*on_connect)(void *arg); /* NULL, or called from inside connect() */
	void *arg;
	unsigned dns_port;   /* not 0: it is port 53 for who connects and receives */
	int socket_errno;    /* not 0: socket() fails with it */
	int accept_errno;    /* not 0: accept4() fails with it */
	unsigned accepts;    /* how often it has failed */
	bool event_add;      /* it fails */
	unsigned event_adds; /* how often it has failed */

	/* Not 0: the how-many-th call of either fails, and is counted above. */
	unsigned nth_event_add;
	unsigned nth_epoll_ctl;
};

extern struct faults faults;

/* A DNS server. */

enum by_udp {
	BY_UDP_SILENCE,
	BY_UDP_ANSWER,
	BY_UDP_TWICE,
	BY_UDP_WRONG_ID, /* and then the right one */
	BY_UDP_TRUNCATED,
	BY_UDP_GARBAGE,
};

enum by_tcp {
	BY_TCP_SILENCE,
	BY_TCP_CLOSE, /* after the question has come */
	BY_TCP_ANSWER,
	BY_TCP_PIECES,
	BY_TCP_TRUNCATED,
	BY_TCP_GARBAGE,
};

#define DATAGRAMS_KEPT 1024

struct datagram {
	struct sockaddr_in from;
	size_t len;
	uint8_t bytes[300];
};

struct connection {
	LIST_ENTRY(connection) entry;
	struct test_server *server;
	int fd;
	struct event event;
	size_t len, sent;
	uint8_t bytes[1024];
};

struct test_server {
	struct loop *loop;
	struct net_addr address;
	enum by_udp by_udp;
	enum by_tcp by_tcp;
	int udp, tcp; /* -1: nobody is there */
	struct event udp_event, tcp_event;
	LIST_HEAD(, connection) connections;
	unsigned udp_seen, tcp_seen; /* questions, in all */
	struct datagram seen[DATAGRAMS_KEPT];
};

/* Binds a free port of 127.0.0.host for both protocols. */
void server_start(struct test_server *server, struct loop *loop, unsigned host);

/* Another one on the same port. */
void server_start_beside(
	struct test_server *server, const struct test_server *other, unsigned host);

unsigned server_port(const struct test_server *server);

/* Closes its sockets; what is sent to it then is refused. Legal in any state. */
void server_stop(struct test_server *server);

/* Refuses TCP from now on. */
void server_stop_tcp(struct test_server *server);

/* Binds the same port again. */
void server_restart(struct test_server *server);

/* Takes the questions that have come by UDP, before its socket's buffer is full. */
void server_poll(struct test_server *server);

/* Answers the i-th question that came by UDP. */
void server_answer(struct test_server *server, unsigned i, enum by_udp how);

/* The address in the answer for "n<number>.example". */
static inline uint32_t
address_of(unsigned number)
{
	return 0x0a000000U + number;
}

/* The loop */

/* Runs it until the condition holds. */
#define WAIT_UNTIL(loop, condition)                                                      \
	do {                                                                             \
		struct monotime limit_ = wait_limit();                                   \
		while (!(condition)) {                                                   \
			if (monotime_reached(limit_, loop_now()))                        \
				fail_msg("waited in vain: %s", #condition);              \
			run_once(loop);                                                  \
		}                                                                        \
	} while (0)

struct monotime wait_limit(void);

/* Waits for an event, 20 ms at most. */
void run_once(struct loop *loop);

/* Runs what is ready now, and what that makes ready. */
void run_ready(struct loop *loop);

/* This process */

unsigned open_files(void);

/* As many open files as the system lets us have. */
void allow_many_files(void);

/* Bytes that are allocated; 0 if that can't be told. */
size_t memory_used(void);

/* What is written to stderr from now on goes to a file, until it is taken. */
void log_capture(void);

/* The text, valid until the next call. Nothing is captured any more. */
const char *log_taken(void);

unsigned count_words(const char *text, const char *words);

#endif
