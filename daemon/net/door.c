#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "acceptor.h"
#include "bridge_inside.h"
#include "net/log.h"

struct door {
	SLIST_ENTRY(door) entry;
	struct bridge *bridge;
	struct sockaddr_in address;
	struct listener_config config;
	struct acceptor acceptor;
};

static void
accepted(void *arg, int fd)
{
	struct door *d = arg;

	relay_new(d->bridge, fd, &d->address);
}

static void
describe(struct door *d, uint32_t ipv4)
{
	static char name[] = "bridge";
	struct sockaddr_in *in = (struct sockaddr_in *)&d->config.addr.sa;

	d->address.sin_family = AF_INET;
	d->address.sin_port = htons(d->bridge->config.port);
	d->address.sin_addr.s_addr = htonl(ipv4);
	*in = d->address;
	d->config.addr.len = sizeof(*in);
	d->config.name = name;
}

bool
door_open(struct bridge *b, uint32_t ipv4)
{
	struct door *d = calloc(1, sizeof(*d));
	struct acceptor_user user = {
		.accepted = accepted, .arg = d, .counters = b->config.counters};

	if (d == NULL) {
		log_error("bridge");
		return false;
	}
	d->bridge = b;
	describe(d, ipv4);
	if (!acceptor_open(&d->acceptor, &d->config)) {
		free(d);
		return false;
	}
	if (!acceptor_start(&d->acceptor, b->config.loop, &user)) {
		acceptor_close(&d->acceptor);
		free(d);
		return false;
	}
	SLIST_INSERT_HEAD(&b->doors, d, entry);
	return true;
}

static void
door_free(struct door *d)
{
	SLIST_REMOVE(&d->bridge->doors, d, door, entry);
	acceptor_close(&d->acceptor);
	free(d);
}

void
door_close(struct bridge *b, uint32_t ipv4)
{
	struct door *d, *next;

	for (d = SLIST_FIRST(&b->doors); d != NULL; d = next) {
		next = SLIST_NEXT(d, entry);
		if (d->address.sin_addr.s_addr == htonl(ipv4))
			door_free(d);
	}
}

void
doors_close(struct bridge *b)
{
	while (!SLIST_EMPTY(&b->doors))
		// NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
		door_free(SLIST_FIRST(&b->doors));
}
